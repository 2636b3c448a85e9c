"""Intervals over people: by hand, against textbook formulas, and how often they hold the truth."""

import numpy as np
import pytest
from scipy.stats import binomtest, t

from tiprdc_fl.evaluation.intervals import (
    FEWEST_PEOPLE,
    UNDEFINED,
    Interval,
    People,
    estimate,
    mean,
    number_interval,
    people_of,
    ratio,
    share_interval,
    share_of,
    student,
)


def limits(figure: Interval) -> tuple[float, float]:
    assert figure.low is not None and figure.high is not None
    return figure.low, figure.high


def test_people_are_counted_from_zero_and_summed_over():
    people = people_of(np.array([7, 7, 3, 9]))
    assert people.person.tolist() == [1, 1, 0, 2] and people.count == 3
    assert people.sums(np.array([1.0, 2, 4, 8])).tolist() == [4, 3, 8]


def test_people_without_a_row_have_nothing_to_sum():
    assert People(np.array([2, 2]), 4).sums(np.ones(2)).tolist() == [0, 0, 2, 0]


def test_a_ratio_of_people_with_equally_many_rows_is_a_mean_of_people():
    generator = np.random.default_rng(0)
    shares = generator.random(30)
    whole = ratio(8 * shares, np.full(30, 8.0))
    assert (whole.value, whole.people) == pytest.approx((shares.mean(), 30))
    assert whole.variance == pytest.approx(shares.var(ddof=1) / 30)
    assert limits(number_interval(whole)) == pytest.approx(
        t.interval(0.95, 29, loc=shares.mean(), scale=shares.std(ddof=1) / np.sqrt(30))
    )


def test_people_with_many_rows_make_fewer_people():
    """Kish's effective number: 40 rows of one person weigh as much as those of all the others."""
    sizes = np.array([40.0, *np.full(20, 2.0)])
    assert ratio(sizes / 2, sizes).people == pytest.approx(80**2 / (40**2 + 20 * 2**2))


def test_one_row_a_person_gives_wilsons_interval():
    """For many people, of whom Student's distribution is the normal one."""
    hits = (np.arange(4000) < 300).astype(float)
    figure = share_interval([ratio(hits, np.ones(4000))])
    textbook = binomtest(300, 4000).proportion_ci(0.95, method="wilson")
    assert limits(figure) == pytest.approx((textbook.low, textbook.high), rel=2e-3)


def test_people_with_one_row_each_lose_no_degrees_of_freedom():
    hits, ones = (np.arange(12) < 9).astype(float), np.ones(12)
    assert student([share_of(hits, ones)]) == pytest.approx(1.96, abs=1e-3)
    assert student([share_of(5 * hits, 5 * ones)]) == pytest.approx(float(t.ppf(0.975, 11 * 5 / 4)))
    assert share_of(hits, ones).variance == pytest.approx(0.75 * 0.25 / 11)


def test_all_right_leaves_an_interval_by_hand():
    """Wilson's of ten of ten, with Student's quantile for nine degrees of freedom."""
    figure = share_interval([ratio(np.full(10, 6.0), np.full(10, 6.0))])
    quantile = float(t.ppf(0.975, 9))
    assert figure.value == 1 and figure.high == 1
    assert figure.low == pytest.approx(1 / (1 + quantile**2 / 10))


def test_shares_that_do_not_depend_on_each_other_add_their_sides_squared():
    hits = np.array([3.0, 5, 4, 6, 2, 6, 5, 4, 6, 3])
    nobody, rows = np.zeros(10), np.full(10, 6.0)
    shares = [
        ratio(np.concatenate([hits, nobody]), np.concatenate([rows, nobody])),
        ratio(np.concatenate([nobody, rows]), np.concatenate([nobody, rows])),
    ]
    figure = share_interval(shares)
    quantile = student(shares)
    share, trials = shares[0].value, shares[0].value * (1 - shares[0].value) / shares[0].variance
    middle = (share + quantile**2 / 2 / trials) / (1 + quantile**2 / trials)
    half = np.sqrt(share * (1 - share) / trials + quantile**2 / 4 / trials**2) * quantile
    half /= 1 + quantile**2 / trials
    all_right = 1 / (1 + quantile**2 / 10)
    assert figure.low == pytest.approx((share + 1) / 2 - np.hypot(share - (middle - half), 1 - all_right) / 2)
    assert figure.high == pytest.approx((share + 1) / 2 + (middle + half - share) / 2)


def test_degrees_of_freedom_are_those_of_who_decides():
    few, many = np.random.default_rng(0).normal(size=12), np.zeros(3)
    certain = estimate(0.5, np.concatenate([many, np.full(12, 1e-9)]), 500)
    unsure = estimate(0.5, np.concatenate([many, few]), 12)
    assert student([certain, unsure]) == pytest.approx(float(t.ppf(0.975, 11)), rel=1e-3)


def test_the_mean_of_few_people_is_not_defined():
    for count, known in ((FEWEST_PEOPLE, True), (FEWEST_PEOPLE - 1, False)):
        figure = mean(np.arange(2.0 * count), people_of(np.arange(2 * count) // 2))
        assert (figure != UNDEFINED) == known


@pytest.mark.parametrize(("people", "truth"), [(12, 0.5), (12, 0.8), (60, 0.9)])
def test_intervals_hold_the_truth_of_people_who_differ(people, truth):
    """Beta-binomial: a person's own share scatters around the truth; 5 to 20 examples each."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        rows = generator.integers(5, 21, people)
        own = generator.beta(6 * truth, 6 * (1 - truth), people)
        low, high = limits(share_interval([share_of(generator.binomial(rows, own), rows.astype(float))]))
        held += low <= truth <= high
    assert 0.925 <= held / 1000 <= 0.975
