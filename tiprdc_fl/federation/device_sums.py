"""A device's masked sums: load, extract, add up by the private class that it states, mask. Flower carries them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tiprdc_fl.data import Dataset
from tiprdc_fl.data.examples import by_person
from tiprdc_fl.federation.class_sums import MOST_ITEMS, row_values, width_of
from tiprdc_fl.federation.contributor import EXTRACTION_BATCH
from tiprdc_fl.federation.person_means import PersonMeans
from tiprdc_fl.federation.secure_sums import encode, masked, public_key, simulated_key
from tiprdc_fl.federation.stated import stated_classes
from tiprdc_fl.federation.totals import SumsShape
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor, batch_reader
from tiprdc_fl.models.runtime import RUNTIMES, Runner, extraction_threads


def sums_shape(architecture: Architecture) -> SumsShape:
    """Private classes, components and weight of a device, as an extractor's architecture has them."""
    return SumsShape(
        classes=math.prod(architecture.stated_values),
        components=architecture.components,
        most=1 if architecture.per == "person" else MOST_ITEMS,
    )


def groups_with(groups: Sequence[Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """The masking group of each contributor."""
    return {member: tuple(group) for group in groups for member in group}


def masked_sums(
    extractor: Extractor,
    dataset: Dataset,
    contributors: Sequence[int],
    groups: Mapping[int, tuple[int, ...]],
    seed: int = 0,
    run: Runner | None = None,
) -> np.ndarray:
    """What each contributor sends, uint64 [contributors, classes * values]; see ``class_sums.row_values``.

    A device whose work fails sends zeros under its masks, so that its group stays whole and nobody learns of it.

    Args:
        extractor: the extractor, with components that are not yet moved as its output.
        dataset: holds the contributors' examples.
        contributors: ids.
        groups: masking group of each of them.
        seed: of the simulated keys, and of who states another class.
        run: runs the extractor; None: torch.

    Raises:
        InputError: a masking group is too small.
    """
    run = run or RUNTIMES["torch"].start(extractor, b"")
    shape = sums_shape(extractor.architecture)
    everybody = {member for contributor in contributors for member in groups[contributor]}
    keys = {member: simulated_key(seed, member) for member in everybody}
    public = {member: public_key(key) for member, key in keys.items()}
    sent = np.empty((len(contributors), shape.classes * width_of(shape.components)), np.uint64)
    with extraction_threads():
        for place, contributor in enumerate(contributors):
            sent[place] = masked(
                numbers=encode(_own_values(extractor, dataset, contributor, seed, run)).reshape(-1),
                contributor=contributor,
                key=keys[contributor],
                public_keys={member: public[member] for member in groups[contributor]},
                query=extractor.digest.encode(),
            )
    return sent


def _own_values(
    extractor: Extractor, dataset: Dataset, contributor: int, seed: int, run: Runner
) -> np.ndarray:
    """One device's values before they are masked, zeros where its work fails; float64 [classes, values]."""
    shape = sums_shape(extractor.architecture)
    try:
        components, classes = device_components(extractor, dataset, contributor, seed, run)
        return row_values(components, classes, shape.classes, shape.most)
    except Exception:  # whatever it is, the others' sums do not fail with it
        return np.zeros((shape.classes, width_of(shape.components)))


def device_components(
    extractor: Extractor, dataset: Dataset, contributor: int, seed: int, run: Runner
) -> tuple[np.ndarray, np.ndarray]:
    """Components of a device's items, float32 [n, d], not yet moved, and the private class it states, int64 [n]."""
    examples = dataset.load([contributor])
    read, means, parts = batch_reader(extractor.architecture, examples.loaded), PersonMeans(), []
    for start in range(0, len(examples), EXTRACTION_BATCH):
        rows = np.arange(start, min(start + EXTRACTION_BATCH, len(examples)))
        z = run(read(rows))
        means.add(z, examples.people[rows])
        parts.append(z.float())
    items, z = examples, torch.cat(parts)
    if extractor.architecture.per == "person":
        items, z = by_person(examples), means.means()[0]
    classes = stated_classes(extractor, items, np.arange(len(items)), seed)
    return z.reshape(len(z), -1).numpy(), classes
