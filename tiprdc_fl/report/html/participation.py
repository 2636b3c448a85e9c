"""Pictures of participation: by device class, by attribute, and over virtual time."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from strategies import unread
from tiprdc_fl.report.html.charts import Chart
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import DeviceParticipation, Moment, StrategyFigures, ValueParticipation
from tiprdc_fl.report.words import clock

MOST_ROWS = 25  # of the table over time


def percent_of(part: int, whole: int) -> float:
    """A part of a whole in %, 0 of nothing."""
    return 100 * part / max(1, whole)


def rate(groups: Sequence[DeviceParticipation | ValueParticipation], whole: str) -> float:
    """Share of all groups together that answered, in %; ``whole`` names the count of a group."""
    return percent_of(sum(group.answered for group in groups), sum(getattr(group, whole) for group in groups))


def devices(groups: Sequence[DeviceParticipation]) -> Chart:
    """Share of each device class that answered; a stroke where it was asked."""
    rows = [
        Row(
            group.group,
            percent_of(group.answered, group.contributors),
            others=(percent_of(group.asked, group.contributors),),
        )
        for group in groups
    ]
    return _rates(rows, "contributors who answered, in %", rate(groups, "contributors"))


def values(groups: dict[str, Sequence[ValueParticipation]]) -> Chart:
    """Share of the examples with each value of each attribute that was collected."""
    everybody = max((rate(group, "examples") for group in groups.values()), default=0.0)
    return _rates(list(_value_rows(groups)), "examples collected, in %", everybody)


def _rates(rows: Sequence[Row], name: str, everybody: float) -> Chart:
    return Chart(
        height_of(rows),
        lambda axes: paint_rows(axes, rows, name, start=0, line=everybody, limits=(-2, 103)),
    )


def _value_rows(groups: dict[str, Sequence[ValueParticipation]]) -> Iterator[Row]:
    for attribute, of_attribute in groups.items():
        yield Row(attribute, heading=True)
        for group in of_attribute:
            share = percent_of(group.answered, group.examples)
            yield Row(group.group, share, colour=INKS["c3"], marker="s")


def timeline(strategy: StrategyFigures) -> Chart:
    """Answers by modelled time."""
    moments, total = strategy.timeline, strategy.outcome.contributors
    unit, name = clock(max(moments[-1].seconds, strategy.modelled.seconds))

    def paint(axes: Axes) -> None:
        times = [0.0, *(moment.seconds / unit for moment in moments)]
        answered = [0, *(moment.answered for moment in moments)]
        axes.fill_between(times, answered, color=INKS["c1"], alpha=0.18, step="post", linewidth=0)
        axes.plot(times, answered, color=INKS["c1"], drawstyle="steps-post")
        axes.plot(times[-1], answered[-1], "o", color=INKS["c1"])
        axes.axhline(total, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        axes.set_xlabel(f"modelled time in {name}")
        axes.set_ylabel("contributors that answered")
        axes.set_ylim(0, 1.06 * total)

    return Chart(230, paint)


def settings(strategy: StrategyFigures) -> dict[str, Any]:
    """The settings that this strategy reads; all of them for a strategy that this version does not know."""
    others = unread(strategy.name)
    return {name: value for name, value in strategy.settings.items() if f"strategy.{name}" not in others}


def table_rows(moments: Sequence[Moment]) -> tuple[int, list[Moment]]:
    """The distance between the moments that the table shows, and these moments, the last included."""
    step = -(-len(moments) // MOST_ROWS)
    return step, [*moments[:-1:step], moments[-1]]
