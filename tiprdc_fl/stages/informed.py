"""What an adversary who knows the protection has beside what was sent: all but a device's private attributes.

It can apply the protection, so it sends its own people's examples again, images mirrored, noise drawn anew, and
learns from all of them. And it can turn what was sent into rows that tell it more than features do, as the
protection says (``Protection.informed``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
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
class Known:
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
        known: None where the protection brings no such rows.
    """

    augmented: Rows | None
    known: Known | None


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
    again = [
        Part(_extracted(current, device, number, examples, advance), examples)
        for number, examples in augmentations(current, device.extractor, learned[-1].examples)
    ]

    def read(parts: Sequence[Part], seen: Callable[[Tensor], Tensor] | None = None) -> Rows | None:
        rows = [rows_of(current, part.store, part.examples, device.extractor, seen) for part in parts]
        return joined(*rows) if rows else None

    if informed is None:
        return InformedView(read(again), None)
    seen = partial(informed.rows, device.extractor)
    whole, others = read(learned, seen), read([measured], seen)
    assert whole is not None and others is not None
    return InformedView(read(again), Known(f"{informed.name}-", whole, read(again, seen), others))


def augmentations(current: Run, extractor: Extractor, examples: Examples) -> list[tuple[int, Examples]]:
    """The examples as they are sent again, with the number of each time, but for those that would change nothing.

    Args:
        current: the run.
        extractor: says whether there is noise.
        examples: of the collector's people.
    """
    noisy = extractor.architecture.noise != "none"
    times = range(1, current.config.evaluation.augmentations + 1)
    images = current.dataset.modality == "image"
    if not noisy:
        times = times[:1] if images else ()
    return [(number, mirrored(examples) if images and number % 2 else examples) for number in times]


def mirrored(examples: Examples) -> Examples:
    """Images with left and right exchanged."""
    pixels = examples.loaded[:]
    assert isinstance(pixels, torch.Tensor)
    return replace(examples, inputs=pixels.flip(3))


def _extracted(
    current: Run, device: Device, number: int, examples: Examples, advance: Callable[[int], None]
) -> FeatureStore:
    """Features of examples that are sent again; the noise is another one each time."""

    def redrawn(collection: Collection) -> Collection:
        seed = seeding.derive(collection.request.source.seed, "augmentation", number) % 2**32
        source = replace(collection.request.source, seed=seed)
        return replace(collection, request=replace(collection.request, source=source))

    return extract(current, device.folder.augmented(number), device.path, examples, advance, redrawn)
