"""How studies are drawn: points with intervals, the paper's figures hollow beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from simulations.common.figures import Span
from tiprdc_fl.report.drawing import LIGHT, MARKERS, SERIES, styled

COLOURS = tuple(LIGHT[name] for name in SERIES)
QUIET, INK = LIGHT["quiet"], LIGHT["ink"]
TEXT = 12
DPI = 100
CHANCE = 50


@dataclass(frozen=True)
class Series:
    """Figures of one attribute or method, one a category.

    Attributes:
        label: in the legend.
        spans: shares of 1.
        paper: the paper's shares, or None where it has none.
        paper_label: of these in the legend; "" for the label and whose it is.
    """

    label: str
    spans: Sequence[Span]
    paper: Sequence[float | None] = ()
    paper_label: str = ""


def save_picture(path: Path, size: tuple[float, float], title: str, draw: Callable[[Figure], None]) -> None:
    """Draws a PNG file, whole or not at all, on a figure of its own: nothing of a session's pyplot is touched.

    Args:
        path: of the file.
        size: width and height in inches, of DPI pixels each.
        title: above everything.
        draw: fills the figure.
    """
    from tiprdc_fl.disk import write_whole  # late: it imports torch, which --help needs not

    with styled(LIGHT, TEXT):
        figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=14)
        draw(figure)
        for axes in figure.axes:
            _number_plainly(axes.xaxis)
            _number_plainly(axes.yaxis)
        write_whole(path, lambda file: figure.savefig(file, format="png"))


def _number_plainly(axis: Axis) -> None:
    """Marks a logarithmic axis with plain numbers: powers would need markup, which users' names must not."""
    if axis.get_scale() == "log":
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axis.set_minor_formatter(LogFormatter())


def draw_series(
    axes: Axes,
    categories: Sequence[str],
    series: Sequence[Series],
    connect: bool,
    name: str,
) -> None:
    """Points with intervals over categories, in %, with the line of chance.

    Args:
        axes: where.
        categories: along the horizontal axis.
        series: each with a figure a category, side by side.
        connect: whether a line joins a series; for ordered categories.
        name: of the horizontal axis.
    """
    step = 0.5 / max(1, len(series)) if not connect else 0.06
    for number, line in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * step
        places = [position + shift for position in range(len(categories))]
        points(axes, places, line, number, "-" if connect else "")
    axes.axhline(CHANCE, color=QUIET, linestyle=":", linewidth=1)
    axes.set_xticks(range(len(categories)), list(categories))
    axes.set_xlim(-0.5, len(categories) - 0.5)
    label(axes, name, "balanced accuracy in %")


def points(axes: Axes, places: Sequence[float], series: Series, number: int, line: str) -> None:
    """One series with its intervals, and the paper's figures as hollow points."""
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    known = [(x, s) for x, s in zip(places, series.spans, strict=True) if s.value is not None]
    if known:
        error_bars(axes, [x for x, _ in known], [s for _, s in known], colour, marker, line, series.label)
    paper = [(x, 100 * p) for x, p in zip(places, series.paper, strict=False) if p is not None]
    if paper:
        axes.plot(
            [x for x, _ in paper],
            [share for _, share in paper],
            color=colour,
            marker=marker,
            linestyle="--" if line else "",
            markerfacecolor="none",
            markersize=10,
            label=series.paper_label or f"{series.label}, the paper's plain accuracy",
        )


def error_bars(
    axes: Axes, places: Sequence[float], spans: Sequence[Span], colour: str, marker: str, line: str, name: str
) -> None:
    """Points in % with vertical intervals."""
    values = [100 * float(s.value or 0) for s in spans]
    axes.errorbar(
        places,
        values,
        yerr=[below(spans), above(spans)],
        color=colour,
        marker=marker,
        linestyle=line,
        markersize=8,
        capsize=4,
        label=name,
    )


def below(spans: Sequence[Span]) -> list[float]:
    """Lengths in % of the intervals' lower halves; 0 where there is none."""
    return [max(0.0, 100 * (float(s.value or 0) - s.low)) if s.low is not None else 0.0 for s in spans]


def above(spans: Sequence[Span]) -> list[float]:
    """Lengths in % of the intervals' upper halves; 0 where there is none."""
    return [max(0.0, 100 * (s.high - float(s.value or 0))) if s.high is not None else 0.0 for s in spans]


def label(axes: Axes, horizontal: str, vertical: str) -> None:
    """Names of the axes."""
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)


def shared_legend(figure: Figure) -> None:
    """One legend beneath all axes, each label once."""
    legends = [axes.get_legend_handles_labels() for axes in figure.axes]
    entries = {
        text: handle for handles, labels in legends for handle, text in zip(handles, labels, strict=True)
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        ncols=2,
        fontsize=TEXT - 1,
        loc="outside lower center",
        frameon=False,
    )


def spread(
    places: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    """Where labels of points stand so that few overlap, greedily.

    Args:
        places: the points, in pixels.
        sizes: width and height of each label, in pixels.

    Returns:
        lower left corner of each label, in pixels from its point.
    """
    taken = [(x - 12, y - 12, x + 12, y + 12) for x, y in places]
    chosen = []
    for (x, y), (width, height) in zip(places, sizes, strict=True):
        options = list(_around(width, height))
        boxes = [(x + dx, y + dy, x + dx + width, y + dy + height) for dx, dy in options]
        cover = [sum(_overlap(box, other) for other in taken) for box in boxes]
        nearest = cover.index(min(cover))
        taken.append(boxes[nearest])
        chosen.append(options[nearest])
    return chosen


def _around(width: float, height: float) -> Sequence[tuple[float, float]]:
    """Offsets around a point: near ones first, then further away."""
    near = [
        *((15.0, -height / 2 + lift) for lift in (11.0, -11.0, 20.0, -20.0)),
        *((-15.0 - width, -height / 2 + lift) for lift in (11.0, -11.0, 20.0, -20.0)),
        (-width / 2, 13.0),
        (-width / 2, -13.0 - height),
    ]
    return [*near, *((3 * dx, 3 * dy) for dx, dy in near)]


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)
