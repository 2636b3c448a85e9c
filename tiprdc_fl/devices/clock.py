"""The virtual clock: when devices would answer, and what a strategy makes of it. Modelled, not measured.

A day of collection takes seconds, because nothing is computed but times. The engines then do the work of those
whose answers were taken. Times are seconds from the beginning of the collection.

What happens next is the earlier of two: the first transition of the agenda (``transitions``), or the next check-in
of a device that is wanted (``check_ins``). Whenever the collector learns something, it asks the strategy how many
more contributors to ask. Each of these is a vacancy, which the next device that checks in fills.
"""

import heapq
import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from strategies import Strategy
from strategies.strategy import never
from tiprdc_fl.devices.clock_state import Clock, new_clock
from tiprdc_fl.devices.pending import PendingRequest, finished
from tiprdc_fl.devices.requests import Conditions, Course, Work
from tiprdc_fl.devices.transitions import begin
from tiprdc_fl.seeding import uniforms

_NO_CHECK_IN = (math.inf, 0)


def follow(
    strategy: Strategy, work: Work, conditions: Conditions, failing: Collection[int] = frozenset()
) -> Course:
    """The course that a collection takes.

    Args:
        strategy: which contributors to ask, when, and when it is enough.
        work: what is asked of each contributor, and how long it takes.
        conditions: of the collection.
        failing: ids of contributors whose work fails: their devices say so when they would have answered.
    """
    limit = min(strategy.deadline, conditions.patience)
    clock = new_clock(strategy, work, conditions, failing)
    collector = _Collector(strategy, [deque() for _ in clock.progress.people])
    _learn(collector, clock)
    while not collector.enough and _goes_on(collector, clock) and _next_moment(collector, clock) <= limit:
        _advance(collector, clock)
    waits = not collector.enough and (_goes_on(collector, clock) or _hopes(collector, clock))
    seconds = limit if waits and limit < math.inf else collector.learned
    upload_bytes = clock.contributors.upload_bytes
    return Course(
        requests=[
            finished(request, work.download_bytes, upload_bytes[request.place], seconds)
            for request in clock.requests
        ],
        seconds=seconds,
        given_up=clock.given_up,
        enough=None if strategy.enough is never else collector.enough,
        never_came=0 if collector.enough else _missing(collector, clock),
    )


@dataclass(eq=False)
class _Collector:
    """The collector's decisions.

    Attributes:
        strategy: which they follow.
        vacancies: for each group, the moments since which a further contributor is wanted, the earliest first.
        learned: moment at which the collector last learned something.
        enough: whether the strategy has enough.
        next_check_in: moment and number, as on the agenda, of the next check-in that fills a vacancy.
        chances: random numbers of each attempt that somebody has come to.
    """

    strategy: Strategy
    vacancies: list[deque[float]]
    learned: float = 0.0
    enough: bool = False
    next_check_in: tuple[float, int] = _NO_CHECK_IN
    chances: dict[int, np.ndarray] = field(default_factory=dict)


def _next_moment(collector: _Collector, clock: Clock) -> float:
    """When something happens next."""
    moment, _ = collector.next_check_in
    return min(moment, clock.agenda[0][0]) if clock.agenda else moment


def _advance(collector: _Collector, clock: Clock) -> None:
    """The next thing happens."""
    if not clock.agenda or collector.next_check_in < clock.agenda[0]:
        clock.now = clock.progress.seconds = collector.next_check_in[0]
        _decide(collector, clock)
    else:
        moment, _, transition, request = heapq.heappop(clock.agenda)
        clock.now = clock.progress.seconds = moment
        if transition(clock, request):
            _learn(collector, clock)


def _goes_on(collector: _Collector, clock: Clock) -> bool:
    """Whether something can still happen that the collector waits for."""
    if collector.next_check_in[0] < math.inf:
        return True
    return bool(clock.agenda) and (clock.returning > 0 or any(clock.progress.pending))


def _hopes(collector: _Collector, clock: Clock) -> bool:
    """Whether a vacancy is left for a contributor who never checks in, which the collector cannot know."""
    pairs = zip(collector.vacancies, clock.check_ins.never, strict=True)
    return any(vacancies and away for vacancies, away in pairs)


def _missing(collector: _Collector, clock: Clock) -> int:
    """Contributors who could still have been asked, in the groups with vacancies."""
    groups = enumerate(collector.vacancies)
    return sum(clock.check_ins.left(group) for group, vacancies in groups if vacancies)


def _learn(collector: _Collector, clock: Clock) -> None:
    """The collector has learned something, and decides."""
    collector.learned = clock.now
    _decide(collector, clock)


def _decide(collector: _Collector, clock: Clock) -> None:
    """Is it enough? If not, devices that have checked in fill the vacancies."""
    collector.enough = collector.strategy.enough(clock.progress)
    if collector.enough:
        return
    places, waiting = list[int](), clock.progress.waiting
    for group, wanted in enumerate(collector.strategy.ask(clock.progress)):
        vacancies = collector.vacancies[group]
        _resize(vacancies, min(wanted, waiting[group]), clock.now)
        if vacancies:
            places += clock.check_ins.take(group, len(vacancies), clock.now)
    _ask(collector, clock, places)
    _expect_check_in(collector, clock)


def _resize(vacancies: deque[float], number: int, now: float) -> None:
    """Takes back the latest vacancies, or adds new ones, until there are ``number``."""
    while len(vacancies) > max(0, number):
        vacancies.pop()
    vacancies.extend([now] * (number - len(vacancies)))


def _ask(collector: _Collector, clock: Clock, places: list[int]) -> None:
    """Contributors whose devices have checked in are asked, and fill vacancies."""
    contributors, attempts = clock.contributors, clock.conditions.attempts
    for place in places:
        attempt = attempts - contributors.attempts_left[place]
        wanted = collector.vacancies[contributors.group[place]].popleft()
        chances = _chances(collector, clock, attempt)[place].tolist()
        begin(clock, PendingRequest(place, attempt, wanted, clock.now), chances)


def _chances(collector: _Collector, clock: Clock, attempt: int) -> np.ndarray:
    """Random numbers for ``begin``, float [n, 4]; they depend on seed, contributor and attempt alone."""
    if attempt not in collector.chances:
        requests = (attempt << 40) + clock.work.contributor  # an id is below 2^38
        draws = requests[:, None] * 4 + np.arange(4)
        collector.chances[attempt] = uniforms(clock.conditions.seed, draws, "clock", "chances")
    return collector.chances[attempt]


def _expect_check_in(collector: _Collector, clock: Clock) -> None:
    """Notes when the next device checks in that fills a vacancy."""
    groups = enumerate(collector.vacancies)
    moment = min([clock.check_ins.next_moment(group) for group, v in groups if v], default=math.inf)
    if moment == math.inf:
        collector.next_check_in = _NO_CHECK_IN
    elif moment != collector.next_check_in[0]:
        collector.next_check_in = (moment, next(clock.numbers))
