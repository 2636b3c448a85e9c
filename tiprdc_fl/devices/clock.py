"""The virtual clock: when devices would answer, and what a strategy makes of it. Modelled, not measured.

A day of collection takes seconds, because nothing is computed but times. The engines then do the work of those
whose answers were taken. Times are seconds from the beginning of the collection.

Devices check in when they are available (Bonawitz et al., MLSys 2019): the collector cannot wake one up. Whoever
has checked in and is wanted begins. A device goes on when the collector has stopped waiting for it, and is asked
again only when it is done.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from strategies import Progress, Strategy
from strategies.strategy import never
from tiprdc_fl.devices.requests import Ask, Conditions, Course, Work
from tiprdc_fl.seeding import uniforms

_LOOKED_AT = 32  # devices at least, when one is wanted: whether one is available costs as much as for many


def follow(
    strategy: Strategy, work: Work, conditions: Conditions, failing: Collection[int] = frozenset()
) -> Course:
    """The course that a collection takes.

    Args:
        strategy: who is asked when.
        work: of whom, and how long it takes them.
        conditions: of the collection.
        failing: ids of contributors whose work fails: their devices say so when they would have answered.
    """
    limit = min(strategy.deadline, conditions.patience)
    state = _start(strategy, work, conditions, failing)
    _decide(state)
    while not state.enough and _goes_on(state) and state.events[0][0] <= limit:
        moment, _, happens, one = heapq.heappop(state.events)
        state.now = state.progress.seconds = moment
        happens(state, one)
    waits = not state.enough and (_goes_on(state) or _hopes(state))
    seconds = limit if waits and limit < math.inf else state.decided
    for one in state.requests:
        _settle(one, work, seconds)
    enough = None if strategy.enough is never else state.enough
    return Course(state.requests, seconds, state.given_up, enough, 0 if state.enough else _missing(state))


@dataclass(eq=False)
class _State:
    """What ``follow`` keeps.

    ``waiting`` has, for each group, those who may be asked: since when they are available, tie, place. ``wanted``
    has the moments since which somebody is wanted, the longest first; ``away`` counts those who never check in.
    """

    strategy: Strategy
    work: Work
    conditions: Conditions
    progress: Progress
    group: list[int]
    waiting: list[list[tuple[float, float, int]]]
    wanted: list[deque[float]]
    away: list[int]
    tie: list[float]
    durations: list[tuple[float, float, float]]
    failing: list[bool]
    attempts: list[int]
    has_extractor: list[bool]
    requests: list[Ask] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    events: list[tuple[float, int, Callable[["_State", Ask | None], None], Ask | None]] = field(
        default_factory=list
    )
    numbers: "count[int]" = field(default_factory=count)
    now: float = 0.0
    decided: float = 0.0  # when the collector last learned something
    woken: float = math.inf  # when it next looks who has checked in
    returning: int = 0  # devices that it does not wait for, which may be asked again when they are done
    sending_until: float = 0.0  # its link is busy
    receiving_until: float = 0.0
    enough: bool = False


Event = Callable[[_State, Ask | None], None]


def _start(strategy: Strategy, work: Work, conditions: Conditions, failing: Collection[int]) -> _State:
    """Nobody has been asked; in each group those wait to be asked who were drawn, by when they check in."""
    size, groups = len(work.contributor), work.groups if strategy.by_device else 1
    group = work.group.tolist() if strategy.by_device else [0] * size
    tie = uniforms(conditions.seed, work.contributor, "clock", "order")
    drawn = np.argsort(tie, kind="stable")[: math.ceil(strategy.share * size - 1e-9)]
    counts = ([0] * groups for _ in range(4))
    people = np.bincount(np.array(group, np.int64)[drawn], minlength=groups).tolist()
    durations = (work.download_seconds, work.compute_seconds, work.upload_seconds)
    state = _State(
        *(strategy, work, conditions),
        progress=Progress(people, *counts, labels=[0] * work.labels.shape[1]),
        group=group,
        waiting=[[] for _ in range(groups)],
        wanted=[deque() for _ in range(groups)],
        away=[0] * groups,
        tie=tie.tolist(),
        durations=list(zip(*(column.tolist() for column in durations), strict=True)),
        failing=np.isin(work.contributor, list(failing)).tolist(),
        attempts=[0] * size,
        has_extractor=[False] * size,
    )
    _wait(state, drawn.tolist(), conditions.available(drawn, 0.0).tolist())
    return state


def _wait(state: _State, places: list[int], moments: list[float]) -> None:
    """Contributors may be asked from some moments on."""
    for place, moment in zip(places, moments, strict=True):
        if moment == math.inf:
            state.away[state.group[place]] += 1
        else:
            heapq.heappush(state.waiting[state.group[place]], (moment, state.tie[place], place))


def _then(state: _State, moment: float, happens: Event, one: Ask | None) -> None:
    heapq.heappush(state.events, (moment, next(state.numbers), happens, one))


def _goes_on(state: _State) -> bool:
    """Whether something can still happen that the collector waits for."""
    return bool(state.events) and (
        sum(state.progress.pending) > 0 or state.returning > 0 or state.woken < math.inf
    )


def _hopes(state: _State) -> bool:
    """Whether somebody is wanted of whom nobody knows that they never check in."""
    pairs = zip(state.wanted, state.away, strict=True)
    return any(wanted and away for wanted, away in pairs)


def _missing(state: _State) -> int:
    """How many could still have been asked of the groups of whom somebody is wanted."""
    groups = zip(state.wanted, state.waiting, state.away, strict=True)
    return sum(len(waiting) + away for wanted, waiting, away in groups if wanted)


def _decide(state: _State) -> None:
    """The collector has learned something: is it enough, and if not, who is wanted now?"""
    state.decided = state.now
    state.enough = state.strategy.enough(state.progress)
    if state.enough:
        return
    places: list[int] = []
    wants = state.strategy.ask(state.progress)
    for group, wanted in enumerate(wants):
        since = state.wanted[group]
        while len(since) > max(0, wanted):
            since.pop()
        since.extend([state.now] * (min(wanted, state.progress.waiting[group]) - len(since)))
        if since:
            places += _checked_in(state, group, len(since))
    _begin(state, places)
    _wake(state)


def _checked_in(state: _State, group: int, wanted: int) -> list[int]:
    """Contributors of a group who are available now, at most as many as are wanted, who waited longest first."""
    queue, found = state.waiting[group], list[int]()
    while queue and queue[0][0] <= state.now and len(found) < wanted:
        looked_at = [heapq.heappop(queue)]
        if looked_at[0][0] < state.now:  # it was available, and may be away again
            many = max(_LOOKED_AT, wanted - len(found))
            while queue and queue[0][0] < state.now and len(looked_at) < many:
                looked_at.append(heapq.heappop(queue))
            places = [place for _, _, place in looked_at]
            moments = state.conditions.available(np.array(places), state.now).tolist()
            here = [entry for entry, moment in zip(looked_at, moments, strict=True) if moment <= state.now]
            gone = [(p, m) for p, m in zip(places, moments, strict=True) if m > state.now]
            _wait(state, [place for place, _ in gone], [moment for _, moment in gone])
            for entry in here[wanted - len(found) :]:
                heapq.heappush(queue, (state.now, *entry[1:]))
            looked_at = here[: wanted - len(found)]
        found += [place for _, _, place in looked_at]
    return found


def _wake(state: _State) -> None:
    """Sees to it that the collector looks again when the next device checks in that is wanted."""
    moments = (
        queue[0][0] for queue, since in zip(state.waiting, state.wanted, strict=True) if queue and since
    )
    next_one = max(state.now, min(moments, default=math.inf))
    if next_one < state.woken:
        state.woken = next_one
        _then(state, next_one, _look, None)
    elif next_one == math.inf:
        state.woken = math.inf


def _look(state: _State, nobody: Ask | None) -> None:
    """A device that is wanted may have checked in."""
    if state.now >= state.woken:  # else it was put off
        state.woken, learned = math.inf, state.decided
        _decide(state)
        state.decided = learned


def _begin(state: _State, places: list[int]) -> None:
    """Devices that have checked in are asked: they download the extractor, unless they have it, and compute."""
    if not places:
        return
    for place, chances in zip(places, _chances(state, places), strict=True):
        group = state.group[place]
        since = state.wanted[group].popleft()
        one = Ask(place, state.attempts[place], since, state.now, chances)
        state.attempts[place] += 1
        state.requests.append(one)
        state.progress.pending[group] += 1
        if state.work.able[place]:
            _plan(state, one)
        else:
            one.outcome, one.done, state.attempts[place] = "unable", True, state.conditions.attempts
            _then(state, state.now, _lose, one)


def _chances(state: _State, places: list[int]) -> list[tuple[float, float, float, float]]:
    """Those of each contributor's next request; they do not depend on what else has happened."""
    attempts = np.array([state.attempts[place] for place in places], np.int64)
    requests = (attempts << 40) + state.work.contributor[places]  # an id is below 2^38
    draws = uniforms(state.conditions.seed, requests[:, None] * 4 + np.arange(4), "clock", "chances")
    return list(map(tuple, draws.tolist()))  # pyright: ignore[reportReturnType]


def _plan(state: _State, one: Ask) -> None:
    """What the device will do, and when it will break off if it does."""
    now, rate = state.now, state.conditions.bytes_per_second
    download, compute, upload = state.durations[one.place]
    one.downloads = not state.has_extractor[one.place]
    size = state.work.download_bytes if one.downloads else 0
    one.sending = max(now, state.sending_until) if one.downloads else now
    one.downloaded = one.sending + max(size / rate, download) if one.downloads else now
    one.computed = one.downloaded + compute
    breaks, when, _, _ = one.chances
    if breaks < state.work.failure_rate[one.place]:
        one.stopped = now + when * (one.computed + upload - now)
    if one.downloads:  # who leaves the queue before its turn takes no time of the link
        state.sending_until += max(0.0, min(one.sending + size / rate, one.stopped) - state.sending_until)
    _then(state, min(one.computed, one.stopped), _upload if one.computed < one.stopped else _end, one)
    if state.conditions.timeout < math.inf:
        _then(state, now + state.conditions.timeout, _time_out, one)


def _upload(state: _State, one: Ask | None) -> None:
    """The device sends its contribution, once the collector's link has room for it."""
    assert one is not None
    rate, size = state.conditions.bytes_per_second, int(state.work.upload_bytes[one.place])
    one.receiving = max(state.now, state.receiving_until)
    one.ended = one.receiving + max(size / rate, state.durations[one.place][2])
    state.receiving_until += max(0.0, min(one.receiving + size / rate, one.stopped) - state.receiving_until)
    if one.ended <= one.stopped:
        one.stopped = math.inf
    _then(state, min(one.ended, one.stopped), _end, one)


def _end(state: _State, one: Ask | None) -> None:
    """The device is done: it has answered, or it breaks off."""
    assert one is not None
    one.done = True
    if one.downloaded <= state.now:
        state.has_extractor[one.place] = True
    if one.closed:  # nobody waits for it, but it may be asked again now
        if state.attempts[one.place] < state.conditions.attempts:
            state.returning -= 1
            _again(state, one.place)
            _decide(state)
    elif one.stopped < math.inf:
        silent = one.chances[2] < state.conditions.silent_share
        one.outcome = "silent" if silent else "dropped"
        if not silent:
            _lose(state, one)
    elif state.failing[one.place]:
        one.outcome, state.attempts[one.place] = "failed", state.conditions.attempts
        _lose(state, one)
    else:
        _take(state, one)


def _take(state: _State, one: Ask) -> None:
    """An answer that counts."""
    one.outcome, one.closed = "answered", True
    one.twice = one.chances[3] < state.conditions.duplicate_rate
    if one.twice:
        again = state.work.upload_bytes[one.place] / state.conditions.bytes_per_second
        state.receiving_until = max(state.now, state.receiving_until) + again
    progress, group = state.progress, state.group[one.place]
    progress.pending[group] -= 1
    progress.answered[group] += 1
    progress.examples[group] += int(state.work.examples[one.place])
    for value, number in enumerate(state.work.labels[one.place].tolist()):
        progress.labels[value] += number
    _decide(state)


def _time_out(state: _State, one: Ask | None) -> None:
    """The collector has waited long enough. A device that still works will be late, and goes on all the same."""
    assert one is not None
    if not one.closed:
        one.outcome = one.outcome if one.done else "late"
        _lose(state, one)


def _lose(state: _State, one: Ask | None) -> None:
    """The collector stops waiting for an answer; the contributor is asked again as long as it has attempts left."""
    assert one is not None
    one.closed = True
    place, group = one.place, state.group[one.place]
    state.progress.pending[group] -= 1
    if state.attempts[place] >= state.conditions.attempts:
        state.progress.given_up[group] += 1
        state.given_up.append(place)
    elif one.done:
        _again(state, place)
    else:
        state.returning += 1
    _decide(state)


def _again(state: _State, place: int) -> None:
    """A contributor may be asked again, once its device is available."""
    _wait(state, [place], state.conditions.available(np.array([place]), state.now).tolist())


def _settle(one: Ask, work: Work, seconds: float) -> None:
    """What of a request had happened when the collection was over: its moments, bytes, and seconds of computing."""
    stop = min(seconds, one.stopped)
    one.down_bytes = int(_part(one.sending, one.downloaded, stop) * work.download_bytes * one.downloads)
    one.computing = max(0.0, min(one.computed, stop) - one.downloaded) if one.downloaded <= stop else 0.0
    one.up_bytes = int(_part(one.receiving, one.ended, stop) * work.upload_bytes[one.place])
    for name in ("sending", "downloaded", "computed", "receiving", "ended"):
        if getattr(one, name) > stop:
            setattr(one, name, math.nan)
    if one.stopped > seconds:
        one.stopped = math.nan


def _part(start: float, end: float, stop: float) -> float:
    """The share of a transfer that had passed."""
    if math.isnan(start) or stop < start:
        return 0.0
    return 1.0 if stop >= end else (stop - start) / (end - start)
