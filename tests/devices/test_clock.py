"""The virtual clock."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import STRATEGIES, Settings
from tiprdc_fl.devices.clock import follow
from tiprdc_fl.devices.requests import OUTCOMES, Conditions, Work


def at_once(places, moment):
    return np.full(len(places), moment)


def work(compute, upload=1.0, download=2.0, group=None, failure=0.0, size=0, extractor=0):
    n = len(compute)
    group = np.zeros(n, int) if group is None else np.array(group)
    return Work(
        contributor=np.arange(10, 10 + n),
        group=group,
        groups=int(group.max(initial=0)) + 1,
        examples=np.full(n, 3),
        labels=np.tile([2, 1], (n, 1)),
        download_bytes=extractor,
        upload_bytes=np.full(n, size),
        download_seconds=np.full(n, download),
        compute_seconds=np.array(compute, float),
        upload_seconds=np.full(n, upload),
        failure_rate=np.full(n, failure),
        able=np.ones(n, bool),
    )


def conditions(**other):
    return Conditions(**{"seed": 0, "available": at_once, **other})


def everyone(**other):
    return STRATEGIES["everyone"].make(Settings(**other))


def test_times_add_up_by_hand():
    course = follow(everyone(), work([5.0, 1.0]), conditions())
    assert course.answered == [1, 0]  # the faster first
    assert course.seconds == 2 + 5 + 1
    slow = next(request for request in course.requests if request.place == 0)
    assert (slow.wanted, slow.begun, slow.downloaded, slow.computed, slow.ended) == (0, 0, 2, 7, 8)


def test_devices_queue_for_the_collectors_link():
    # 10 bytes a second: the extractor takes 1 s, and a contribution 2 s, whoever's turn it is
    course = follow(
        everyone(), work([0.0] * 3, 0.0, 0.0, size=20, extractor=10), conditions(bytes_per_second=10)
    )
    assert sorted(request.downloaded for request in course.requests) == [1, 2, 3]
    assert sorted(request.ended for request in course.requests) == [3, 5, 7]
    assert {request.down_bytes for request in course.requests} == {10}
    assert {request.up_bytes for request in course.requests} == {20}


def test_a_device_that_is_away_begins_when_it_is_back():
    back = np.array([0.0, 100.0, math.inf])
    course = follow(
        everyone(), work([1.0] * 3), conditions(available=lambda places, now: np.maximum(now, back[places]))
    )
    assert course.answered == [0, 1]
    assert course.seconds == 104
    assert [request.place for request in course.requests] == [0, 1]  # who never checks in is not asked
    slow = course.requests[1]
    assert (slow.wanted, slow.begun) == (0, 100)
    patient = conditions(available=lambda places, now: np.maximum(now, back[places]), patience=5000)
    assert follow(everyone(), work([1.0] * 3), patient).seconds == 5000  # somebody may still come
    assert follow(everyone(), work([1.0] * 2), patient).seconds == 104


def test_who_has_gone_away_again_is_not_asked():
    """Place 0 is available until 10 only, place 1 from 50 on; one is wanted at a time."""

    def available(places, now):
        return np.where(places == 2, now, np.where(places == 0, now if now <= 10 else 900.0, max(now, 50.0)))

    busy = replace(work([100.0, 1.0, 100.0]), contributor=np.array([2, 1, 0]))
    course = follow(
        STRATEGIES["async_window"].make(Settings(target=3, window=1)), busy, conditions(available=available)
    )
    first = course.requests[0].place
    assert first in (0, 2)
    if first == 2:
        assert [request.place for request in course.requests] == [2, 1, 0]
        assert course.requests[2].begun == 900


def test_who_breaks_off_is_asked_again_until_its_attempts_are_used():
    course = follow(everyone(), work([1.0] * 50, failure=1.0), conditions(attempts=3, timeout=60))
    assert sorted(course.given_up) == list(range(50))
    assert len(course.requests) == 150
    assert sorted({request.attempt for request in course.requests}) == [0, 1, 2]
    assert {request.outcome for request in course.requests} == {"dropped"}
    assert all(0 <= request.stopped - request.begun <= 4 for request in course.requests)


def test_of_the_silent_the_collector_learns_at_the_timeout():
    course = follow(
        everyone(), work([1.0], failure=1.0), conditions(attempts=2, timeout=60, silent_share=1.0)
    )
    assert [request.begun for request in course.requests] == [0, 60]
    assert course.seconds == 120
    assert {request.outcome for request in course.requests} == {"silent"}


def test_a_late_answer_is_not_taken_and_the_contributor_is_asked_again_when_it_is_done():
    course = follow(everyone(), work([100.0]), conditions(attempts=2, timeout=50))
    assert course.answered == []
    assert course.given_up == [0]
    assert [request.outcome for request in course.requests] == ["late", "late"]
    assert [request.begun for request in course.requests] == [0, 103]
    assert course.requests[0].ended == 103
    # the device has the extractor by then
    assert course.requests[1].downloaded == 103
    assert (
        course.seconds == 153
    )  # then the collector has given up; that the device goes on is nobody's concern
    assert math.isnan(course.requests[1].ended)
    assert course.requests[1].computing == 50


def test_who_was_given_up_is_not_waited_for():
    course = follow(everyone(), work([1000.0]), conditions(attempts=1, timeout=50))
    assert course.seconds == 50
    limited = STRATEGIES["deadline"].make(Settings(deadline=500))
    assert follow(limited, work([1000.0, 1.0]), conditions(attempts=1, timeout=50)).seconds == 50


def test_nobody_has_the_extractor_before_it_was_downloaded():
    slow = work([1.0], upload=0.0, download=100.0, extractor=1000)
    course = follow(everyone(), slow, conditions(attempts=3, timeout=5))
    assert [request.downloaded for request in course.requests[:2]] == [100, 101]
    assert course.answered == [0]
    assert [request.down_bytes for request in course.requests] == [1000, 0]


def test_what_would_have_happened_later_is_not_counted():
    """Of a download of 100 s and 1000 bytes, 10 s and a tenth had passed."""
    slow = work([30.0] * 4, download=100.0, extractor=1000, size=50, failure=0.9)
    course = follow(STRATEGIES["deadline"].make(Settings(deadline=10)), slow, conditions())
    for request in course.requests:
        assert request.outcome in ("cut", "dropped")
        assert request.down_bytes == (100 if request.outcome == "cut" else int(10 * request.stopped))
        assert (request.up_bytes, request.computing) == (0, 0)
        assert math.isnan(request.downloaded)


def test_who_breaks_off_has_computed_and_sent_some():
    course = follow(everyone(), work([10.0] * 400, size=100, failure=1.0), conditions())
    assert all(
        request.computing == pytest.approx(min(10, max(0, request.stopped - 2)))
        for request in course.requests
    )
    assert all(
        request.up_bytes == int(100 * max(0.0, request.stopped - 12)) for request in course.requests
    )  # a second's upload
    assert any(request.up_bytes for request in course.requests)


def test_a_second_copy_takes_the_links_time():
    one_by_one = conditions(bytes_per_second=10, duplicate_rate=1.0)
    course = follow(everyone(), work([0.0, 0.0], 0.0, 0.0, size=20), one_by_one)
    assert sorted(request.ended for request in course.requests) == [
        2,
        4,
    ]  # both were queued before the first copy
    later = follow(everyone(), work([0.0, 3.0], 0.0, 0.0, size=20), one_by_one)
    assert sorted(request.ended for request in later.requests) == [2, 6]  # the copy took from 2 to 4


def test_an_answer_that_arrives_twice_is_taken_once():
    course = follow(everyone(), work([1.0] * 20), conditions(duplicate_rate=1.0))
    assert sorted(course.answered) == list(range(20))
    assert all(request.twice for request in course.requests)


def test_a_device_without_the_memory_is_given_up():
    short = replace(work([1.0, 1.0]), able=np.array([True, False]))
    course = follow(everyone(), short, conditions(attempts=3))
    assert (course.answered, course.given_up) == ([0], [1])
    assert [request.outcome for request in course.requests if request.place == 1] == ["unable"]


def test_a_random_share_is_drawn_and_waited_for():
    away = np.where(np.arange(100) % 2, 1000.0, 0.0)
    late = conditions(available=lambda places, now: np.maximum(now, away[places]))
    course = follow(STRATEGIES["uniform"].make(Settings(fraction=0.3)), work([1.0] * 100), late)
    assert len(course.answered) == 30
    assert sum(away[place] > 0 for place in course.answered) > 5  # not only those who are there at once
    assert course.seconds == 1004


def test_who_is_known_to_fail_is_replaced():
    strategy = STRATEGIES["async_window"].make(Settings(target=3, window=1))
    plain = follow(strategy, work([1.0] * 9), conditions())
    first = plain.requests[0].place
    course = follow(strategy, work([1.0] * 9), conditions(attempts=3), failing={10 + first})
    assert len(course.answered) == 3
    assert first not in course.answered
    assert [request.outcome for request in course.requests] == ["failed", "answered", "answered", "answered"]


def test_over_select_takes_the_fastest_and_cuts_the_rest():
    times = np.arange(1.0, 14.0)
    course = follow(
        STRATEGIES["over_select"].make(Settings(target=10, factor=1.3)), work(times), conditions()
    )
    assert course.answered == list(range(10))
    assert sorted(request.place for request in course.requests if request.outcome == "cut") == [10, 11, 12]
    assert course.seconds == 2 + 10 + 1


def test_deadline_ends_on_time():
    course = follow(
        STRATEGIES["deadline"].make(Settings(deadline=10)), work([1.0, 7.0, 7.5, 99.0]), conditions()
    )
    assert course.answered == [0, 1]
    assert course.seconds == 10
    done = follow(STRATEGIES["deadline"].make(Settings(deadline=10)), work([1.0]), conditions())
    assert done.seconds == 4  # nobody is waited for


def test_quota_stops_when_every_label_has_its_examples():
    strategy = STRATEGIES["quota"].make(Settings(quota=4, window=1))
    course = follow(strategy, work([1.0] * 20), conditions())
    assert len(course.answered) == 4  # each brings one example of the rarer label
    assert course.enough
    short = follow(strategy, work([1.0] * 3), conditions())
    assert (len(short.answered), short.enough) == (3, False)
    assert follow(everyone(), work([1.0] * 3), conditions()).enough is None


def test_fair_has_the_same_share_of_fast_and_slow():
    group = [0] * 60 + [1] * 40
    times = [1.0] * 60 + [500.0] * 40
    fair = follow(STRATEGIES["fair"].make(Settings(target=50)), work(times, group=group), conditions())
    assert sum(place < 60 for place in fair.answered) == 30
    first = follow(
        STRATEGIES["over_select"].make(Settings(target=50, factor=2)), work(times, group=group), conditions()
    )
    assert all(place < 60 for place in first.answered)  # the bias that fair does not have
    assert first.seconds < fair.seconds


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(STRATEGIES)),
    st.integers(1, 60),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(1, 3),
    st.integers(0, 5),
)
def test_every_strategy_counts_everybody_once(name, size, failure, silent, attempts, seed):
    times = np.arange(1.0, size + 1)
    strategy = STRATEGIES[name].make(
        Settings(target=max(1, size // 2), quota=9, window=4, deadline=20, fraction=0.5)
    )
    given_up_after = conditions(
        seed=seed,
        attempts=attempts,
        silent_share=silent,
        timeout=30,
        duplicate_rate=0.5,
        bytes_per_second=100,
    )
    asked = work(times, group=np.arange(size) % 3, failure=failure, size=50, extractor=30)
    course = follow(strategy, asked, given_up_after)
    assert len(set(course.answered)) == len(course.answered)
    assert not set(course.answered) & set(course.given_up)
    assert {request.outcome for request in course.requests} <= set(OUTCOMES)
    per_person = [(request.place, request.attempt) for request in course.requests]
    assert len(set(per_person)) == len(per_person)
    assert max(attempt for _, attempt in per_person) < attempts
    has_extractor: dict[int, float] = {}
    for request in sorted(course.requests, key=lambda request: request.attempt):
        moments = [
            request.wanted,
            request.begun,
            request.sending,
            request.downloaded,
            request.computed,
            request.receiving,
            request.ended,
        ]
        known = [moment for moment in moments if not math.isnan(moment)]
        assert known == sorted(known)
        assert known[-1] <= course.seconds
        if request.outcome == "answered":
            assert len(known) == 7
            assert request.ended <= request.begun + 30
        if not math.isnan(request.computed):
            has_extractor[request.place] = min(has_extractor.get(request.place, math.inf), request.downloaded)
            assert request.computed >= has_extractor[request.place]
        assert request.computing <= times[request.place] + 1e-9
    for passed in ("down_bytes", "up_bytes"):  # what passed through the link fits into the time it had
        assert sum(getattr(request, passed) for request in course.requests) <= 100 * course.seconds + 1e-6
    begun = [request for request in course.requests if request.outcome != "unable"]
    for place in {request.place for request in begun}:  # a device does one thing at a time
        own = [request for request in begun if request.place == place]
        for earlier, later in itertools.pairwise(own):
            ended = earlier.ended if math.isnan(earlier.stopped) else earlier.stopped
            assert ended <= later.begun
    again = follow(strategy, asked, given_up_after)
    assert repr(again) == repr(course)


def test_who_breaks_off_does_not_depend_on_who_else_is_asked():
    many = follow(everyone(), work([1.0] * 40, failure=0.5), conditions(timeout=60))
    few = follow(everyone(), work([1.0] * 7, failure=0.5), conditions(timeout=60))
    fates = {request.place: request.outcome for request in many.requests}
    assert {request.place: request.outcome for request in few.requests} == {
        place: fates[place] for place in range(7)
    }
    assert len(set(fates.values())) == 2


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_as_many_break_off_as_the_rate_says(rate):
    course = follow(everyone(), work([1.0] * 4000, failure=rate), conditions(timeout=60, silent_share=0.25))
    share = np.mean([request.outcome != "answered" for request in course.requests])
    silent = np.mean(
        [request.outcome == "silent" for request in course.requests if request.outcome != "answered"]
    )
    assert abs(share - rate) < 5 * math.sqrt(rate * (1 - rate) / 4000)
    assert abs(silent - 0.25) < 5 * math.sqrt(0.25 * 0.75 / (4000 * rate))
