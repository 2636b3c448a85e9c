"""Whether two figures differ by more than their intervals say by chance."""

from dataclasses import dataclass
from math import hypot
from typing import Protocol

from tiprdc_fl.report.schema import Interval

RULE = (
    "Where two runs measured the same rows of the same holdout people, their difference is paired: its interval "
    "is over people, and what the same people move in both figures falls out. Else the difference is of "
    "independent samples: it is set against the root of the sum of the squares of the two intervals' half-widths, "
    "which is wider. Each run is one seed: the variance of training is not in the interval, and only other seeds "
    "tell whether they give the same. Of twenty figures that do not differ at all, about one exceeds its interval."
)


class Limits(Protocol):
    """What has limits."""

    @property
    def value(self) -> float | None:
        """The figure."""
        ...

    @property
    def low(self) -> float | None:
        """Lower limit."""
        ...

    @property
    def high(self) -> float | None:
        """Upper limit."""
        ...


@dataclass(frozen=True)
class Difference:
    """A figure less another.

    Attributes:
        value: the difference; None where one of them is not defined.
        low, high: limits of its interval.
        paired: whether the interval is over the same people; else it is as if the two were independent.
    """

    value: float | None
    low: float = 0.0
    high: float = 0.0
    paired: bool = False

    @property
    def width(self) -> float:
        """Half the length of the interval."""
        return (self.high - self.low) / 2

    @property
    def exceeds(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.value is not None and not self.low <= 0 <= self.high


def difference(
    figure: Interval[float] | None, reference: Interval[float] | None, paired: Limits | None = None
) -> Difference:
    """A figure less a reference; None: there is no such figure.

    Args:
        figure: of one run.
        reference: of another.
        paired: their difference with its interval over the same people; None: they are of independent samples.
    """
    if figure is None or reference is None or figure.value is None or reference.value is None:
        return Difference(None)
    value = figure.value - reference.value
    if paired is not None and paired.low is not None and paired.high is not None:
        return Difference(value, paired.low, paired.high, paired=True)
    width = hypot(_half_width(figure), _half_width(reference))
    return Difference(value, value - width, value + width)


def _half_width(figure: Interval[float]) -> float:
    return 0.0 if figure.low is None or figure.high is None else (figure.high - figure.low) / 2


def in_words(apart: Difference) -> str:
    """Points of a share, such as "-3.0 ±9.8, within": whether the difference exceeds its intervals."""
    if apart.value is None:
        return "n/a"
    word = "exceeds" if apart.exceeds else "within"
    kind = " paired" if apart.paired else ""
    return f"{100 * apart.value:+.1f} ±{100 * apart.width:.1f}{kind}, {word}"
