"""What an adversary who knows the protection has beside what was sent: all but a device's private attributes.

It can apply the protection, so it sends its own people's examples again, images mirrored, noise drawn anew, and
learns from all of them. And it can turn what was sent into rows that tell it more than features do, as the
protection says (``Protection.informed``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Rows
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.federation.collection import Collection
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.stored import extract, joined, rows_of
from tiprdc_fl.store.feature_store import FeatureStore
from tiprdc_fl.store.paths import RunFolder


@dataclass(frozen=True)
class Device:
    """What an informed adversary knows.

    Attributes:
        protection: key of PROTECTIONS.
        path: of the extractor's file.
        extractor: the frozen extractor.
        folder: where features of augmented examples go.
    """

    protection: str
    path: Path
    extractor: Extractor
    folder: RunFolder


@dataclass(frozen=True)
class Part:
    """Features of some people in a store, with the examples that they are of."""

    store: FeatureStore
    examples: Examples


@dataclass(frozen=True)
class Made:
    """Rows of numbers that an informed adversary makes of what was sent.

    Attributes:
        name: goes before the names of the probes that learn from them.
        learned: of the contributors, then of the collector's people.
        augmented: of the collector's people's augmented examples; None where there are none.
        measured: of the holdout people.
    """

    name: str
    learned: Rows
    augmented: Rows | None
    measured: Rows


@dataclass(frozen=True)
class InformedView:
    """What an informed adversary reads.

    Attributes:
        augmented: features of the collector's people's augmented examples; None where augmentation changes nothing.
        made: None where the protection says of no such rows.
    """

    augmented: Rows | None
    made: Made | None


def open_informed(
    current: Run,
    device: Device,
    learned: Sequence[Part],
    measured: Part,
    advance: Callable[[int], None],
) -> InformedView:
    """Extracts the augmented examples, and reads everything a second time where the protection says how.

    Args:
        current: the run.
        device: what made the features.
        learned: of the contributors, then of the collector's own people.
        measured: of the holdout people.
        advance: called with the number of examples extracted.
    """
    informed = PROTECTIONS[device.protection].informed
    own = learned[-1].examples
    again = [
        Part(_sent_again(current, device, number, own, advance), replace(own, inputs=None))
        for number in augmentations(current, device.extractor)
    ]

    def rows(parts: Sequence[Part], seen: Callable[[Tensor], Tensor] | None = None) -> Rows:
        return joined(
            *(rows_of(current, part.store, part.examples, device.extractor, seen) for part in parts)
        )

    augmented = rows(again) if again else None
    if informed is None:
        return InformedView(augmented, None)
    seen = partial(informed.rows, device.extractor)
    further = rows(again, seen) if again else None
    made = Made(f"{informed.name}-", rows(learned, seen), further, rows([measured], seen))
    return InformedView(augmented, made)


def augmentations(current: Run, extractor: Extractor) -> Sequence[int]:
    """Numbers of the times that examples are sent again, from 1, but for those that would change nothing.

    Args:
        current: the run.
        extractor: says whether there is noise.
    """
    numbers = range(1, current.config.evaluation.augmentations + 1)
    if extractor.architecture.noise != "none":
        return numbers
    return numbers[:1] if current.dataset.modality == "image" else ()


def mirrored(examples: Examples) -> Examples:
    """Images with left and right exchanged."""
    images = examples.loaded
    if isinstance(images, list):
        raise TypeError("messages have no mirror image")
    return replace(examples, inputs=images[:].flip(3))


def _sent_again(
    current: Run, device: Device, number: int, examples: Examples, advance: Callable[[int], None]
) -> FeatureStore:
    """Features of examples that are sent again; the noise is another one each time."""

    def redrawn(collection: Collection) -> Collection:
        seed = seeding.derive(collection.request.source.seed, "augmentation", number) % 2**32
        source = replace(collection.request.source, seed=seed)
        return replace(collection, request=replace(collection.request, source=source))

    images = current.dataset.modality == "image" and number % 2
    folder, shown = device.folder.augmented(number), mirrored(examples) if images else examples
    return extract(current, folder, device.path, shown, advance, redrawn)
