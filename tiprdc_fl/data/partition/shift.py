"""Images through a camera of each person's own (feature skew).

The collector's people are spared: the extractor is trained before anybody has sent, on what the collector has.
Contributors and holdout people are not, because holdout people stand for those who will send later: what the
extractor hides, and what is left to learn, is measured on examples as they come from devices like theirs.
"""

from dataclasses import replace

import numpy as np
import torch

from tiprdc_fl.data.examples import Dataset, Examples, People, pick, select
from tiprdc_fl.data.partition.cameras import photographed
from tiprdc_fl.errors import InputError


def by_own_cameras(dataset: Dataset, strength: float, seed: int, spared: People = ()) -> Dataset:
    """The dataset with each person's images through a camera of the person's own.

    Changed images are held in memory, unlike those that a dataset maps from a file.

    Args:
        dataset: as it is.
        strength: how far cameras differ, above 0; see ``cameras``.
        seed: of the cameras.
        spared: people whose examples stay as they are.

    Raises:
        InputError: the dataset has messages.
    """
    if dataset.modality != "image":
        raise InputError(
            f"partition.name=feature changes images, and data.name={dataset.name} has messages; "
            "name another partition, such as dirichlet"
        )
    kept = np.asarray(spared, np.int64)

    def changed(examples: Examples) -> Examples:
        positions = np.flatnonzero(~np.isin(examples.people, kept))
        if not len(positions):
            return examples
        images = photographed(select(examples, positions), strength, seed)
        if len(positions) < len(examples):
            whole = torch.as_tensor(examples.loaded[:]).clone()
            whole[torch.from_numpy(positions)] = images
            images = whole
        return replace(examples, inputs=images)

    return replace(
        dataset,
        load=lambda people: changed(dataset.load(people)),
        pick=lambda people, rows: changed(pick(dataset, people, rows)),
    )
