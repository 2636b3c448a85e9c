"""Face verification of rebuilt images: does a rebuilt face still show who it is?

The adversary learns a metric of people on original images of its own. It then compares a face that was rebuilt
from features with a photograph of the same person, or of another; it is never the photograph behind the features.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.reidentification import (
    MAX_OTHERS,
    Metric,
    OwnedRows,
    Pairs,
    cosine,
    halves_of,
    learn_metric,
    read_reduced,
)

Read = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class Verification:
    """Scores of pairs of an image and another person's or the same person's photograph.

    Attributes:
        compared: pairs for each kind of image on the first side, by its name. The second sides are the same.
        usable: number of measured people with at least two examples; only they are in pairs.
    """

    compared: dict[str, Pairs]
    usable: int


def verify(
    own: OwnedRows, measured: OwnedRows, sides: dict[str, Read], seed: int, others: int = MAX_OTHERS
) -> Verification | None:
    """Compares images of people with photographs of the same people and of others.

    Two examples of each person are drawn. An image of one stands on the first side, the photograph of the other on
    the second side. Everybody's photograph is in as many pairs, so that images that are all alike are at chance.

    Args:
        own: photographs of the adversary's own people, to learn the metric from; at least two.
        measured: photographs of the people to compare.
        sides: name -> (row numbers of ``measured`` -> images float [n, 3, h, w]) for the first side.
        seed: seed of the examples and of the people to compare with.
        others: number of other people to compare each person with, at most.

    Returns:
        The compared pairs; None if fewer than two measured people have two examples.
    """
    people, owner, sizes = np.unique(measured.people, return_inverse=True, return_counts=True)
    usable = np.flatnonzero(sizes > 1)
    if len(usable) < 2:
        return None
    order = np.split(np.argsort(owner, kind="stable"), np.cumsum(sizes)[:-1])
    halves = [halves_of(order[index], seed, int(people[index])) for index in usable]
    rows = np.array([[half[0] for half in pair] for pair in halves])
    metric = learn_metric(read_reduced(own.read, np.arange(len(own.people))), own.people)
    photographs = _embedded(metric, measured.read, rows[:, 1])
    first, second = _pairs(len(usable), seed, others)
    return Verification(
        compared={
            name: Pairs(
                scores=cosine(_embedded(metric, read, rows[:, 0])[first], photographs[second]),
                same=first == second,
                first=usable[first],
                second=usable[second],
            )
            for name, read in sides.items()
        },
        usable=len(usable),
    )


def _embedded(metric: Metric, read: Read, rows: np.ndarray) -> np.ndarray:
    """Weighted embeddings of single images, float64 [rows, components]."""
    return metric.weigh(metric.embed(read_reduced(read, rows)), np.ones(len(rows), dtype=np.int64))


def _pairs(count: int, seed: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the two sides of every pair: each person with itself, then with the same number of others.

    Everybody stands equally often on the second side.
    """
    steps = 1 + seeding.generator(seed, "verification", "others").permutation(count - 1)[:others]
    first = np.tile(np.arange(count), 1 + len(steps))
    return first, (first + np.repeat([0, *steps], count)) % count
