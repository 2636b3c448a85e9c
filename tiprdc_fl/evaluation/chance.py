"""How far apart groups of people are by chance alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.evaluation.intervals import LEVEL, People

DIVISIONS = 500  # random ones: twelve are beyond each limit


@dataclass(frozen=True)
class ChanceRange:
    """Where a group's figure lies in random divisions; in 95 % of them all groups are within their ranges."""

    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether a figure is further out than chance brings it."""
        return not self.low <= value <= self.high


def chance_ranges(
    right: np.ndarray,
    labels: np.ndarray,
    people: People,
    members: np.ndarray,
    compared: Sequence[int],
    seed: int,
) -> list[ChanceRange]:
    """The range of balanced accuracy of each compared group where groups have nothing to do with it.

    People exchange their memberships at random, with people of the same most frequent label, so that a random group
    has about as many people of each class. Whose examples are in several groups hands on the sequence. The ranges
    hold for all compared groups at once: their limits are as many standard deviations from the mean as the most
    extreme of the groups is in 2.5 % of the random divisions (Westfall and Young 1993).

    Args:
        right: whether each row is inferred correctly, bool [rows].
        labels: int64 [rows].
        people: whose the rows are.
        members: number of each row's group, int64 [rows].
        compared: numbers of the groups to compare.
        seed: of the random divisions.
    """
    exchange, generator = _Exchange.of(labels, people, members), seeding.generator(seed, "groups")
    figures = np.array(
        [
            balanced_accuracies(right, labels, exchange.draw(generator), members.max() + 1)[list(compared)]
            for _ in range(DIVISIONS)
        ]
    )
    middle, spread = np.nanmean(figures, axis=0), np.nanstd(figures, axis=0)
    scaled = (figures - middle) / np.where(spread > 0, spread, 1)
    tail = (1 - LEVEL) / 2
    least = np.quantile(np.nanmin(scaled, axis=1), tail)
    most = np.quantile(np.nanmax(scaled, axis=1), 1 - tail)
    low, high = np.clip(middle + least * spread, 0, 1), np.clip(middle + most * spread, 0, 1)
    return [ChanceRange(*pair) for pair in zip(low.tolist(), high.tolist(), strict=True)]


def balanced_accuracies(
    right: np.ndarray, labels: np.ndarray, members: np.ndarray, groups: int
) -> np.ndarray:
    """Mean recall of the classes that occur in each group, float [groups]; NaN for a group without rows.

    Args:
        right: whether each row is inferred correctly, bool [rows].
        labels: int64 [rows].
        members: number of each row's group, int64 [rows].
        groups: how many there are.
    """
    classes = labels.max() + 1
    cell = members * classes + labels
    rows = np.bincount(cell, minlength=groups * classes).reshape(groups, classes)
    hits = np.bincount(cell, right, groups * classes).reshape(groups, classes)
    recall = np.divide(hits, rows, out=np.zeros(rows.shape), where=rows > 0)
    occurring = (rows > 0).sum(axis=1)
    return np.where(occurring > 0, recall.sum(axis=1) / np.maximum(1, occurring), np.nan)


@dataclass(frozen=True)
class _Exchange:
    """Memberships that people may exchange.

    Attributes:
        people: whose the rows are.
        kind: most frequent label of each person, int64 [people].
        place: of each row among its person's, int64 [rows].
        sequence: group of each row, person by person, int64 [rows].
        first, sizes: place in ``sequence`` of each person's first row, and how many they have, int64 [people].
    """

    people: People
    kind: np.ndarray
    place: np.ndarray
    sequence: np.ndarray
    first: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, people: People, members: np.ndarray) -> "_Exchange":
        """What people have before they exchange it."""
        order = np.argsort(people.person, kind="stable")
        sizes = np.bincount(people.person, minlength=people.count)
        first = np.cumsum(sizes) - sizes
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order)) - np.repeat(first, sizes)
        votes = np.stack([people.sums(labels == c) for c in range(labels.max() + 1)], axis=1)
        return cls(people, votes.argmax(axis=1), place, members[order], first, sizes)

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """The rows' groups after a random exchange, int64 [rows]."""
        present = np.flatnonzero(self.sizes)
        giver = np.zeros(len(self.sizes), dtype=np.int64)
        mixed = np.argsort(self.kind[present] + generator.random(len(present)))
        giver[present[np.argsort(self.kind[present], kind="stable")]] = present[mixed]
        given = giver[self.people.person]
        start = generator.integers(0, 2**31, len(self.sizes))[self.people.person]
        return self.sequence[self.first[given] + (self.place + start) % self.sizes[given]]
