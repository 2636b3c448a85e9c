"""Whether two figures differ by more than their intervals say by chance."""

from dataclasses import dataclass
from math import hypot

from tiprdc_fl.report.schema import Interval

RULE = (
    "A difference is set against the root of the sum of the squares of the two intervals' half-widths: the "
    "intervals are treated as independent. Figures measured on the same people move together, so that this "
    "errs on the careful side: what exceeds its intervals is hardly chance, what does not may still be there. "
    "Intervals hold the choice of the people measured, not that of the training: whether another seed gives the "
    "same, only another seed tells. Of twenty figures that do not differ at all, up to one exceeds its interval."
)


@dataclass(frozen=True)
class Difference:
    """A figure less another.

    Attributes:
        value: the difference; None where one of them is not defined.
        width: half-width of its interval, as if the two were independent.
    """

    value: float | None
    width: float

    @property
    def exceeds(self) -> bool:
        """Whether the interval around the difference leaves 0 out."""
        return self.value is not None and abs(self.value) > self.width


def difference(figure: Interval[float] | None, reference: Interval[float] | None) -> Difference:
    """A figure less a reference; None: there is no such figure."""
    if figure is None or reference is None or figure.value is None or reference.value is None:
        return Difference(None, 0.0)
    return Difference(figure.value - reference.value, hypot(_half_width(figure), _half_width(reference)))


def _half_width(figure: Interval[float]) -> float:
    return 0.0 if figure.low is None or figure.high is None else (figure.high - figure.low) / 2


def in_words(apart: Difference) -> str:
    """Points of a share, such as "-3.0 ±9.8, within": whether the difference exceeds its intervals."""
    if apart.value is None:
        return "n/a"
    word = "exceeds" if apart.exceeds else "within"
    return f"{100 * apart.value:+.1f} ±{100 * apart.width:.1f}, {word}"
