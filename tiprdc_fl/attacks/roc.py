"""The area under the ROC curve in bootstrap resamples of people."""

from collections.abc import Callable

import numpy as np

MAX_WEIGHTS = 2**22  # weights of rows in memory at a time: 32 MB


def weighted_auc(
    scores: np.ndarray,
    positive: np.ndarray,
    counts: np.ndarray,
    weigh: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Area under the ROC curve in each resample.

    It is the weighted share of (positive, negative) pairs of rows in the right order; ties count half.

    Args:
        scores: score of each row, float [n]; higher for positive rows.
        positive: whether each row is positive, bool [n].
        counts: how often each person occurs in each resample, float [1 + resamples, people].
        weigh: (some rows of ``counts`` [r, people], row numbers [n]) -> weight of each row, float [r, n].

    Returns:
        The area in each resample, float [1 + resamples]; NaN where a resample has no positive or no negative row.
    """
    order = np.argsort(scores, kind="stable")
    groups = np.flatnonzero(np.diff(scores[order], prepend=-np.inf))  # first row of each distinct score
    positive, result = positive[order], []
    for part in np.array_split(counts, min(len(counts), -(-len(counts) * len(order) // MAX_WEIGHTS))):
        weights = weigh(part, order)
        up = np.add.reduceat(weights * positive, groups, axis=1)
        down = np.add.reduceat(weights * ~positive, groups, axis=1)
        below = np.cumsum(down, axis=1) - down / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            result.append((up * below).sum(axis=1) / (up.sum(axis=1) * down.sum(axis=1)))
    return np.concatenate(result)
