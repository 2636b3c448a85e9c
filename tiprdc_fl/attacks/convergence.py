"""Whether a training has converged: the last doubling of its steps has hardly lowered the error."""

import math
from dataclasses import dataclass, field

FIRST_CHECK = 32  # steps
FACTOR = math.sqrt(2)  # between the steps of two checks: two checks a doubling


def checks(steps: int) -> tuple[int, ...]:
    """Steps after which a training is validated: FIRST_CHECK, then FACTOR times as many, and the last.

    Args:
        steps: upper bound of the training.
    """
    spaced, step = [], float(FIRST_CHECK)
    while step < steps:
        spaced.append(math.floor(step))
        step *= FACTOR
    return (*spaced, steps)


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        steps: number of steps that it took.
        last_doubling: share of the least error by which the last doubling of the steps lowered it, in [0, 1]; None
            where there were too few to tell.
        converged: whether more steps would bring next to nothing.
    """

    steps: int
    last_doubling: float | None
    converged: bool


@dataclass
class Course:
    """Errors of a training at its checks.

    Attributes:
        tolerance: a training has converged when the last doubling of its steps lowered the least error by a smaller
            share than this.
        fewest: steps before which a training does not count as converged.
        errors: steps -> validation error, at least 0, in ascending order of steps.
    """

    tolerance: float
    fewest: int
    errors: dict[int, float] = field(default_factory=dict)

    def add(self, step: int, error: float) -> bool:
        """Notes the error after a number of steps; returns whether none was lower before."""
        least = min(self.errors.values(), default=math.inf)
        self.errors[step] = error
        return error <= least

    @property
    def steps(self) -> int:
        """Number of steps so far."""
        return max(self.errors, default=0)

    @property
    def last_doubling(self) -> float | None:
        """As in ``Outcome``: None before there is a check at half of the steps or earlier."""
        before = [error for step, error in self.errors.items() if 2 * step <= self.steps]
        if not self.steps or not before:
            return None
        least = min(before)
        return 1 - min(self.errors.values()) / least if least > 0 else 0.0

    @property
    def converged(self) -> bool:
        """Whether the last doubling of enough steps lowered the error by less than the tolerance."""
        last = self.last_doubling
        return self.steps >= self.fewest and last is not None and last < self.tolerance

    @property
    def outcome(self) -> Outcome:
        """How the training ended."""
        return Outcome(self.steps, self.last_doubling, self.converged)
