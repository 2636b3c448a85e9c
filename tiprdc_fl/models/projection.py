"""Projection of features to principal components, for ``gaussian`` and the paper's Hybrid (Section 5.2)."""

import torch
from torch import Tensor, nn

from tiprdc_fl.models.text import mean_step, valid_steps

ALIGNED = 16  # float32 numbers in 64 bytes, the widest load of a kernel


class Projection(nn.Module):
    """An encoder followed by principal components scaled to [0, 1] (baseline Hybrid, Osia et al. 2020).

    Inputs -> components, float [batch, components] for images and [batch, length, components] for messages, whose
    padded steps stay zero; [batch, 1, components] for messages that are pooled. A pooled message has no padding:
    one without a valid step has the components of zeros, within [0, 1], too. The device runs ``forward``; the
    collector runs ``restore``, components -> features.

    Args:
        encoder: inputs -> features z.
        shape: shape of one example's features; a leading -1 for messages, whose steps are projected one by one.
        components: number of components.
        pooled: whether a message's features are averaged over its steps first.
    """

    def __init__(self, encoder: nn.Module, shape: tuple[int, ...], components: int, pooled: bool = False):
        super().__init__()
        self.encoder, self.shape, self.pooled = encoder, shape, pooled
        size = shape[-1] if shape[0] < 0 else shape[0] * shape[1] * shape[2]
        self.mean, self.basis, self.low, self.high = constants(
            (size,), (components, size), (components,), (components,)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Components of a batch, clipped to the range of the collector's examples."""
        z = self.encoder(x).float()
        with torch.autocast(x.device.type, enabled=False):  # the components are computed in float32
            if self.shape[0] > 0:
                return self._scaled(z.flatten(1))
            if self.pooled:
                return self._scaled(mean_step(z))
            return self._scaled(z) * valid_steps(z).unsqueeze(2)

    def _scaled(self, flat: Tensor) -> Tensor:
        scaled = (aligned_product(flat - self.mean, self.basis) - self.low) / (self.high - self.low)
        return scaled.clamp(1e-4, 1.0)  # never 0: a step of zeros is padding

    def restore(self, components: Tensor) -> Tensor:
        """Converts (noisy) components to features [batch, *shape]; a step of zeros is padding and stays zero."""
        flat = (components * (self.high - self.low) + self.low) @ self.basis + self.mean
        if self.shape[0] > 0:
            return flat.reshape(len(flat), *self.shape)
        return flat if self.pooled else flat * valid_steps(components).unsqueeze(2)


def constants(*shapes: tuple[int, ...]) -> tuple[nn.Parameter, ...]:
    """Parts of a network that are fitted in closed form, of these shapes."""
    return tuple(nn.Parameter(torch.zeros(shape), requires_grad=False) for shape in shapes)


def aligned_product(flat: Tensor, rows: Tensor) -> Tensor:
    """Multiplies ``flat`` [..., size] by ``rows`` [count, size]; returns [..., count].

    Zeros extend each row to a multiple of ALIGNED. With few rows, some kernels begin the sum of a row at its first
    aligned address, and the last bits of the sum would then depend on the row's position. In an exported file
    there are no such zeros, because its kernels are others.
    """
    if torch.compiler.is_exporting():
        return flat @ rows.T
    missing = (0, -flat.shape[-1] % ALIGNED)
    return nn.functional.pad(flat, missing) @ nn.functional.pad(rows, missing).T
