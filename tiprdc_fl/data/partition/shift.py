"""Everybody's examples by means of their own: other people's cameras and ways of writing differ (feature skew).

The collector's people are spared: the extractor is trained before anybody has sent, on what the collector has.
Contributors and holdout people are not, because holdout people stand for those who will send later: what the
extractor hides, and what is left to learn, is asked of examples as they come from devices like theirs.
"""

from dataclasses import replace

import numpy as np
import torch

from tiprdc_fl.data.examples import Dataset, Examples, Inputs, People, pick, select
from tiprdc_fl.data.partition.cameras import photographed
from tiprdc_fl.data.partition.writers import rewritten


def by_own_means(dataset: Dataset, strength: float, seed: int, spared: People = ()) -> Dataset:
    """The dataset with everybody's pictures through a camera, or messages in a way of writing, of their own.

    Pictures that were changed are held in memory, unlike those that a dataset maps from a file.

    Args:
        dataset: as it is.
        strength: how far cameras or writers differ, above 0; see ``cameras`` and ``writers``.
        seed: of who has which.
        spared: people whose examples stay as they are.
    """
    kept = np.asarray(spared, np.int64)

    def changed(examples: Examples) -> Examples:
        some = np.flatnonzero(~np.isin(examples.people, kept))
        if not len(some):
            return examples
        inputs = _changed(examples.loaded, some, select(examples, some), strength, seed)
        if not isinstance(inputs, list):
            return replace(examples, inputs=inputs)
        sizes = [len(message.encode(errors="surrogateescape")) for message in inputs]
        return replace(examples, inputs=inputs, raw_bytes=np.array(sizes, np.int64))

    def labels(people: People) -> Examples:
        if dataset.modality == "image":
            return dataset.labels(people)
        return replace(changed(dataset.load(people)), inputs=None)  # the sizes of messages have changed

    return replace(
        dataset,
        load=lambda people: changed(dataset.load(people)),
        labels=labels,
        pick=lambda people, rows: changed(pick(dataset, people, rows)),
    )


def _changed(inputs: Inputs, some: np.ndarray, examples: Examples, strength: float, seed: int) -> Inputs:
    """The inputs with those at the positions ``some``, which ``examples`` are, as their people make them."""
    if not isinstance(inputs, list):
        pictures = photographed(examples, strength, seed)
        if len(some) == len(inputs):
            return pictures
        result = inputs[:].clone()
        result[torch.from_numpy(some)] = pictures
        return result
    messages = list(inputs)
    for position, message in zip(some.tolist(), rewritten(examples, strength, seed), strict=True):
        messages[position] = message
    return messages
