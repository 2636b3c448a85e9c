"""Pictures of what can be inferred from the features, and from the controls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from matplotlib.axes import Axes

from tiprdc_fl.report.html.attributes import Attribute, marks_of
from tiprdc_fl.report.html.charts import Chart, Entry, in_percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import ShareFigure
from tiprdc_fl.report.words import TITLES, shortened, title_of

PER_PERSON = {  # representations of which a guess a person is drawn, with the name of its row
    "features": "sent, per person",
    "metadata": "floor, per person",
    "features+metadata": "both, per person",
}


@dataclass(frozen=True)
class Point:
    """A representation between leakage and utility; hollow: a person's examples are pooled."""

    name: str
    leakage: ShareFigure
    utility: ShareFigure
    colour: str
    marker: str
    hollow: bool = False


def pairs(attributes: Sequence[Attribute]) -> list[tuple[Attribute, Attribute]]:
    """Every private attribute with every task."""
    private, tasks = (
        [attribute for attribute in attributes if attribute.role == role] for role in ("private", "task")
    )
    return list(product(private, tasks))


def points(private: Attribute, task: Attribute) -> list[Point]:
    """The representations for which both figures are defined."""
    defined = []
    for kind, (colour, marker) in marks_of(private.strongest).items():
        if kind in task.strongest:
            leakage, utility = (attribute.strongest[kind].balanced_accuracy for attribute in (private, task))
            defined.append(Point(title_of(kind), leakage, utility, colour, marker))
            if kind == "features" and private.pooled:
                name = "sent features, per person"
                defined.append(Point(name, private.pooled.per_person, utility, colour, marker, hollow=True))
    return defined


def tradeoff(private: Attribute, task: Attribute, points: Sequence[Point]) -> Chart:
    """The utility of a task against the leakage of a private attribute."""

    def paint(axes: Axes) -> None:
        axes.axvline(private.chance, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        axes.axhline(task.chance, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        if private.floor is not None:
            floor = in_percent(private.floor.balanced_accuracy)[1]
            axes.axvline(floor, color=INKS["c6"], linestyle=(0, (1, 4)), linewidth=1.3)
        for point in points:
            _cross(axes, point)
        axes.margins(0.08)
        axes.text(0, 1.02, "\u2196 better", transform=axes.transAxes, color=INKS["quiet"])
        axes.set_xlabel(f"leakage of {shortened(private.name)} in %")
        axes.set_ylabel(f"utility of {shortened(task.name)} in %")

    legend = [Entry(point.name, point.colour, point.marker, point.hollow) for point in points]
    floor = [] if private.floor is None else [Entry("label floor of the leakage", INKS["c6"], ". .")]
    return Chart(270, paint, legend + floor)


def _cross(axes: Axes, point: Point) -> None:
    """A point with an interval in both directions."""
    left, across, right = in_percent(point.leakage)
    lower, up, upper = in_percent(point.utility)
    axes.plot([left, right], [up, up], color=point.colour, linewidth=1.4)
    axes.plot([across, across], [lower, upper], color=point.colour, linewidth=1.4)
    axes.plot(
        across,
        up,
        point.marker,
        color=point.colour,
        markerfacecolor=INKS["card"] if point.hollow else point.colour,
        markeredgewidth=1.6,
        markersize=9,
        zorder=5,
    )


def bars(attribute: Attribute) -> Chart:
    """Bars from chance to the strongest probe of each representation; hollow: of one guess a person."""
    rows = list(_bar_rows(attribute))
    start = attribute.chance
    return Chart(
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "balanced accuracy in %", start=start, line=start),
    )


def _bar_rows(attribute: Attribute) -> Iterator[Row]:
    for kind, (colour, marker) in marks_of(attribute.strongest).items():
        best = attribute.strongest[kind]
        yield row_of(title_of(kind), best.balanced_accuracy, colour=colour, marker=marker)
        name = PER_PERSON.get(kind) if kind in TITLES else f"{title_of(kind)}, per person"
        if name is not None and kind in attribute.of_people:
            figure = attribute.of_people[kind].per_person
            yield row_of(name, figure, colour=colour, marker=marker, hollow=True)
