"""True positives of a probe that may take few negatives for positives."""

import numpy as np

from tiprdc_fl.evaluation.intervals import (
    UNDEFINED,
    Estimate,
    Interval,
    People,
    ratio,
    student,
    wilson_limits,
)
from tiprdc_fl.evaluation.person_effect import normal_scores, person_correlation, share_variance, steadied

FEWEST_FALSE = 10  # false positives that are allowed: a threshold that fewer decide is chance


def true_positives(scores: np.ndarray, positive: np.ndarray, people: People, allowed: float) -> Interval:
    """The share of positive rows above the lowest threshold that at most ``allowed`` of the others exceed.

    Low false-positive rates say whether somebody is recognised with certainty, which accuracy on average does not
    (Carlini et al. 2022, Section III). The threshold is a quantile of the negative rows, and its limits are the
    quantiles that a test at the true one would accept (Woodruff 1952). What they move the share by, and the
    interval of the share at the threshold, are put together as in ``intervals``.

    Args:
        scores: float [rows], higher for positive rows.
        positive: bool [rows].
        people: whose the rows are.
        allowed: share of the others that may be taken for positive, within (0, 1).

    Returns:
        Undefined for fewer than FEWEST_FALSE / allowed negative rows.
    """
    negative = np.sort(scores[~positive])[::-1]
    if len(negative) * allowed < FEWEST_FALSE:
        return UNDEFINED
    threshold = _threshold(negative, allowed)
    correlation = person_correlation(normal_scores(scores, positive), positive, people)
    hits = _share(scores > threshold, positive, people, correlation)
    errors = _share(scores >= threshold, ~positive, people, correlation)
    error = _error(errors, allowed)
    known = np.sort(scores[positive])
    low, high = (
        float((known > _threshold(negative, share)).mean())
        for share in (max(0.0, allowed - error), allowed + error)
    )
    value, (lower, upper) = hits.value, wilson_limits([hits])
    return Interval(
        value,
        max(0.0, value - _apart(value - float(lower[0]), max(0.0, value - low), hits, errors)),
        min(1.0, value + _apart(float(upper[0]) - value, max(0.0, high - value), hits, errors)),
    )


def _threshold(negative: np.ndarray, share: float) -> float:
    """The lowest score that at most that share of the negative scores, in descending order, exceeds."""
    return float(negative[min(int(share * len(negative) + 1e-9), len(negative) - 1)])


def _share(chosen: np.ndarray, kind: np.ndarray, people: People, correlation: float) -> Estimate:
    """The share of the rows of a kind that are chosen."""
    rows = people.sums(kind)
    share = ratio(people.sums(chosen & kind), rows)
    return steadied(share, share_variance(share.value, rows, correlation))


def _error(errors: Estimate, allowed: float) -> float:
    """How far from ``allowed`` the share of negative rows above the true threshold may be."""
    binomial = errors.value * (1 - errors.value)
    design = errors.variance / binomial if binomial > 0 else 1 / errors.people
    return student([errors]) * float(np.sqrt(allowed * (1 - allowed) * design))


def _apart(own: float, moved: float, hits: Estimate, errors: Estimate) -> float:
    """Distance of a limit; who is easily taken for positive raises the threshold and passes it: the two cancel."""
    scale = np.sqrt((hits.spread @ hits.spread) * (errors.spread @ errors.spread))
    correlation = float(hits.spread @ errors.spread / scale) if scale > 0 else 0.0
    return float(np.sqrt(max(0.0, own**2 + moved**2 - 2 * correlation * own * moved)))
