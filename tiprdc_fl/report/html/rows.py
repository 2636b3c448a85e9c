"""Pictures of rows: a name, a point with its interval, its value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from tiprdc_fl.report.html.charts import in_percent
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import ShareFigure
from tiprdc_fl.report.words import shortened

ROW, FOOT = 25.0, 42.0  # heights of a row and of the axis beneath


@dataclass(frozen=True)
class Row:
    """A row of a picture.

    Attributes:
        label: its name.
        value: where its point is; None: there is none.
        low, high: its interval; None: there is none.
        colour: a stand-in of INKS. marker: as matplotlib names it. hollow: the point is an outline.
        others: further points, small.
        band: a grey range behind the point; None: there is none.
        text: stands at the right; None: the value.
        heading: the label stands above the rows that follow.
    """

    label: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    colour: str = INKS["c1"]
    marker: str = "o"
    hollow: bool = False
    others: Sequence[float] = ()
    band: tuple[float, float] | None = None
    text: str | None = None
    heading: bool = False


def row_of(label: str, figure: ShareFigure, **looks: Any) -> Row:
    """A row in % from a share with its interval; ``looks`` are fields of Row."""
    if figure.value is None:
        return Row(label, text="n/a", **looks)
    low, value, high = in_percent(figure)
    return Row(label, value, low, high, **looks)


def height_of(rows: Sequence[Row]) -> float:
    """Units that a picture of so many rows takes."""
    return ROW * len(rows) + FOOT


def paint_rows(
    axes: Axes,
    rows: Sequence[Row],
    name: str,
    start: float | None = None,
    line: float | None = None,
    limits: tuple[float, float] | None = None,
    pale: float | None = None,
) -> None:
    """Draws rows from above to below.

    Args:
        axes: where.
        rows: what.
        name: of the horizontal axis.
        start: where pale bars begin; None: no bars.
        line: where a dotted line stands, such as at chance; None: there is none.
        limits: of the horizontal axis; None: as the points need it, within 0 and 100.
        pale: where a second, paler dotted line stands; None: there is none.
    """
    for place, row in enumerate(rows):
        _paint(axes, row, place, start)
    if line is not None:
        axes.axvline(line, color=INKS["quiet"], linestyle=":", linewidth=1.3, zorder=1)
    if pale is not None:
        axes.axvline(pale, color=INKS["c6"], linestyle=(0, (1, 4)), linewidth=1.3, zorder=1)
    plain_rows(axes, [row.label for row in rows])
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.heading else "normal")
    shown = [place for place in (start, line, pale) if place is not None]
    left, right = limits or _limits(rows, shown)
    axes.set_xlim(left, right)
    axes.set_xlabel(name)


def plain_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names the rows of a picture from above to below, without lines between them."""
    axes.set_yticks(range(len(names)), [shortened(name) for name in names])
    axes.tick_params(axis="y", labelcolor=INKS["ink"])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _paint(axes: Axes, row: Row, place: int, start: float | None) -> None:
    """One row: grey range, pale bar, small points, interval, point, value."""
    text = row.text
    if row.band is not None:
        low, high = row.band
        axes.barh(place, high - low, left=low, height=0.56, color=INKS["quiet"], alpha=0.2)
    if row.value is not None:
        if start is not None:
            axes.barh(place, row.value - start, left=start, height=0.56, color=row.colour, alpha=0.22)
        axes.plot(row.others, [place] * len(row.others), "|", color=row.colour, markersize=7, alpha=0.75)
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color=row.colour, solid_capstyle="butt")
        inside = INKS["card"] if row.hollow else row.colour
        axes.plot(row.value, place, row.marker, color=row.colour, markerfacecolor=inside, markeredgewidth=1.5)
        text = f"{row.value:.1f}" if text is None else text
    if text:
        across = axes.get_yaxis_transform()
        axes.text(1.02, place, text, transform=across, va="center", ha="left", color=INKS["ink"])


def _limits(rows: Sequence[Row], also: Sequence[float]) -> tuple[float, float]:
    """Limits of the axis that hold every point and interval, and what else is drawn."""
    places = [
        place for row in rows for place in (row.value, row.low, row.high, *row.others, *(row.band or ()))
    ]
    known = [place for place in places if place is not None]
    low, high = min([*known, *also], default=0.0), max([*known, *also], default=100.0)
    edge = 0.06 * max(high - low, 10.0)
    return max(-2.0, low - edge), min(102.0, high + edge)
