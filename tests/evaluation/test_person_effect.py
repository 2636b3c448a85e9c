"""What a person's examples share: the correlation of their scores, and variances as in a simulation."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from tiprdc_fl.attacks.roc import placements
from tiprdc_fl.evaluation.intervals import estimate, people_of
from tiprdc_fl.evaluation.person_effect import (
    PRIOR,
    area_variance,
    both_below,
    crossed_correlation,
    normal_scores,
    person_correlation,
    share_variance,
    steadied,
)


def drawn(generator: np.random.Generator, person: np.ndarray, correlation: float) -> np.ndarray:
    effect = generator.normal(size=person.max() + 1)[person]
    return np.sqrt(correlation) * effect + np.sqrt(1 - correlation) * generator.normal(size=len(person))


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.8])
def test_the_correlation_of_a_persons_scores_is_found(correlation):
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(600), generator.integers(3, 12, 600))
    kinds = generator.integers(0, 2, len(person)) == 1
    scores = drawn(generator, person, correlation) + 3 * kinds
    normal, people = normal_scores(scores, kinds), people_of(person)
    assert person_correlation(normal, kinds, people) == pytest.approx(correlation, abs=0.05)
    assert crossed_correlation(normal, kinds, people) == pytest.approx(correlation, abs=0.05)
    assert np.array_equal(normal_scores(np.exp(scores), kinds), normal)


def test_people_whose_labels_are_easy_have_scores_that_are_correlated_the_other_way():
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(600), 10)
    positive = np.arange(6000) % 2 == 1
    ease = generator.normal(size=600)[person]
    normal = normal_scores(generator.normal(size=6000) + ease * (2 * positive - 1), positive)
    assert person_correlation(normal, positive, people_of(person)) == pytest.approx(0.5, abs=0.05)
    assert crossed_correlation(normal, positive, people_of(person)) == pytest.approx(-0.5, abs=0.05)


def test_nothing_is_shared_where_nobody_has_two_examples_or_all_scores_tie():
    positive = np.arange(20) % 2 == 1
    for scores, person in ((np.arange(20.0), np.arange(20)), (np.zeros(20), np.arange(20) // 4)):
        normal = normal_scores(scores, positive)
        assert person_correlation(normal, positive, people_of(person)) == 0
        assert crossed_correlation(normal, positive, people_of(person)) == 0


@pytest.mark.parametrize(("point", "correlation"), [(0.0, 0.5), (1.2, 0.3), (-0.7, -0.4), (2.0, 0.0)])
def test_two_variables_below_a_point(point, correlation):
    joint = multivariate_normal([0, 0], [[1, correlation], [correlation, 1]]).cdf([point, point])
    assert both_below(point, correlation) == pytest.approx(joint, abs=1e-4)


def test_the_variance_of_a_share_is_that_of_a_simulation():
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(20), 8)
    shares = [(drawn(generator, person, 0.4) > norm.ppf(0.8)).mean() for _ in range(4000)]
    assert share_variance(0.2, np.full(20, 8.0), 0.4) == pytest.approx(np.var(shares), rel=0.1)
    assert share_variance(0.2, np.full(20, 8.0), 0) == pytest.approx(0.2 * 0.8 / 160)
    assert share_variance(1.0, np.full(20, 8.0), 0.4) == 0


@pytest.mark.parametrize("mixed", [False, True])
def test_the_variance_of_an_area_is_that_of_a_simulation(mixed):
    """Of people with one kind of rows each, and of people with both kinds."""
    generator = np.random.default_rng(0)
    person = np.repeat(np.arange(20), 8)
    positive = np.arange(160) % 2 == 1 if mixed else person % 2 == 1
    areas = []
    for _ in range(3000):
        scores = drawn(generator, person, 0.4) + np.sqrt(2) * norm.ppf(0.8) * positive
        areas.append(placements(scores, positive)[positive].mean())
    people = people_of(person)
    variance = area_variance(0.8, people.sums(positive), people.sums(~positive), 0.4, 0.4)
    assert variance == pytest.approx(np.var(areas), rel=0.12)


def test_independent_rows_that_tell_nothing_have_the_variance_of_mann_and_whitney():
    positive, negative = np.repeat([1.0, 0.0], [20, 50]), np.repeat([0.0, 1.0], [20, 50])
    assert area_variance(0.5, positive, negative, 0, 0) == pytest.approx((1 / 20 + 1 / 50) / 12, rel=1e-3)


def test_of_many_people_the_measured_variance_decides_of_few_the_expected_one():
    spread = np.array([0.1, -0.1])
    for people, near in ((3000.0, 0.02), (1.0, 0.08)):
        figure = steadied(estimate(0.5, spread, people), 0.08)
        assert figure.variance == pytest.approx((people * 0.02 + PRIOR * 0.08) / (people + PRIOR))
        assert figure.variance == pytest.approx(near, rel=0.05)
