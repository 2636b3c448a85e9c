"""What a person's examples have in common, and what that makes of the variance of a share or an area.

Where few rows decide a figure, such as a large area or a small share, ten people often show nothing of what it
varies by. Its variance is steadied by that of normal scores with the correlation that is measured.
"""

from dataclasses import replace

import numpy as np
from scipy.special import ndtr, ndtri, owens_t
from scipy.stats import rankdata

from tiprdc_fl.evaluation.intervals import Estimate, People

MOST = 0.99  # correlation
PRIOR = 30.0  # people that the variance of normal scores counts for


def person_correlation(scores: np.ndarray, kinds: np.ndarray, people: People) -> float:
    """Correlation of the scores of two examples of one person and of the same kind, within [0, MOST].

    The scores are replaced by the normal scores of their ranks within the kind: a monotone change of the scores
    changes nothing. One-way analysis of variance, pooled over the kinds: rare ones have too few people.

    Args:
        scores: float [rows].
        kinds: class of each row, int64 [rows].
        people: whose the rows are.
    """
    between, within, people_left, rows_left, expected = 0.0, 0.0, 0.0, 0.0, 0.0
    for kind in np.unique(kinds).tolist():
        chosen = kinds == kind
        normal = np.zeros(len(scores))
        normal[chosen] = ndtri((rankdata(scores[chosen]) - 0.5) / chosen.sum())
        sums, sizes = people.sums(normal), people.sums(chosen)
        rows, count = sizes.sum(), np.count_nonzero(sizes)
        among = float((sums[sizes > 0] ** 2 / sizes[sizes > 0]).sum())  # the mean of normal scores is 0
        between += among
        within += float((normal**2).sum()) - among
        people_left += count - 1
        rows_left += rows - count
        expected += float(rows - (sizes**2).sum() / rows)
    if rows_left == 0 or within <= 0 or expected <= 0:
        return 0.0
    own = within / rows_left
    shared = (between - people_left * own) / expected
    return float(np.clip(shared / (shared + own), 0, MOST)) if shared > 0 else 0.0


def steadied(figure: Estimate, expected: float) -> Estimate:
    """The estimate, its variance averaged with one that counts for PRIOR people (as Smyth 2004 steadies variances).

    Args:
        figure: with its variance as measured.
        expected: variance if scores were normal.
    """
    variance = (figure.people * figure.variance + PRIOR * expected) / (figure.people + PRIOR)
    return replace(figure, variance=variance, freedom=figure.freedom + PRIOR)


def both_below(point: float, correlation: float) -> float:
    """P(X < point, Y < point) of two standard normal variables with that correlation (Owen 1956)."""
    return float(ndtr(point) - 2 * owens_t(point, np.sqrt((1 - correlation) / (1 + correlation))))


def share_variance(value: float, sizes: np.ndarray, correlation: float) -> float:
    """Variance of the share of rows whose normal score is above a threshold.

    Args:
        value: the share.
        sizes: rows of each person, float [people].
        correlation: of the scores of two rows of a person.
    """
    if not 0 < value < 1:
        return 0.0
    total, pairs = sizes.sum(), (sizes**2 - sizes).sum()
    shared = both_below(ndtri(value), correlation) - value**2
    return float((total * value * (1 - value) + pairs * shared) / total**2)


def area_variance(area: float, positive: np.ndarray, negative: np.ndarray, correlation: float) -> float:
    """Variance of the area under the ROC curve of normal scores.

    Args:
        area: under the curve.
        positive: positive rows of each person, float [people].
        negative: other rows of each person.
        correlation: of the scores of two rows of a person.
    """
    if not 0 < area < 1:
        return 0.0
    point = ndtri(area)
    own, shared, crossed = (both_below(point, c) - area**2 for c in (0.5, correlation / 2, -correlation / 2))
    parts = [
        (rows.sum() * own + (rows**2 - rows).sum() * shared) / rows.sum() ** 2
        for rows in (positive, negative)
    ]
    across = 2 * (positive * negative).sum() * crossed / (positive.sum() * negative.sum())
    return float(max(0.0, sum(parts) + across))
