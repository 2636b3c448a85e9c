"""What a strategy is: two questions that the collector asks itself whenever something has happened.

How many more contributors are to be asked now, and is it enough? A strategy answers from counts alone. It knows
nothing of Flower, of clocks or of devices, so whoever keeps the counts can follow it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """The configuration's keys ``strategy.*`` that decide; a strategy reads those that concern it.

    Attributes:
        fraction: share of the contributors that is asked.
        target: contributors wanted.
        factor: how many times ``target`` are asked.
        deadline: seconds after which nobody's answer counts.
        quota: examples wanted of each group.
        per: "label" or "device": what a group is.
        window: contributors under way at a time.
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

    Groups are the device classes for a strategy that tells them apart, else all contributors are one.

    Attributes:
        people: contributors.
        pending: asked, and neither answered nor lost so far.
        answered: whose answer was taken.
        given_up: asked as often as allowed, in vain.
        examples: that came with the answers.
        labels: examples that came, for each value of each task; empty where nobody counts them.
        seconds: since the first request.
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
        """Who could still be asked: nobody asked them yet, or they were lost and may be asked again."""
        columns = zip(self.people, self.pending, self.answered, self.given_up, strict=True)
        return [people - pending - answered - gone for people, pending, answered, gone in columns]

    @property
    def settled(self) -> int:
        """How many have answered or were given up."""
        return sum(self.answered) + sum(self.given_up)


@dataclass(frozen=True)
class Strategy:
    """Who is asked when, and what counts as enough.

    Attributes:
        ask: how many more to ask now of each group. More than are waiting means all of them, below 0 means nobody.
        enough: whether the collection is over. It also ends when nobody is pending and ``ask`` wants nobody.
        by_device: whether each device class is a group.
        share: of the contributors that is drawn at random beforehand; the others are never asked.
        deadline: seconds after which it is over, come what may.
    """

    ask: Callable[[Progress], Sequence[int]]
    enough: Callable[[Progress], bool]
    by_device: bool = False
    share: float = 1.0
    deadline: float = math.inf


def never(progress: Progress) -> bool:
    """Not enough: the collection ends when nobody is left to be asked."""
    return False
