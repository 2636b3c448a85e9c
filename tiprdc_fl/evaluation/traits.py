"""Whether an attribute is a trait of the person, by how far the labels of a person's examples agree."""

import numpy as np
from scipy.special import stdtrit

from tiprdc_fl.evaluation.intervals import LEVEL, People

AGREEMENT = 0.8  # kappa above it is "almost perfect agreement" (Landis and Koch 1977)


def is_trait(labels: np.ndarray, people: People) -> bool:
    """Whether the lower limit of the labels' agreement within people is at least AGREEMENT.

    A rare attribute agrees within people by its rarity alone: 98 of 100 labels of an attribute with a share of 2 %
    are their person's most frequent one, whatever it depends on. Agreement beyond chance is 0 for it.
    """
    value, error, freedom = agreement(labels, people)
    return bool(value - stdtrit(freedom, (1 + LEVEL) / 2) * error >= AGREEMENT)


def agreement(labels: np.ndarray, people: People) -> tuple[float, float, float]:
    """Agreement of a person's labels beyond chance: Fleiss' (1971) kappa, with examples in the place of raters.

    1 - (share of pairs of one person's examples that differ) / (share of pairs of different people's examples that
    differ): 1 for a trait, 0 for what does not depend on the person. For two classes it is the intraclass
    correlation of one-way analysis of variance (Fleiss and Cuzick 1979), but for terms of 1 / people.

    Args:
        labels: int64 [rows].
        people: whose the rows are.

    Returns:
        kappa, its standard error by the jackknife over people, and its degrees of freedom. NaN where nobody has
        two examples, or all labels are the same.
    """
    counts = np.stack([people.sums(labels == c) for c in np.unique(labels).tolist()], axis=1)
    sizes = counts.sum(axis=1)
    within = sizes**2 - (counts**2).sum(axis=1)  # ordered pairs of a person's examples that differ
    pairs = sizes * (sizes - 1)
    whole = _kappa(counts.sum(axis=0)[None], within.sum()[None], pairs.sum()[None], (sizes**2).sum()[None])
    without = _kappa(
        counts.sum(axis=0) - counts, within.sum() - within, pairs.sum() - pairs, (sizes**2).sum() - sizes**2
    )
    freedom = max(1, len(sizes) - 1)
    error = np.sqrt(freedom / len(sizes) * ((without - without.mean()) ** 2).sum())
    return float(whole[0]), float(error), float(freedom)


def _kappa(totals: np.ndarray, within: np.ndarray, pairs: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Kappa of several sets of people, float [sets].

    Args:
        totals: examples of each class, float [sets, classes].
        within: ordered pairs of a person's examples that differ, float [sets].
        pairs: all ordered pairs of a person's examples, float [sets].
        squares: sum of the squares of people's numbers of examples, float [sets].
    """
    rows = totals.sum(axis=1)
    differing = rows**2 - (totals**2).sum(axis=1) - within  # ordered pairs of different people's examples
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 - (within / pairs) / (differing / (rows**2 - squares))
