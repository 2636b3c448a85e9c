"""What a strategy is: the answers to two questions that the collector has whenever it learns something.

How many more contributors are to be asked now, and is it enough? A strategy answers from counts alone. It knows
neither Flower nor clocks nor devices, so that any program that keeps the counts can follow it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The configuration's keys ``strategy.*`` of which each strategy reads some.

    Attributes:
        fraction: share of the contributors to ask.
        target: number of contributors whose answers are wanted.
        factor: multiple of ``target`` to ask.
        deadline: seconds after which no answer counts.
        quota: number of examples wanted of each group.
        per: "label" or "device": a group is a value of a task, or a device class.
        window: number of contributors who are asked at a time.
    """

    fraction: float = 0.1
    target: int = 500
    factor: float = 1.3
    deadline: float = 3600.0
    quota: int = 1000
    per: str = "label"
    window: int = 100


@dataclass
class Progress:
    """What the collector knows at one moment. Lists have a number for each group of contributors.

    The groups are the device classes for a strategy that tells them apart; else all contributors are one group.

    Attributes:
        people: all contributors.
        pending: contributors who were asked and have neither answered nor been lost.
        answered: contributors whose answers count.
        given_up: contributors who were asked in vain as often as allowed.
        examples: examples in the answers.
        labels: examples in the answers with each value of each task; empty if they are not counted.
        seconds: since the beginning of the collection.
    """

    people: Sequence[int]
    pending: list[int]
    answered: list[int]
    given_up: list[int]
    examples: list[int]
    labels: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def waiting(self) -> list[int]:
        """Contributors who can still be asked: for the first time, or again after a loss."""
        columns = zip(self.people, self.pending, self.answered, self.given_up, strict=True)
        return [people - pending - answered - gone for people, pending, answered, gone in columns]


@dataclass(frozen=True)
class Strategy:
    """Which contributors are asked, when, and when it is enough.

    Attributes:
        ask: number of contributors to ask now, for each group. A number above ``waiting`` means all of them, a
            negative number means none.
        enough: whether the collection is over. It also ends when no answer is pending and ``ask`` wants none.
        by_device: whether each device class is a group.
        share: share of the contributors, drawn at random, who can be asked at all.
        deadline: seconds after which the collection is over in any case.
    """

    ask: Callable[[Progress], Sequence[int]]
    enough: Callable[[Progress], bool]
    by_device: bool = False
    share: float = 1.0
    deadline: float = math.inf

    @property
    def needs_devices(self) -> bool:
        """Whether the strategy means nothing without modelled devices: it groups by them, or ends by time."""
        return self.by_device or self.deadline < math.inf


def never(progress: Progress) -> bool:
    """Never enough: the collection ends when no contributor is left to ask."""
    return False


@dataclass(frozen=True)
class Supply:
    """What the contributors have, for checks before a run.

    Attributes:
        contributors: their number.
        examples: counts the examples with each value of a task, such as "Smiling=1".
    """

    contributors: int
    examples: Callable[[], Mapping[str, int]]


@dataclass(frozen=True)
class StrategyRecord:
    """All that the project knows of a strategy.

    Attributes:
        label: the strategy in a few words.
        make: the settings -> the strategy.
        reads: keys of the configuration that ``make`` and ``check`` read, such as "strategy.target".
        check: the settings and what the contributors have -> why the strategy cannot reach its end, None if it can.
    """

    label: str
    make: Callable[[Settings], Strategy]
    reads: tuple[str, ...] = ()
    check: Callable[[Settings, Supply], str | None] = lambda settings, supply: None


def enough_contributors(settings: Settings, supply: Supply) -> str | None:
    """A check: ``target`` is at most the number of contributors."""
    if settings.target <= supply.contributors:
        return None
    return (
        f"strategy.target={settings.target}: there are {supply.contributors} contributors; "
        "lower it, or raise clients"
    )
