"""The area under the ROC curve with its interval over people."""

import numpy as np
from scipy.special import ndtr, ndtri

from tiprdc_fl.attacks.roc import placements
from tiprdc_fl.evaluation.intervals import (
    Estimate,
    Interval,
    People,
    estimate,
    ratio,
    recovered,
    student,
    wilson_limits,
)
from tiprdc_fl.evaluation.person_effect import (
    area_variance,
    crossed_correlation,
    normal_scores,
    person_correlation,
    steadied,
)


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
    return recovered(areas, limits[:, 0], limits[:, 1])


def score_of(logits: np.ndarray, c: int) -> np.ndarray:
    """Log-odds of class ``c`` against the others, float64 [rows]."""
    logits = logits.astype(np.float64)
    return logits[:, c] - np.logaddexp.reduce(np.delete(logits, c, axis=1), axis=1)


def area_of(scores: np.ndarray, positive: np.ndarray, people: People) -> Estimate:
    """The area as the mean of rows' placements (DeLong et al. 1988), summed within people (Obuchowski 1997).

    Args:
        scores: float [rows], higher for positive rows.
        positive: bool [rows].
        people: whose the rows are.
    """
    place, kinds = placements(scores, positive), (positive, ~positive)
    up, down = (ratio(people.sums(place * kind), people.sums(kind)) for kind in kinds)
    parts = up.variance**2 / up.freedom + down.variance**2 / down.freedom
    freedom = (up.variance + down.variance) ** 2 / parts if parts > 0 else min(up.freedom, down.freedom)
    area = estimate(up.value, up.spread + down.spread, 1 + freedom)
    if area.variance == 0:  # perfect, or all scores are equal
        return area
    normal = normal_scores(scores, positive)
    expected = area_variance(
        area=area.value,
        positive=people.sums(positive),
        negative=people.sums(~positive),
        correlation=person_correlation(normal, positive, people),
        crossed=crossed_correlation(normal, positive, people),
    )
    return steadied(area, expected)


def _limits(area: Estimate) -> tuple[float, float]:
    """Limits of an area, on the scale on which it is a difference of normal scores."""
    if not 0 < area.value < 1:
        low, high = wilson_limits([area])
        return float(low[0]), float(high[0])
    point = float(ndtri(area.value))
    error = float(np.sqrt(area.variance)) / (np.exp(-(point**2) / 2) / np.sqrt(2 * np.pi))
    centre = point - point * error**2 / 2  # the scale is curved: its mean is further from 0 than the area's
    reach = student([area]) * error
    return float(min(area.value, ndtr(centre - reach))), float(max(area.value, ndtr(centre + reach)))
