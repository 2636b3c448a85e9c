"""Pictures of adversaries that know more: labels of more people, or who sent which contribution."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from tiprdc_fl.report.html.attributes import marks_of
from tiprdc_fl.report.html.charts import Chart, Entry, in_percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS, log_counts
from tiprdc_fl.report.queries import highest
from tiprdc_fl.report.schema import CurvePoint, ReidentificationResult, ShareFigure
from tiprdc_fl.report.words import title_of


@dataclass(frozen=True)
class Line:
    """The strongest insider's figure by the number of people whose labels it has.

    Attributes:
        name: what is measured.
        colour: a value of INKS. marker: as matplotlib names it.
        points: (people, figure), ascending.
    """

    name: str
    colour: str
    marker: str
    points: Sequence[tuple[int, ShareFigure]]


def lines(rows: Sequence[CurvePoint]) -> list[Line]:
    """The figures of one attribute from one example and pooled, as far as they are defined."""
    both = [
        Line("one example", INKS["c2"], "o", _highest(rows, "balanced_accuracy")),
        Line("a person's pooled", INKS["c1"], "s", _highest(rows, "per_person")),
    ]
    return [line for line in both if line.points]


def _highest(rows: Sequence[CurvePoint], name: str) -> list[tuple[int, ShareFigure]]:
    """The highest figure at each number of people, where it is defined."""
    counts = sorted({row.people for row in rows})
    best = {count: highest((row for row in rows if row.people == count), name) for count in counts}
    return [(count, getattr(row, name)) for count, row in best.items() if row is not None]


def chart(lines: Sequence[Line], chance: float) -> Chart:
    """Leakage by the number of people whose labels the insider has; ``chance`` in %."""
    people = [count for line in lines for count, _ in line.points]

    def paint(axes: Axes) -> None:
        for line in lines:
            counts = [count for count, _ in line.points]
            low, value, high = zip(*(in_percent(figure) for _, figure in line.points), strict=True)
            axes.fill_between(counts, low, high, color=line.colour, alpha=0.15, linewidth=0)
            axes.plot(counts, value, color=line.colour, marker=line.marker)
        axes.axhline(chance, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        log_counts(axes, min(people), max(people))
        axes.set_xlabel("people whose labels the insider has")
        axes.set_ylabel("balanced accuracy in %")

    return Chart(230, paint, [Entry(line.name, line.colour, line.marker) for line in lines])


def same_person(rows: Sequence[ReidentificationResult]) -> Chart:
    """ROC-AUC of telling whether two contributions, or two examples, are one person's."""
    drawn, shown = [], marks_of(row.representation for row in rows)
    for unit, heading in {"contribution": "whole contributions", "example": "single examples"}.items():
        of_unit = [row for row in rows if row.unit == unit]
        if of_unit:
            drawn.append(Row(heading, heading=True))
        for row in of_unit:
            colour, marker = shown[row.representation]
            drawn.append(row_of(title_of(row.representation), row.roc_auc, colour=colour, marker=marker))
    return Chart(height_of(drawn), lambda axes: paint_rows(axes, drawn, "ROC-AUC in %", start=50, line=50))
