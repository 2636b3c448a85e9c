"""A strategy is followed without a run: the same course for the same seed, and it does what the strategy says."""

import numpy as np
import pytest

from tiprdc_fl import InputError, simulate_course


def test_a_course_follows_the_strategy_and_the_seed():
    course = simulate_course("over_select", {"target": 50, "factor": 1.2}, contributors=200)
    again = simulate_course("over_select", {"target": 50, "factor": 1.2}, contributors=200)
    assert len(course.answered) == 50
    assert course.enough
    assert again.requests == course.requests
    assert len({request.place for request in course.requests}) <= 60 + sum(
        request.outcome != "answered" for request in course.requests
    )


def test_more_examples_take_longer_and_send_more():
    few, many = (
        simulate_course(contributors=50, examples=np.full(50, number), attempts=1, duplicate_rate=0.0)
        for number in (1, 200)
    )
    sent = [sum(request.up_bytes for request in course.requests) for course in (few, many)]
    assert sent[1] > 100 * sent[0]
    assert many.requests[0].computing == pytest.approx(200 * few.requests[0].computing)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategy": "nobody"}, "strategy='nobody': there is none of this name; there are everyone"),
        ({"settings": {"targets": 5}}, "settings: no targets; a strategy reads some of fraction, target"),
        ({"devices": "toasters"}, "toasters"),
        ({"strategy": "uniform", "settings": {"fraction": 7.0}}, "settings: fraction=7.0: expected"),
        ({"strategy": "quota", "settings": {"per": "typo"}}, "settings: per='typo'"),
        ({"strategy": "over_select", "settings": {"target": "x"}}, "settings: target='x'"),
        ({"strategy": "over_select", "settings": {"target": 11}}, "strategy.target=11"),
        ({"attempts": 0}, "attempts=0"),
        ({"collector_mbps": 0}, "collector_mbps=0"),
        ({"examples": [1, 2]}, r"examples of shape \[2\]"),
    ],
)
def test_what_does_not_exist_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        simulate_course(contributors=10, **given)
