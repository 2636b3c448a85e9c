"""The clock and an obvious simulation, which shares no code with it, agree on random courses."""

import math
from collections import Counter

import numpy as np
import pytest

from strategies import STRATEGIES, Settings, Strategy
from tests.devices.obvious_clock import obvious_course
from tiprdc_fl.devices.clock import follow
from tiprdc_fl.devices.requests import OUTCOMES, Conditions, Course, Work
from tiprdc_fl.seeding import generator

COURSES = 320
MOMENTS = ("wanted", "begun", "sending", "downloaded", "computed", "receiving", "ended", "stopped")
Draw = np.random.Generator


def random_work(draw: Draw, size: int) -> Work:
    groups = int(draw.integers(1, 4))
    return Work(
        contributor=draw.permutation(10 * size)[:size],
        group=draw.integers(0, groups, size),
        groups=groups,
        examples=draw.integers(0, 6, size),
        labels=draw.integers(0, 4, (size, int(draw.integers(0, 3)))),
        download_bytes=int(draw.integers(1, 300)),
        upload_bytes=draw.integers(1, 300, size),
        download_seconds=draw.exponential(5.0, size),
        compute_seconds=draw.exponential(40.0, size),
        upload_seconds=draw.exponential(5.0, size),
        failure_rate=draw.random(size) * draw.choice([0.0, 0.3, 1.0]),
        able=draw.random(size) >= draw.choice([0.0, 0.3]),
    )


def random_conditions(draw: Draw, size: int) -> Conditions:
    """Each device is available for a share of each period, some devices never are."""
    period, share = draw.uniform(50, 500), draw.choice([0.1, 0.6, 1.0])
    phase, never = draw.random(size) * period, draw.random(size) < draw.choice([0.0, 0.2])

    def available(places: np.ndarray, now: float) -> np.ndarray:
        passed = (now + phase[places]) % period
        moments = np.where(passed <= share * period, now, now + period - passed)
        return np.where(never[places], math.inf, moments)

    return Conditions(
        seed=int(draw.integers(1000)),
        available=available,
        patience=float(draw.choice([50.0, 700.0, 5000.0])),
        bytes_per_second=float(draw.choice([5.0, 50.0, math.inf])),
        timeout=float(draw.choice([20.0, 90.0, math.inf])),
        attempts=int(draw.integers(1, 4)),
        silent_share=float(draw.choice([0.0, 0.5])),
        duplicate_rate=float(draw.choice([0.0, 0.5])),
    )


def random_strategy(draw: Draw, name: str, size: int) -> Strategy:
    chosen = Settings(
        fraction=float(draw.choice([0.4, 0.9])),
        target=int(draw.integers(1, size + 1)),
        factor=float(draw.choice([1.0, 1.5])),
        deadline=float(draw.choice([30.0, 300.0])),
        quota=int(draw.integers(1, size + 1)),
        per=str(draw.choice(["label", "device"])),
        window=int(draw.integers(1, 9)),
    )
    return STRATEGIES[name].make(chosen)


def random_course(name: str, number: int) -> tuple[Strategy, Work, Conditions, set[int]]:
    draw = generator(0, "course", name, number)
    size = int(
        draw.choice([3, 12, 25, 60], p=[0.2, 0.5, 0.25, 0.05])
    )  # with 60 more than are looked up at once
    work = random_work(draw, size)
    failing = set(work.contributor[draw.random(size) < draw.choice([0.0, 0.2])].tolist())
    return random_strategy(draw, name, size), work, random_conditions(draw, size), failing


def assert_same(course: Course, obvious: Course, never_enough: bool) -> None:
    """Everything is equal, but for the rounding of sums in another order."""
    assert course.seconds == pytest.approx(obvious.seconds)
    assert (course.given_up, course.never_came) == (obvious.given_up, obvious.never_came)
    assert course.enough == (None if never_enough else obvious.enough)
    assert course.answered == obvious.answered
    assert len(course.requests) == len(obvious.requests)
    for request, other in zip(course.requests, obvious.requests, strict=True):
        same = ("place", "attempt", "outcome", "twice")
        assert [getattr(request, name) for name in same] == [getattr(other, name) for name in same]
        for name in (*MOMENTS, "computing"):
            assert getattr(request, name) == pytest.approx(getattr(other, name), abs=1e-6, nan_ok=True), name
        assert abs(request.down_bytes - other.down_bytes) <= 1
        assert abs(request.up_bytes - other.up_bytes) <= 1


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_clock_agrees_with_an_obvious_simulation(name):
    outcomes: Counter[str] = Counter()
    repeated = twice = queued = waited = 0
    for number in range(COURSES // len(STRATEGIES)):
        strategy, work, conditions, failing = random_course(name, number)
        course = follow(strategy, work, conditions, failing)
        never_enough = name in ("everyone", "uniform", "deadline")
        assert_same(course, obvious_course(strategy, work, conditions, failing), never_enough)
        outcomes.update(request.outcome for request in course.requests)
        repeated += sum(request.attempt > 0 for request in course.requests)
        twice += sum(request.twice for request in course.requests)
        queued += sum(request.receiving > request.computed for request in course.requests)
        waited += sum(request.begun > request.wanted for request in course.requests)
    assert set(outcomes) == set(OUTCOMES)
    assert min(repeated, twice, queued, waited) > 0
