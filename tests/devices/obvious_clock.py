"""The virtual clock once more, slow and obvious: at each step every request says what happens to it next.

It shares no code with the clock but the types of its input and output, and holds wherever no two things happen at
the same moment by chance.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from strategies import Progress, Strategy
from tiprdc_fl.devices.requests import Conditions, Course, Request, Work
from tiprdc_fl.seeding import uniforms

NEVER = math.inf


@dataclass
class Person:
    """A contributor. ``seen``: when the device was, or will be, last seen to check in."""

    place: int
    group: int
    tie: float
    waits: bool = False
    seen: float = NEVER
    asked: int = 0
    given_up: bool = False
    has_extractor: bool = False


@dataclass
class Life:
    """A request with all moments that its device would come to, were it left alone."""

    person: Person
    attempt: int
    wanted: float
    begun: float
    doing: str = "working"  # then "sending", "silent" or "over"; or "declining", then "over"
    awaited: bool = True
    outcome: str = "cut"
    downloads: bool = False
    sending: float = math.nan
    downloaded: float = math.nan
    computed: float = math.nan
    receiving: float = math.nan
    ended: float = math.nan
    breaks_off: float = NEVER
    silent: bool = False
    twice: bool = False


@dataclass
class Transfer:
    """A transfer of the collector's link: it lasts so many seconds, unless the device leaves before."""

    start: float
    seconds: float
    leaves: float


@dataclass
class Simulation:
    strategy: Strategy
    work: Work
    conditions: Conditions
    failing: set[int]
    people: list[Person]
    groups: int
    now: float = 0.0
    learned: float = 0.0
    enough: bool = False
    lives: list[Life] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    vacancies: list[list[float]] = field(default_factory=list)
    down: list[Transfer] = field(default_factory=list)
    up: list[Transfer] = field(default_factory=list)


def obvious_course(strategy: Strategy, work: Work, conditions: Conditions, failing: set[int]) -> Course:
    """The course of a collection, as ``tiprdc_fl.devices.clock.follow`` must give it."""
    ties = uniforms(conditions.seed, work.contributor, "clock", "order").tolist()
    groups = work.groups if strategy.by_device else 1
    people = [Person(i, int(work.group[i]) if groups > 1 else 0, tie) for i, tie in enumerate(ties)]
    drawn = sorted(people, key=lambda person: person.tie)[: math.ceil(strategy.share * len(people) - 1e-9)]
    sim = Simulation(strategy, work, conditions, failing, drawn, groups)
    sim.vacancies = [[] for _ in range(groups)]
    for person in drawn:
        wait(sim, person)
    decide(sim)
    limit = min(strategy.deadline, conditions.patience)
    while not sim.enough and can_go_on(sim) and next_thing(sim)[0] <= limit:
        step(sim)
    hopes = any(sim.vacancies[p.group] for p in sim.people if p.waits and p.seen == NEVER)
    waits = not sim.enough and (can_go_on(sim) or hopes)
    seconds = limit if waits and limit < NEVER else sim.learned
    missing = [person for person in sim.people if person.waits and sim.vacancies[person.group]]
    return Course(
        requests=[at_the_end(sim, life, seconds) for life in sim.lives],
        seconds=seconds,
        given_up=sim.given_up,
        enough=sim.enough,
        never_came=0 if sim.enough else len(missing),
    )


def next_of(sim: Simulation, life: Life) -> tuple[float, str]:
    """When something happens to a request, and what."""
    moments = {
        "declining": [(life.begun, "decline")],
        "working": [(life.computed, "compute"), (life.breaks_off, "break off")],
        "sending": [(life.ended, "arrive"), (life.breaks_off, "break off")],
    }
    things = list(moments.get(life.doing, []))
    if life.awaited and life.doing != "declining":
        things.append((life.begun + sim.conditions.timeout, "time out"))
    return min(things, default=(NEVER, ""), key=lambda thing: thing[0])


def next_check_in(sim: Simulation) -> float:
    """When a device checks in for which there is a vacancy."""
    return min((p.seen for p in sim.people if p.waits and sim.vacancies[p.group]), default=NEVER)


def next_thing(sim: Simulation) -> tuple[float, str, Life | None]:
    things: list[tuple[float, str, Life | None]] = [(*next_of(sim, life), life) for life in sim.lives]
    things.append((next_check_in(sim), "check in", None))
    return min(things, key=lambda thing: thing[0])


def can_go_on(sim: Simulation) -> bool:
    """Whether the collector waits for something that can happen."""
    attempts = sim.conditions.attempts
    for life in sim.lives:
        if next_of(sim, life)[0] < NEVER and (life.awaited or life.person.asked < attempts):
            return True
    return next_check_in(sim) < NEVER


def step(sim: Simulation) -> None:
    moment, what, life = next_thing(sim)
    sim.now = moment
    if life is None:
        decide(sim)
        return
    if what in ("arrive", "break off") and life.downloaded <= moment:
        life.person.has_extractor = True
    learns = {
        "decline": decline,
        "compute": compute,
        "arrive": arrive,
        "break off": break_off,
        "time out": time_out,
    }[what](sim, life)
    if learns:
        sim.learned = moment
        decide(sim)


def decline(sim: Simulation, life: Life) -> bool:
    life.doing, life.outcome, life.person.asked = "over", "unable", sim.conditions.attempts
    lose(sim, life)
    return True


def compute(sim: Simulation, life: Life) -> bool:
    size, own = int(sim.work.upload_bytes[life.person.place]), sim.work.upload_seconds[life.person.place]
    life.doing, life.receiving = "sending", max(sim.now, busy_until(sim.up))
    life.ended = life.receiving + max(own, size / sim.conditions.bytes_per_second)
    sim.up.append(Transfer(life.receiving, size / sim.conditions.bytes_per_second, life.breaks_off))
    if life.ended <= life.breaks_off:
        life.breaks_off = NEVER
    return False


def arrive(sim: Simulation, life: Life) -> bool:
    place, life.doing = life.person.place, "over"
    if not life.awaited:
        return come_back(sim, life)
    if int(sim.work.contributor[place]) in sim.failing:
        life.outcome, life.person.asked = "failed", sim.conditions.attempts
        lose(sim, life)
        return True
    life.outcome, life.awaited = "answered", False
    if life.twice:
        size = int(sim.work.upload_bytes[place])
        start = max(sim.now, busy_until(sim.up))
        sim.up.append(Transfer(start, size / sim.conditions.bytes_per_second, NEVER))
    return True


def break_off(sim: Simulation, life: Life) -> bool:
    if not life.awaited:
        life.doing = "over"
        return come_back(sim, life)
    if life.silent:
        life.doing, life.outcome = "silent", "silent"
        return False
    life.doing, life.outcome = "over", "dropped"
    lose(sim, life)
    return True


def time_out(sim: Simulation, life: Life) -> bool:
    if life.doing == "silent":
        life.doing = "over"
    else:
        life.outcome = "late"
    lose(sim, life)
    return True


def lose(sim: Simulation, life: Life) -> None:
    """The collector waits no longer; a device that goes on can be asked again when it is done."""
    life.awaited, person = False, life.person
    if person.asked >= sim.conditions.attempts:
        person.given_up = True
        sim.given_up.append(person.place)
    elif life.doing == "over":
        wait(sim, person)


def come_back(sim: Simulation, life: Life) -> bool:
    if life.person.given_up:
        return False
    wait(sim, life.person)
    return True


def wait(sim: Simulation, person: Person) -> None:
    person.waits, person.seen = True, available(sim, person)


def available(sim: Simulation, person: Person) -> float:
    return float(sim.conditions.available(np.array([person.place]), sim.now)[0])


def busy_until(transfers: list[Transfer]) -> float:
    return max(
        (min(transfer.start + transfer.seconds, transfer.leaves) for transfer in transfers), default=0.0
    )


def decide(sim: Simulation) -> None:
    progress = progress_of(sim)
    sim.enough = sim.strategy.enough(progress)
    if sim.enough:
        return
    chosen = []
    for group, wanted in enumerate(sim.strategy.ask(progress)):
        number = max(0, min(wanted, progress.waiting[group]))
        vacancies = sim.vacancies[group][:number]
        sim.vacancies[group] = vacancies + [sim.now] * (number - len(vacancies))
        chosen += present(sim, group, number)
    for person in chosen:
        ask(sim, person)


def progress_of(sim: Simulation) -> Progress:
    """Everything is counted anew."""
    groups, values = range(sim.groups), range(sim.work.labels.shape[1])
    answered = [life.person for life in sim.lives if life.outcome == "answered"]
    awaited = [life.person for life in sim.lives if life.awaited]
    examples, labels = sim.work.examples, sim.work.labels

    def each(people: list[Person]) -> list[int]:
        return [sum(person.group == group for person in people) for group in groups]

    return Progress(
        people=each(sim.people),
        pending=each(awaited),
        answered=each(answered),
        given_up=each([person for person in sim.people if person.given_up]),
        examples=[sum(int(examples[p.place]) for p in answered if p.group == group) for group in groups],
        labels=[sum(int(labels[p.place, value]) for p in answered) for value in values],
        seconds=sim.now,
    )


def present(sim: Simulation, group: int, number: int) -> list[Person]:
    """People whose devices are available now, at most ``number``, in the order in which they were last seen.

    Those who were seen earlier are looked up, at least 32 at once; whoever is available then has been seen now.
    """
    chosen: list[Person] = []
    while len(chosen) < number:
        queue = [p for p in sim.people if p.group == group and p.waits and p.seen <= sim.now]
        queue.sort(key=lambda person: (person.seen, person.tie))
        if not queue:
            break
        here = queue[:1]
        if queue[0].seen < sim.now:
            earlier = [person for person in queue if person.seen < sim.now]
            for person in earlier[: max(32, number - len(chosen))]:
                person.seen = available(sim, person)
            here = [person for person in earlier if person.seen == sim.now]
        here = here[: number - len(chosen)]
        for person in here:
            person.waits = False
        chosen += here
    return chosen


def ask(sim: Simulation, person: Person) -> None:
    place, work, now = person.place, sim.work, sim.now
    life = Life(person, person.asked, sim.vacancies[person.group].pop(0), now)
    sim.lives.append(life)
    number = (person.asked << 40) + int(work.contributor[place])
    draws = uniforms(sim.conditions.seed, number * 4 + np.arange(4), "clock", "chances").tolist()
    person.asked += 1
    if not work.able[place]:
        life.doing = "declining"
        return
    life.silent = draws[2] < sim.conditions.silent_share
    life.twice = draws[3] < sim.conditions.duplicate_rate
    life.downloads = not person.has_extractor
    link = work.download_bytes / sim.conditions.bytes_per_second
    life.sending = life.downloaded = now
    if life.downloads:
        life.sending = max(now, busy_until(sim.down))
        life.downloaded = life.sending + max(link, work.download_seconds[place])
    life.computed = life.downloaded + work.compute_seconds[place]
    if draws[0] < work.failure_rate[place]:
        life.breaks_off = now + draws[1] * (life.computed + work.upload_seconds[place] - now)
    if life.downloads:
        sim.down.append(Transfer(life.sending, link, life.breaks_off))


def at_the_end(sim: Simulation, life: Life, seconds: float) -> Request:
    """What of a request had happened by the end, and before its device broke off."""
    work, place, end = sim.work, life.person.place, min(seconds, life.breaks_off)

    def until(moment: float) -> float:
        return moment if moment <= end else math.nan

    def passed(start: float, stop: float, size: int) -> int:
        if not start <= end:
            return 0
        return size if stop <= end else int(size * (end - start) / (stop - start))

    return Request(
        place=place,
        attempt=life.attempt,
        wanted=life.wanted,
        begun=life.begun,
        sending=until(life.sending),
        downloaded=until(life.downloaded),
        computed=until(life.computed),
        receiving=until(life.receiving),
        ended=until(life.ended),
        stopped=life.breaks_off if life.breaks_off <= seconds else math.nan,
        outcome=life.outcome,
        down_bytes=passed(life.sending, life.downloaded, work.download_bytes) if life.downloads else 0,
        up_bytes=passed(life.receiving, life.ended, int(work.upload_bytes[place])),
        computing=min(life.computed, end) - life.downloaded if life.downloaded <= end else 0.0,
        twice=life.twice and life.outcome == "answered",
    )
