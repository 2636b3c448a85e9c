"""The people who are worst off: whose tasks are inferred worst, whose private attributes are inferred best."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.evaluation.bootstrap import UNDEFINED, Interval, Resamples, interval

FEWEST_PEOPLE = 30  # a tenth of fewer is one or two of them
FEWEST_EXAMPLES = 5  # of a person: with fewer, one guess moves their share by more than 20 points
_ROUNDING = 1e-9  # 0.1 * 30 is more than 3 in floating point


@dataclass(frozen=True)
class WorstOff:
    """The distribution over people of the share of their own examples that is inferred correctly.

    Worst off are those with the lowest share where a task is inferred, and with the highest where a private
    attribute is. The guess is that under balanced classes, as in balanced accuracy.

    The figures are not defined where fewer than FEWEST_PEOPLE people have FEWEST_EXAMPLES examples.

    Attributes:
        people: number with at least FEWEST_EXAMPLES examples.
        examples: number of examples of these people.
        chance: 1 / classes.
        mean: over people.
        p50, worst_quarter, worst_tenth: a half, a quarter, a tenth of the people have at most this share; for a
            private attribute: at least.
        expected_worst_tenth: what worst_tenth would be if everybody's every example were inferred correctly with
            the same probability, ``mean``: few examples alone make some people look worse off.
        share_past_chance: of the people, below chance; for a private attribute: above it.
    """

    people: int
    examples: int
    chance: float
    mean: Interval = UNDEFINED
    p50: Interval = UNDEFINED
    worst_quarter: Interval = UNDEFINED
    worst_tenth: Interval = UNDEFINED
    expected_worst_tenth: float | None = None
    share_past_chance: Interval = UNDEFINED


def worst_off(prediction: Prediction, labels: np.ndarray, people: Resamples, private: bool) -> WorstOff:
    """The people from whose examples a task is inferred worst, or a private attribute best."""
    size, chance = people.counts.shape[1], 1 / prediction.balanced.shape[1]
    right = prediction.balanced.argmax(axis=1) == labels
    examples = np.bincount(people.person, minlength=size)
    able = np.flatnonzero(examples >= FEWEST_EXAMPLES)
    if len(able) < FEWEST_PEOPLE:
        return WorstOff(len(able), int(examples[able].sum()), chance=chance)
    shares = np.bincount(people.person, right, size)[able] / examples[able]
    weights = people.counts[:, able]
    mean = _mean(shares, weights)
    return WorstOff(
        people=len(able),
        examples=int(examples[able].sum()),
        mean=interval(mean),
        p50=interval(tail(shares, weights, 0.5, private)),
        worst_quarter=interval(tail(shares, weights, 0.25, private)),
        worst_tenth=interval(tail(shares, weights, 0.1, private)),
        expected_worst_tenth=expected_tail(examples[able], float(mean[0]), 0.1, private),
        chance=chance,
        share_past_chance=interval(_mean(shares > chance if private else shares < chance, weights)),
    )


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means by the weights of each resample, float [resamples]."""
    return weights @ values / weights.sum(axis=1)


def tail(values: np.ndarray, weights: np.ndarray, part: float, highest: bool) -> np.ndarray:
    """The value that ``part`` of the weight has at most (``highest``: at least), float [resamples].

    Args:
        values: float [n].
        weights: of the values in each resample, float [resamples, n].
        part: within (0, 1).
        highest: whether the part is that of the highest values.
    """
    order = np.argsort(-values if highest else values)
    passed = np.cumsum(weights[:, order], axis=1)
    first = (passed >= part * passed[:, -1:] - _ROUNDING).argmax(axis=1)
    return values[order][first]


def expected_tail(examples: np.ndarray, share: float, part: float, highest: bool) -> float:
    """``tail`` of people who do not differ: each of their examples is right with probability ``share``.

    Args:
        examples: of each person, int64 [people].
        share: within [0, 1].
        part: see ``tail``.
        highest: see ``tail``.
    """
    values, weights = [], []
    for count, people in zip(*np.unique(examples, return_counts=True), strict=True):
        right = np.arange(count + 1)
        values.append(right / count)
        weights.append(people * binom.pmf(right, count, share))
    return float(tail(np.concatenate(values), np.concatenate(weights)[None], part, highest)[0])
