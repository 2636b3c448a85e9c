"""True positives of a probe that may take few negatives for positives."""

import numpy as np

from tiprdc_fl.evaluation.intervals import UNDEFINED, Interval, People, ratio, share_interval

FEWEST_FALSE = 10  # false positives that are allowed: a threshold that fewer decide is chance


def true_positives(scores: np.ndarray, positive: np.ndarray, people: People, allowed: float) -> Interval:
    """The share of positive rows above the lowest threshold that at most ``allowed`` of the others exceed.

    Low false-positive rates say whether somebody is recognised with certainty, which accuracy on average does not
    (Carlini et al. 2022, Section III). The threshold is a quantile of the negative rows; its limits are the
    quantiles at the limits of ``allowed`` (Woodruff 1952). What they move the share by, and the interval of the
    share at the threshold, are put together as in ``intervals``.

    Args:
        scores: float [n], higher for positive rows.
        positive: bool [n].
        people: whose the rows are.
        allowed: share of the others that may be taken for positive, within (0, 1).

    Returns:
        Undefined for fewer than FEWEST_FALSE / allowed negative rows.
    """
    negative = np.sort(scores[~positive])[::-1]
    if len(negative) * allowed < FEWEST_FALSE:
        return UNDEFINED

    def above(share: float) -> float:
        """The threshold that at most that share of the negative rows exceeds."""
        return float(negative[min(int(share * len(negative) + 1e-9), len(negative) - 1)])

    threshold = above(allowed)
    chosen = scores > threshold
    found = share_interval([ratio(people.sums(positive & chosen), people.sums(positive))])
    false = share_interval([ratio(people.sums(~positive & (scores >= threshold)), people.sums(~positive))])
    low, high = (float((scores[positive] > above(share or 0)).mean()) for share in (false.low, false.high))
    value, below, beyond = found.value or 0.0, found.low or 0.0, found.high or 0.0
    return Interval(
        value,
        max(0.0, value - float(np.hypot(value - below, max(0.0, value - low)))),
        min(1.0, value + float(np.hypot(beyond - value, max(0.0, high - value)))),
    )
