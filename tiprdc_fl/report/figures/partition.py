"""Figures of a partition: examples a contributor, and the distance of its label shares to the population's."""

from collections.abc import Mapping

import numpy as np

from tiprdc_fl.report.schema import (
    ExamplesPerContributor,
    Histogram,
    LabelSkew,
    PartitionFigures,
    PrivateShare,
)
from tiprdc_fl.report.schema.values import Setting

_BARS = 24  # of the histogram, about
_WIDE = 20  # largest to median size from which on bars get wider as they go
_LABELS = 2_000_000  # labels in the random partitions that give the skew expected by chance


def describe(
    name: str,
    label: str,
    persons: bool,
    settings: Mapping[str, Setting],
    contributors: int,
    topped_up: int,
    owner: np.ndarray,
    labels: Mapping[str, np.ndarray],
    private: tuple[str, ...],
    rng: np.random.Generator,
) -> PartitionFigures:
    """The figures of a partition.

    Args:
        name: of the partition.
        label: the partition in a few words.
        persons: whether a contributor's examples are of one person.
        settings: keys that the partition depends on, with their values.
        contributors: how many there are, those without an example included.
        topped_up: contributors who got examples of others.
        owner: contributor of each example, int64 [n]; n is at least 1.
        labels: attribute -> labels of the examples, int [n].
        private: which of them are private.
        rng: of the random samples that skew is compared with.
    """
    _, owner, sizes = np.unique(owner, return_inverse=True, return_counts=True)
    skew = {name: _distances(owner, column, sizes) for name, column in labels.items()}
    return PartitionFigures(
        name=name,
        label=label,
        persons=persons,
        settings=dict(settings),
        contributors=len(sizes),
        examples=int(sizes.sum()),
        empty=contributors - len(sizes),
        examples_per_contributor=ExamplesPerContributor(
            min=int(sizes.min()), **_percentiles(sizes), max=int(sizes.max())
        ),
        histogram=histogram(sizes),
        label_skew={
            name: LabelSkew(**_percentiles(distances), max=float(distances.max()))
            for name, distances in skew.items()
        },
        label_skew_expected=_by_chance(owner, labels, sizes, rng),
        private_share={name: _deciles(owner, labels[name], sizes) for name in private},
        topped_up=topped_up,
    )


def _percentiles(values: np.ndarray) -> dict[str, float]:
    p10, p50, p90 = np.percentile(values, [10, 50, 90]).tolist()
    return {"p10": p10, "p50": p50, "mean": float(values.mean()), "p90": p90}


def histogram(sizes: np.ndarray) -> Histogram:
    """How many contributors have how many examples.

    Args:
        sizes: examples of each contributor, int [contributors], each at least 1.

    Returns:
        edges, whole numbers e0 < e1 < ..., and counts of contributors with e0 to e1 - 1 examples, and so on.
        Bars are of equal width, or each wider than the last where some have many times what is usual.
    """
    low, high = int(sizes.min()), int(sizes.max()) + 1
    if high > _WIDE * np.median(sizes):
        edges = np.unique(np.round(np.geomspace(low, high, _BARS + 1)).astype(np.int64))
    else:
        width = -(-(high - low) // _BARS)
        edges = np.arange(low, high + width, width)
    counts, _ = np.histogram(sizes, edges)
    return Histogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()))


def _distances(owner: np.ndarray, column: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Total variation distance of each contributor's label shares to those of all, float64 [contributors]."""
    values, label = np.unique(column, return_inverse=True)
    counts = np.bincount(owner * len(values) + label, minlength=len(sizes) * len(values))
    shares = counts.reshape(len(sizes), len(values)) / sizes[:, None]
    whole = np.bincount(label) / len(label)
    return np.abs(shares - whole).sum(axis=1) / 2


def _by_chance(
    owner: np.ndarray, labels: Mapping[str, np.ndarray], sizes: np.ndarray, rng: np.random.Generator
) -> dict[str, float]:
    """The mean of ``_distances`` when examples are shuffled among contributors and sizes are kept."""
    times = int(np.clip(_LABELS // len(owner), 1, 20))
    means = {name: [] for name in labels}
    for _ in range(times):
        shuffled = rng.permutation(owner)
        for name, column in labels.items():
            means[name].append(_distances(shuffled, column, sizes).mean())
    return {name: float(np.mean(several)) for name, several in means.items()}


def _deciles(owner: np.ndarray, column: np.ndarray, sizes: np.ndarray) -> PrivateShare:
    """Deciles over contributors of the share of label 1 in their examples, and its share in all."""
    ones = column == 1
    shares = np.bincount(owner, ones, minlength=len(sizes)) / sizes
    deciles = np.percentile(shares, np.arange(0, 101, 10)).tolist()
    return PrivateShare(values=tuple(deciles), whole=float(ones.mean()))
