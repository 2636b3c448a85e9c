"""The area under the ROC curve with its interval over people."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from tiprdc_fl.attacks.roc import placements
from tiprdc_fl.evaluation.intervals import (
    Estimate,
    Interval,
    People,
    ratio,
    recovered,
    student,
    wilson_limits,
)
from tiprdc_fl.evaluation.person_effect import area_variance, person_correlation

PRIOR = 30.0  # people that the variance of normal scores counts for


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve.

    Attributes:
        estimate: the area.
        expected: its variance if scores were normal, see ``person_effect``.
    """

    estimate: Estimate
    expected: float


def roc_auc(logits: np.ndarray, labels: np.ndarray, people: People) -> Interval:
    """Area under the ROC curve; for more than two classes the mean of one against the others.

    Args:
        logits: float [rows, classes].
        labels: the truth, int64 [rows]; at least two classes occur.
        people: whose the rows are.
    """
    classes = [1] if logits.shape[1] == 2 else np.unique(labels).tolist()
    areas = [area_of(score_of(logits, c), labels == c, people) for c in classes]
    limits = np.array([_limits(area) for area in areas])
    return recovered([area.estimate for area in areas], limits[:, 0], limits[:, 1])


def score_of(logits: np.ndarray, c: int) -> np.ndarray:
    """Log-odds of class ``c`` against the others, float64 [rows]."""
    logits = logits.astype(np.float64)
    return logits[:, c] - np.logaddexp.reduce(np.delete(logits, c, axis=1), axis=1)


def area_of(scores: np.ndarray, positive: np.ndarray, people: People) -> Area:
    """The area as the mean of rows' placements (DeLong et al. 1988), summed within people (Obuchowski 1997).

    Args:
        scores: float [rows], higher for positive rows.
        positive: bool [rows].
        people: whose the rows are.
    """
    place = placements(scores, positive)
    sizes = [people.sums(kind) for kind in (positive, ~positive)]
    parts = [
        ratio(people.sums(place * kind), rows)
        for kind, rows in zip((positive, ~positive), sizes, strict=True)
    ]
    variances = np.array([part.variance for part in parts])
    behind = np.array([part.people for part in parts])
    uncertain = (variances**2 / np.maximum(1, behind - 1)).sum()
    effective = 1 + variances.sum() ** 2 / uncertain if uncertain > 0 else behind.min()
    estimate = Estimate(parts[0].value, parts[0].spread + parts[1].spread, float(effective))
    correlation = person_correlation(scores, positive.astype(int), people)
    return Area(estimate, area_variance(estimate.value, sizes[0], sizes[1], correlation))


def _limits(area: Area) -> tuple[float, float]:
    """Limits of an area, on the scale on which it is a difference of normal scores.

    The variance is averaged with that of normal scores, which counts for PRIOR people (as Smyth 2004 steadies
    variances): placements in a large area are so skew that those of ten people often show none of their spread.
    """
    value, people, measured = area.estimate.value, area.estimate.people, area.estimate.variance
    if not 0 < value < 1:
        low, high = wilson_limits([area.estimate])
        return float(low[0]), float(high[0])
    if measured == 0:  # all scores are equal
        return value, value
    variance = (people * measured + PRIOR * area.expected) / (people + PRIOR)
    t = student(np.array([variance]), np.array([people + PRIOR]))
    point = ndtri(value)
    error = np.sqrt(variance) / (np.exp(-(point**2) / 2) / np.sqrt(2 * np.pi))
    centre = point - point * error**2 / 2  # the scale is curved: its mean is further from 0 than the area's
    return float(min(value, ndtr(centre - t * error))), float(max(value, ndtr(centre + t * error)))
