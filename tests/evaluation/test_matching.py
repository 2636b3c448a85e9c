"""Whether pairs are one person's: the figure by hand, and how often its interval holds the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from tiprdc_fl.attacks.reidentification import Pairs
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE, UNDEFINED
from tiprdc_fl.evaluation.matching import same_person


def every_pair(people: int) -> tuple[np.ndarray, np.ndarray]:
    """Both sides of the pairs of each person with themselves and with everybody else."""
    first, second = np.divmod(np.arange(people**2), people)
    return first, second


def test_the_area_by_hand():
    """Twelve people: own pairs at 0.9, 0.3 and 0.6 in turns, others' at 0.6, 0.1 and 0.2."""
    own, other = np.tile([0.9, 0.3, 0.6], 4), np.tile([0.6, 0.1, 0.2], 4)
    first = np.tile(np.arange(12), 2)
    second = np.concatenate([np.arange(12), (np.arange(12) + 1) % 12])
    pairs = Pairs(np.concatenate([own, other]), first == second, first, second)
    assert same_person(pairs, 12).value == pytest.approx(7.5 / 9)


def test_few_people_have_no_figure():
    for people, known in ((FEWEST_PEOPLE, True), (FEWEST_PEOPLE - 1, False)):
        first, second = every_pair(people)
        figure = same_person(Pairs(np.arange(len(first)) * 1.0, first == second, first, second), people)
        assert (figure != UNDEFINED) == known


@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_intervals_hold_the_truth(shift):
    """Scores of pairs that both people move: the two are not independent."""
    generator = np.random.default_rng(0)
    first, second = every_pair(40)
    same, held = first == second, 0
    for _ in range(400):
        effect = generator.normal(size=40)
        scores = 0.5 * (effect[first] + np.where(same, effect[first], effect[second]))
        own = generator.normal(size=len(first)) + np.where(same, shift, 0)
        pairs = Pairs(scores + own, same, first, second)
        figure = same_person(pairs, 40)
        held += figure.low <= truth_of(shift) <= figure.high
    assert 0.92 <= held / 400 <= 0.98


def truth_of(shift: float) -> float:
    """Own pairs have variance 1 + 1, others' 0.5 + 1."""
    return float(norm.cdf(shift / np.sqrt(3.5)))
