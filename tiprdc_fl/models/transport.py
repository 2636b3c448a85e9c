"""Few components of features, which a device moves to where all of its private classes look alike."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.fair_tree import FairTree
from tiprdc_fl.models.projection import aligned_product, constants
from tiprdc_fl.models.text import mean_step

DEVIATIONS = 3.0  # standard deviations on either side of a component's mean that stand for 0 and 1
FEWEST_ITEMS = 5  # of a person, whose mean is moved apart: that of fewer is distributed otherwise
LEAST = 1e-4  # of a component that is sent: a step of zeros would be padding


class Transport(nn.Module):
    """An encoder, linear components of its features, and a map of these for each private class.

    A private class is a combination of the private attributes' values (see ``private_class``). The device runs
    ``forward``, which does not depend on it, and then ``send``, which does; the collector runs ``restore``.
    Components are scaled so that 0.5 is their mean and 0 and 1 lie DEVIATIONS standard deviations away.

    Args:
        encoder: inputs -> features z.
        shape: shape of one example's features; a leading -1 for messages, whose steps are averaged first.
        components: number of components.
        classes: number of private classes.
        bits: of a code that is sent instead of the components, see ``FairTree``; 0: there is none.
        centred: whether the mean of a person's items has maps of its own, and what each differs from it others.
    """

    def __init__(
        self,
        encoder: nn.Module,
        shape: tuple[int, ...],
        components: int,
        classes: int,
        bits: int = 0,
        centred: bool = False,
    ):
        super().__init__()
        self.centred = centred
        self.encoder, self.shape = encoder, shape
        self.pooled = shape[0] < 0
        size = shape[-1] if self.pooled else shape[0] * shape[1] * shape[2]
        self.mean, self.basis = constants((size,), (components, size))
        square, row = (classes, components, components), (classes, components)
        self.maps, self.offsets = constants(square, row)
        if centred:
            self.between, self.within, self.origins = constants(square, square, row)
        self.back, self.middle = constants((components, size), (size,))
        self.tree = FairTree(components, bits, classes) if bits else None

    def forward(self, x: Tensor) -> Tensor:
        """Components, float [batch, components], or [batch, 1, components] of messages; not yet moved."""
        z = self.encoder(x).float()
        with torch.autocast(x.device.type, enabled=False):  # the components are computed in float32
            flat = mean_step(z) if self.pooled else z.flatten(1)
            return aligned_product(flat - self.mean, self.basis) / (2 * DEVIATIONS) + 0.5

    def send(self, components: Tensor, classes: np.ndarray, means: Tensor | None = None) -> Tensor:
        """What the device sends: components that are moved, [n, ..., components], or their codes, [n, ..., bits].

        Args:
            components: as ``forward`` returns them, or means of these, [n, ..., components].
            classes: private class of each item, int64 [n].
            means: mean of the items of each item's person, shaped as ``components``, NaN for an item that is moved
                as it is; None: all are.
        """
        rows = components.reshape(len(components), -1)
        sent = self.move(rows, classes, None if means is None else means.reshape(rows.shape))
        if self.tree is not None:
            sent = self.tree(sent, torch.from_numpy(classes))
        return sent.reshape(*components.shape[:-1], -1)

    def move(self, components: Tensor, classes: np.ndarray, means: Tensor | None = None) -> Tensor:
        """Moves components [n, components] by the map of each item's private class, and clips them.

        Where there are means [n, components] of the items' persons and maps for these, those move the means, and
        others what an item differs from its mean.

        Sums are taken one component after the other, so that no bit depends on the other items.

        Raises:
            InputError: a private class was not fitted. The message leaves the device, so it names no class.
        """
        chosen = torch.from_numpy(classes)
        maps, moved = self.maps[chosen], self.offsets[chosen]
        if not maps.flatten(1).any(dim=1).all():
            raise InputError(
                "the device's combination of private attributes is one that the protection was not fitted to: fit "
                "it to people who have them all"
            )
        moved = _added(moved, maps, components)
        if self.centred and means is not None:
            apart = self.between.flatten(1).any(dim=1)[chosen] & ~means.isnan().any(dim=1)
            parts = _added(self.origins[chosen], self.between[chosen], means)
            parts = _added(parts, self.within[chosen], components - means)
            moved = torch.where(apart[:, None], parts, moved)
        return moved.clamp(LEAST, 1.0)

    def restore(self, components: Tensor) -> Tensor:
        """Converts (noisy) components, or codes, to features [batch, *shape]; the components linearly."""
        components = components if self.tree is None else self.tree.centre(components)
        flat = components @ self.back + self.middle
        return flat if self.pooled else flat.reshape(len(flat), *self.shape)


def _added(rows: Tensor, maps: Tensor, components: Tensor) -> Tensor:
    """Rows [n, d] plus what each row's map [n, d, d] makes of its components [n, d], summed one after the other."""
    for number in range(components.shape[1]):
        rows = rows + maps[:, :, number] * components[:, number : number + 1]
    return rows


def private_class(labels: np.ndarray, sizes: Sequence[int], names: Sequence[str]) -> np.ndarray:
    """Number of each item's combination of the private attributes' values, int64 [n]; the last attribute counts on.

    Args:
        labels: of the private attributes, int [n, attributes].
        sizes: number of values of each attribute.
        names: of the attributes, for the message.

    Raises:
        InputError: a label is not a value of its attribute. The message leaves the device, so it names no label.
    """
    number = np.zeros(len(labels), np.int64)
    for name, size, column in zip(names, sizes, labels.T, strict=True):
        if len(column) and not 0 <= column.min() <= column.max() < size:
            raise InputError(
                f"{name}: the protection was fitted to the values 0 to {size - 1}, and the device has another: fit "
                "it to people who have them all"
            )
        number = number * size + column
    return number
