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


def normal_scores(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The normal scores of ranks within each kind, float [rows]: a monotone change of the scores changes nothing.

    Args:
        scores: float [rows].
        positive: kind of each row, bool [rows].
    """
    normal = np.zeros(len(scores))
    for kind in (positive, ~positive):
        normal[kind] = ndtri((rankdata(scores[kind]) - 0.5) / kind.sum())
    return normal


def person_correlation(normal: np.ndarray, positive: np.ndarray, people: People) -> float:
    """Correlation of the scores of two rows of one person and of one kind, within [0, MOST].

    One-way analysis of variance, pooled over both kinds: the rarer one has too few people to say it alone.

    Args:
        normal: ``normal_scores``, float [rows].
        positive: kind of each row, bool [rows].
        people: whose the rows are.
    """
    between, within, people_left, rows_left, expected = 0.0, 0.0, 0.0, 0.0, 0.0
    for kind in (positive, ~positive):
        sums, sizes = people.sums(normal * kind), people.sums(kind)
        rows, count = sizes.sum(), np.count_nonzero(sizes)
        among = float((sums[sizes > 0] ** 2 / sizes[sizes > 0]).sum())  # the mean of normal scores is 0
        between += among
        within += float((normal[kind] ** 2).sum()) - among
        people_left += count - 1
        rows_left += rows - count
        expected += float(rows - (sizes**2).sum() / rows)
    if rows_left == 0 or within <= 0 or expected <= 0:
        return 0.0
    own = within / rows_left
    shared = (between - people_left * own) / expected
    return float(np.clip(shared / (shared + own), 0, MOST)) if shared > 0 else 0.0


def crossed_correlation(normal: np.ndarray, positive: np.ndarray, people: People) -> float:
    """Correlation of the scores of two rows of one person and of different kinds, within [-MOST, MOST].

    Above 0 where a person's scores are high or low whatever the label, below 0 where the labels of some people are
    easier to infer than those of others.

    Args:
        normal: ``normal_scores``, float [rows].
        positive: kind of each row, bool [rows].
        people: whose the rows are.
    """
    (up, rows_up), (down, rows_down) = (
        (people.sums(normal * kind), people.sums(kind)) for kind in (positive, ~positive)
    )
    pairs, variance = float(rows_up @ rows_down), float((normal**2).mean())
    if pairs == 0 or variance == 0:
        return 0.0
    return float(np.clip(up @ down / pairs / variance, -MOST, MOST))


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


def area_variance(
    area: float, positive: np.ndarray, negative: np.ndarray, correlation: float, crossed: float
) -> float:
    """Variance of the area under the ROC curve of normal scores.

    Args:
        area: under the curve.
        positive: positive rows of each person, float [people].
        negative: other rows of each person.
        correlation: of the scores of two rows of a person, of one kind.
        crossed: of different kinds.
    """
    if not 0 < area < 1:
        return 0.0
    point = ndtri(area)
    own, shared, mixed = (both_below(point, c) - area**2 for c in (0.5, correlation / 2, -crossed / 2))
    parts = [
        (rows.sum() * own + (rows**2 - rows).sum() * shared) / rows.sum() ** 2
        for rows in (positive, negative)
    ]
    across = 2 * (positive * negative).sum() * mixed / (positive.sum() * negative.sum())
    return float(max(0.0, sum(parts) + across))
