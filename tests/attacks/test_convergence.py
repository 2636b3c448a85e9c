"""When a training counts as converged."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiprdc_fl.attacks.convergence import FIRST_CHECK, Course, checks


@given(st.integers(1, 100_000))
def test_checks_grow_geometrically_and_end_at_the_bound(steps):
    due = checks(steps)
    assert due[-1] == steps and list(due) == sorted(set(due))
    assert due[0] == min(steps, FIRST_CHECK)
    assert len(due) <= 2 + 2 * max(0.0, math.log2(steps / FIRST_CHECK) + 1)


@given(st.integers(100, 100_000))
def test_each_check_but_the_last_has_its_half_among_them(steps):
    """The last doubling is then one of nearly exactly two: 45 to 90, 90 to 181, 181 to 362."""
    due = checks(steps)
    for step in due[2:-1]:
        assert step // 2 in due


def test_the_checks_do_not_depend_on_the_bound():
    """A training that has converged is the same under a higher bound."""
    assert set(checks(1000)[:-1]) <= set(checks(5000))


def course(errors: dict[int, float], tolerance: float = 0.02, fewest: int = 1) -> Course:
    made = Course(tolerance, fewest)
    for step, error in errors.items():
        made.add(step, error)
    return made


def test_the_last_doubling_by_hand():
    made = course({0: 1.0, 32: 0.5, 45: 0.45, 64: 0.4})
    assert made.steps == 64
    assert made.last_doubling == pytest.approx(0.2)  # from 0.5 to 0.4
    assert not made.converged
    made.add(90, 0.45)  # from 0.45 to 0.4, the least so far
    assert made.last_doubling == pytest.approx(1 / 9)


@pytest.mark.parametrize(("gain", "converged"), [(0.019, True), (0.021, False)])
def test_a_gain_below_the_tolerance_ends_it(gain, converged):
    assert course({32: 1.0, 64: 1 - gain}).converged == converged


def test_an_error_that_rises_or_stays_at_zero_has_converged():
    assert course({32: 1.0, 64: 1.1}).last_doubling == 0
    assert course({0: 0.0, 32: 0.0}).last_doubling == 0
    assert course({32: 1.0, 64: 1.1}).converged


def test_too_few_steps_tell_nothing():
    assert course({}).last_doubling is None and not course({}).converged
    assert course({32: 1.0, 45: 1.0}).last_doubling is None
    assert not course({32: 1.0, 45: 1.0}).converged
    assert not course({32: 1.0, 64: 1.0}, fewest=128).converged


def test_adding_says_whether_the_error_is_the_least():
    made = Course(0.02, 1)
    assert [made.add(step, error) for step, error in ((1, 3.0), (2, 2.0), (3, 2.5), (4, 2.0))] == [
        True,
        True,
        False,
        True,
    ]
