"""What a measurement of speed comes to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One figure beside what it is to be compared with, both taken in the same run.

    Attributes:
        part: of the simulator: "training", ...
        what: was measured, with the sizes that matter.
        value: the figure.
        unit: of value and baseline: "images/s", "ms", "rows", "" for numbers without one.
        against: what the baseline is.
        baseline: its figure, not 0. Where both were timed in turns, it is the value over the median of the turns'
            ratios, so that ``ratio`` is that median: a machine that slows down for a while slows both down.
        goal: the ratio aimed at; None where there is none.
        at_most: whether the ratio is to be no higher than the goal; else no lower.
    """

    part: str
    what: str
    value: float
    unit: str
    against: str
    baseline: float
    goal: float | None
    at_most: bool = False

    @property
    def ratio(self) -> float:
        """Value over baseline."""
        return self.value / self.baseline

    @property
    def met(self) -> bool | None:
        """Whether the ratio is what was aimed at; None where nothing was."""
        if self.goal is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal
