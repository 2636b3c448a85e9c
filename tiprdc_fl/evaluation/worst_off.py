"""The people who are worst off: whose tasks are inferred worst, whose private attributes are inferred best."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.evaluation.intervals import LEVEL, UNDEFINED, Interval, People, ratio, share_interval

FEWEST_FOR_A_TENTH = 30  # people: a tenth of fewer is one or two of them
FEWEST_EXAMPLES = 5  # of a person: with fewer, one guess moves their share by more than 20 points
SIMULATED = 1000  # sets of people who do not differ
_ROUNDING = 1e-9  # 0.1 * 30 is more than 3 in floating point


@dataclass(frozen=True)
class WorstOff:
    """The distribution over people of the share of their own examples that is inferred correctly.

    Worst off are those with the lowest share where a task is inferred, and with the highest where a private
    attribute is. The guess is that under balanced classes, as in balanced accuracy.

    The figures are not defined where fewer than FEWEST_FOR_A_TENTH people have FEWEST_EXAMPLES examples.

    Attributes:
        people: number with at least FEWEST_EXAMPLES examples.
        examples: number of examples of these people.
        chance: 1 / classes.
        mean: over people.
        p50, worst_quarter, worst_tenth: a half, a quarter, a tenth of the people have at most this share; for a
            private attribute: at least.
        expected_worst_tenth: what worst_tenth would be if everybody's every example were inferred correctly with
            the same probability, ``mean``: few examples alone make some people look worse off.
        chance_low, chance_high: the range of worst_tenth in 95 % of the sets of as many such people.
        beyond_chance: whether worst_tenth is outside that range.
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
    chance_low: float | None = None
    chance_high: float | None = None
    beyond_chance: bool | None = None
    share_past_chance: Interval = UNDEFINED


def worst_off(
    prediction: Prediction, labels: np.ndarray, people: People, private: bool, seed: int
) -> WorstOff:
    """The people from whose examples a task is inferred worst, or a private attribute best.

    Args:
        prediction: of all rows.
        labels: of the attribute inferred, int64 [rows].
        people: whose the rows are.
        private: whether the attribute is private.
        seed: of the simulated people who do not differ.
    """
    chance = 1 / prediction.balanced.shape[1]
    right = prediction.balanced.argmax(axis=1) == labels
    examples = people.sums(np.ones(len(labels))).astype(np.int64)
    able = np.flatnonzero(examples >= FEWEST_EXAMPLES)
    rows = examples[able]
    if len(able) < FEWEST_FOR_A_TENTH:
        return WorstOff(len(able), int(rows.sum()), chance=chance)
    shares = people.sums(right)[able] / rows
    mean, worst = _mean(shares), quantile(shares, 0.1, private)
    low, high = _tail_by_chance(rows, mean.value or 0.0, 0.1, private, seed)
    return WorstOff(
        people=len(able),
        examples=int(rows.sum()),
        chance=chance,
        mean=mean,
        p50=quantile(shares, 0.5, private),
        worst_quarter=quantile(shares, 0.25, private),
        worst_tenth=worst,
        expected_worst_tenth=expected_tail(rows, mean.value or 0.0, 0.1, private),
        chance_low=low,
        chance_high=high,
        beyond_chance=not low <= (worst.value or 0.0) <= high,
        share_past_chance=_mean(shares > chance if private else shares < chance),
    )


def _mean(values: np.ndarray) -> Interval:
    """The mean of a share for each person, with its interval."""
    return share_interval([ratio(values.astype(np.float64), np.ones(len(values)))])


def quantile(values: np.ndarray, part: float, highest: bool) -> Interval:
    """The value that ``part`` of the people have at most (``highest``: at least), with its interval.

    The limits are the order statistics whose ranks are the binomial distribution's quantiles, which hold for any
    distribution of the values (Hahn and Meeker 1991). Where there is no such rank, the smallest or largest value.

    Args:
        values: of each person, float [people].
        part: within (0, 1).
        highest: whether the part is that of the highest values.
    """
    ordered = np.sort(-values if highest else values)
    count = len(ordered)
    below, above = binom.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2], count, part).astype(int)
    ranks = (rank_of(part, count), max(1, below), min(count, above + 1))
    middle, low, high = (float(-ordered[rank - 1] if highest else ordered[rank - 1]) for rank in ranks)
    return Interval(middle, min(low, high), max(low, high))


def rank_of(part: float, count: int) -> int:
    """How many of ``count`` people are the smallest number that is at least ``part`` of them."""
    return int(np.ceil(part * count - _ROUNDING))


def _tail_by_chance(
    examples: np.ndarray, share: float, part: float, highest: bool, seed: int
) -> tuple[float, float]:
    """Range of ``quantile`` in 95 % of the sets of people whose every example is right with one probability.

    Args:
        examples: of each person, int64 [people].
        share: the probability.
        part: see ``quantile``.
        highest: see ``quantile``.
        seed: of the simulated sets.
    """
    generator = seeding.generator(seed, "worst off")
    drawn = generator.binomial(examples, share, (SIMULATED, len(examples))) / examples
    ordered = np.sort(-drawn if highest else drawn, axis=1)
    tails = np.abs(ordered[:, rank_of(part, len(examples)) - 1])
    low, high = np.quantile(tails, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def expected_tail(examples: np.ndarray, share: float, part: float, highest: bool) -> float:
    """``quantile`` of people who do not differ: each of their examples is right with probability ``share``.

    Args:
        examples: of each person, int64 [people].
        share: within [0, 1].
        part: see ``quantile``.
        highest: see ``quantile``.
    """
    values, weights = [], []
    for count, people in zip(*np.unique(examples, return_counts=True), strict=True):
        right = np.arange(count + 1)
        values.append(right / count)
        weights.append(people * binom.pmf(right, count, share))
    value, weight = np.concatenate(values), np.concatenate(weights)
    order = np.argsort(-value if highest else value)
    passed = np.cumsum(weight[order])
    return float(value[order][(passed >= part * passed[-1] - _ROUNDING).argmax()])
