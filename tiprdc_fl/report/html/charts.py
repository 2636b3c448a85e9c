"""What a section's template draws: a picture and the legend of its signs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

from matplotlib.axes import Axes

from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import ShareFigure

_NAMES = {colour: name for name, colour in INKS.items()}


@dataclass(frozen=True)
class Entry:
    """A line of a legend.

    Attributes:
        text: what the sign stands for.
        colour: a value of INKS.
        marker: as matplotlib names it; ":" and ". ." are dotted upright lines.
        hollow: the sign is an outline.
    """

    text: str
    colour: str
    marker: str
    hollow: bool = False

    @property
    def ink(self) -> str:
        """Name of the colour in the style sheet, such as "c1"."""
        return _NAMES[self.colour]


@dataclass(frozen=True)
class Chart:
    """A picture.

    Attributes:
        height: in the picture's units.
        paint: draws into the axes.
        legend: of its signs.
    """

    height: float
    paint: Callable[[Axes], None]
    legend: Sequence[Entry] = ()


def in_percent(figure: ShareFigure) -> tuple[float, float, float]:
    """Low end, value and high end of a share in %; NaN where it is not defined."""
    low, value, high = (
        nan if part is None else 100 * part for part in (figure.low, figure.value, figure.high)
    )
    return low, value, high
