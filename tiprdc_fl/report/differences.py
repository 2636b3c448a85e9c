"""Whether two figures differ by more than their intervals say by chance."""

from dataclasses import dataclass
from math import hypot
from typing import Any

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


def difference(figure: dict[str, Any] | None, reference: dict[str, Any] | None) -> Difference:
    """A figure less a reference, both with "value", "low" and "high"; None: there is no such figure."""
    if not figure or not reference or figure["value"] is None or reference["value"] is None:
        return Difference(None, 0.0)
    halves = [(one["high"] - one["low"]) / 2 for one in (figure, reference)]
    return Difference(figure["value"] - reference["value"], hypot(*halves))


def in_words(found: Difference) -> str:
    """Points of a share, such as "-3.0 +-9.8, within": whether it exceeds its intervals."""
    if found.value is None:
        return "n/a"
    word = "exceeds" if found.exceeds else "within"
    return f"{100 * found.value:+.1f} ±{100 * found.width:.1f}, {word}"
