"""Whether figures of simulations in which nothing leaks are as they should be."""

from dataclasses import dataclass

import numpy as np

CHANCE = 0.5
BIAS = 0.005  # asked of the mean figure, at most
COVERAGE = (0.93, 0.97)  # asked of the 95 % intervals
ERRORS = 1.96  # standard errors of the simulations that are allowed on top


@dataclass(frozen=True)
class Verdict:
    """What the simulations say of a kind of figure; shares of 1, with standard errors.

    Attributes:
        label: of the kind.
        runs: simulations in which the figure is defined.
        mean: of the figures.
        mean_error: of it.
        coverage: share of the 95 % intervals that hold CHANCE.
        coverage_error: of it, at the coverage asked for.
    """

    label: str
    runs: int
    mean: float
    mean_error: float
    coverage: float
    coverage_error: float

    @property
    def unbiased(self) -> bool:
        """Whether the mean is as asked, within the simulations' error."""
        return abs(self.mean - CHANCE) <= BIAS + ERRORS * self.mean_error

    @property
    def covers(self) -> bool:
        """Whether the coverage is as asked, within the simulations' error."""
        allowed = ERRORS * self.coverage_error
        return COVERAGE[0] - allowed <= self.coverage <= COVERAGE[1] + allowed


def verdict_of(label: str, figures: np.ndarray) -> Verdict:
    """The verdict on figures with their intervals.

    Args:
        label: of the kind.
        figures: value, low and high of each simulation, float [runs, 3].
    """
    values, low, high = figures.T
    covered = (low <= CHANCE) & (high >= CHANCE)
    asked = float(np.mean(COVERAGE))
    return Verdict(
        label=label,
        runs=len(values),
        mean=float(values.mean()),
        mean_error=float(values.std(ddof=1) / np.sqrt(len(values))),
        coverage=float(covered.mean()),
        coverage_error=float(np.sqrt(asked * (1 - asked) / len(values))),
    )
