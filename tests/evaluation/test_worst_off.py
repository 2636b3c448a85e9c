"""The people worst off: by hand, by direction, and against people who do not differ."""

import numpy as np
import pytest
from scipy.stats import binom

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.evaluation.intervals import UNDEFINED, people_of
from tiprdc_fl.evaluation.worst_off import (
    FEWEST_EXAMPLES,
    FEWEST_FOR_A_TENTH,
    expected_tail,
    quantile,
    worst_off,
)


def measured(right: np.ndarray) -> tuple[Prediction, np.ndarray, np.ndarray]:
    """Prediction and labels of class 1 for people with as many right guesses of 10 as ``right`` says; ids."""
    hits = (np.arange(10) < right[:, None]).reshape(-1)
    logits = np.stack([~hits, hits], axis=1).astype(float)
    return (
        Prediction(logits, np.zeros_like(logits)),
        np.ones(len(hits), int),
        np.repeat(np.arange(len(right)), 10),
    )


SPREAD = np.arange(40) % 10  # four people each with 0, 1, ... 9 of 10 right


def test_a_tasks_figures_by_hand():
    prediction, labels, people = measured(SPREAD)
    found = worst_off(prediction, labels, people_of(people), private=False, seed=0)
    assert (found.people, found.examples, found.chance) == (40, 400, 0.5)
    assert found.mean.value == pytest.approx(0.45)
    assert found.worst_tenth.value == 0  # four of the forty
    assert found.worst_quarter.value == 0.2  # twelve have at most that, eight at most 0.1
    assert found.p50.value == 0.4
    assert found.share_past_chance.value == 0.5  # 0 to 0.4
    assert (
        found.expected_worst_tenth == binom.ppf(0.1, 10, 0.45) / 10
    )  # the low tail of people who do not differ


def test_a_private_attributes_figures_look_the_other_way():
    prediction, labels, people = measured(SPREAD)
    found = worst_off(prediction, labels, people_of(people), private=True, seed=0)
    assert found.mean.value == pytest.approx(0.45)
    assert (found.worst_tenth.value, found.worst_quarter.value, found.p50.value) == (0.9, 0.7, 0.5)
    assert found.share_past_chance.value == 0.4  # 0.6 to 0.9
    assert found.expected_worst_tenth == 1 - binom.ppf(0.1, 10, 0.55) / 10  # the high tail


def test_intervals_hold_the_choice_of_people():
    prediction, labels, people = measured(SPREAD)
    figures = worst_off(prediction, labels, people_of(people), private=False, seed=0)
    for name in ("mean", "p50", "worst_quarter", "share_past_chance"):
        figure = getattr(figures, name)
        assert figure.low < figure.value < figure.high, name


def test_people_who_differ_are_beyond_chance_and_those_who_do_not_are_within():
    prediction, labels, people = measured(SPREAD)
    for private in (False, True):
        figures = worst_off(prediction, labels, people_of(people), private, seed=0)
        assert figures.beyond_chance
        assert figures.chance_low <= figures.expected_worst_tenth <= figures.chance_high
    alike = 0
    for seed in range(100):
        prediction, labels, people = measured(np.random.default_rng(seed).binomial(10, 0.7, 60))
        alike += bool(worst_off(prediction, labels, people_of(people), False, seed).beyond_chance)
    assert alike <= 12


@pytest.mark.parametrize("part", [0.1, 0.5])
def test_intervals_of_quantiles_hold_the_truth(part):
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        figure = quantile(generator.random(60), part, highest=False)
        held += figure.low <= part <= figure.high
    assert 0.93 <= held / 400 <= 0.99


def test_worse_is_never_better_than_bad():
    prediction, labels, people = measured(np.random.default_rng(0).integers(0, 11, 60))
    for private, sign in ((False, 1), (True, -1)):
        found = worst_off(prediction, labels, people_of(people), private, seed=0)
        ordered = [
            sign * (figure.value or 0) for figure in (found.worst_tenth, found.worst_quarter, found.p50)
        ]
        assert ordered == sorted(ordered)


def test_a_person_counts_once_however_many_examples_they_have():
    hits = np.concatenate([np.repeat([1], 5), np.repeat([0], 50), np.tile([1, 0], 5 * 38)])
    people = np.concatenate([np.repeat([0], 5), np.repeat([1], 50), np.repeat(np.arange(2, 40), 10)])
    logits = np.stack([1 - hits, hits], axis=1).astype(float)
    found = worst_off(Prediction(logits, logits), np.ones(len(hits), int), people_of(people), False, seed=0)
    assert found.mean.value == pytest.approx(0.5)


def test_people_with_few_examples_and_few_people_do_not_count():
    prediction, labels, people = measured(np.full(FEWEST_FOR_A_TENTH, 8))
    kept = np.ones(len(people), bool)
    kept[: 10 - (FEWEST_EXAMPLES - 1)] = False  # of the first person
    some = Prediction(prediction.balanced[kept], prediction.natural[kept])
    found = worst_off(some, labels[kept], people_of(people[kept]), False, seed=0)
    assert (found.people, found.examples) == (FEWEST_FOR_A_TENTH - 1, 10 * (FEWEST_FOR_A_TENTH - 1))
    assert (found.mean, found.worst_tenth, found.expected_worst_tenth) == (UNDEFINED, UNDEFINED, None)
    assert worst_off(prediction, labels, people_of(people), False, seed=0).people == FEWEST_FOR_A_TENTH


@pytest.mark.parametrize(
    ("part", "highest", "expected"), [(0.1, False, 1), (0.3, False, 3), (0.1, True, 30), (0.3, True, 28)]
)
def test_a_part_of_the_people(part, highest, expected):
    values = np.array([2.0, 1, 3, 28, 30, 29, *np.arange(4, 28)])
    assert quantile(values, part / 3, highest).value == expected  # 0.1 of 30 is 3 of them


def test_people_who_do_not_differ_are_spread_by_chance_alone():
    examples = np.full(100, 20)
    assert expected_tail(examples, 0.75, 0.1, False) == binom.ppf(0.1, 20, 0.75) / 20
    assert expected_tail(examples, 0.75, 0.1, True) == 1 - binom.ppf(0.1, 20, 0.25) / 20
    generator = np.random.default_rng(0)
    mixed = generator.integers(5, 31, 400)
    drawn = generator.binomial(mixed, 0.7, (500, 400)) / mixed
    simulated = np.quantile(drawn, 0.1, method="inverted_cdf")
    assert expected_tail(mixed, 0.7, 0.1, False) == pytest.approx(simulated, abs=0.01)
    assert expected_tail(examples, 1.0, 0.1, False) == 1
