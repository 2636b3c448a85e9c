"""The page that sets runs side by side: templates/compare.html and its pictures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tiprdc_fl.report.compare.comparison import NOTHING_IN_COMMON, Comparison, Cost, Line
from tiprdc_fl.report.html.attributes import ROLES
from tiprdc_fl.report.html.attributes import attributes as attributes_of
from tiprdc_fl.report.html.charts import Chart, Entry
from tiprdc_fl.report.html.document import render
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of


@dataclass(frozen=True)
class ComparedAttribute:
    """An attribute of several runs.

    Attributes:
        name: of the attribute.
        role: "private" or "task".
        lines: its figures in every run: from one example, then pooled.
        beyond: letters of the runs whose figure from one example differs from the first run's beyond the intervals.
        chart: the figures as rows.
    """

    name: str
    role: str
    lines: Sequence[Line]
    beyond: Sequence[str]
    chart: Chart


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison."""
    names = dict.fromkeys((line.role, line.attribute) for line in comparison.lines)
    chance = {attribute.name: attribute.chance for attribute in attributes_of(comparison.reports[0])}
    first, *others = comparison.letters
    return render(
        "compare.html",
        comparison=comparison,
        against=[first, *(name for letter in others for name in (letter, f"{letter} less {first}"))],
        attributes=[_compared(comparison, role, name, chance.get(name, 50.0)) for role, name in names],
        cells=cost_cells,
        verdicts=verdicts,
        nothing_in_common=NOTHING_IN_COMMON,
    )


def verdicts(comparison: Comparison) -> Iterator[str]:
    """For every run but the first: which figures differ by more than their intervals."""
    first, *others = comparison.letters
    for number, letter in enumerate(others):
        beyond, within = [], []
        for line in comparison.lines:
            apart = line.differences[number]
            if apart.value is not None:
                kind = ", paired" if apart.paired else ""
                words = f"{line.title} {100 * apart.value:+.1f} (±{100 * apart.width:.1f}{kind})"
                (beyond if apart.exceeds else within).append(words)
        if beyond:
            yield f"{letter} differs from {first} beyond the intervals in: {'; '.join(beyond)}."
        elif within:
            yield f"{letter} differs from {first} in nothing beyond the intervals."
        else:
            yield f"{letter} and {first} have no figure in common."
        if within:
            yield f"{letter} against {first}, within the intervals: {'; '.join(within)}."


def cost_cells(cost: Cost) -> Iterator[str]:
    """A cost of every run, with its ratio to the first run's where the two differ."""
    first = cost.values[0]
    for text, value in zip(cost.texts, cost.values, strict=True):
        if first and value is not None and value != first:
            yield f"{text} ({value / first:.2f} x)"
        else:
            yield text


def _compared(comparison: Comparison, role: str, name: str, chance: float) -> ComparedAttribute:
    lines = [line for line in comparison.lines if (line.role, line.attribute) == (role, name)]
    differences = zip(comparison.letters[1:], lines[0].differences, strict=True)
    colour, marker = ROLES[role]
    legend = [
        Entry("a person's pooled" if line.pooled else "one example", colour, marker, line.pooled)
        for line in lines
    ]
    rows = list(_rows(comparison.letters, lines))
    chart = Chart(
        height_of(rows), lambda axes: paint_rows(axes, rows, "balanced accuracy in %", line=chance), legend
    )
    return ComparedAttribute(
        name=name,
        role=role,
        lines=lines,
        beyond=[letter for letter, apart in differences if apart.value is not None and apart.exceeds],
        chart=chart,
    )


def _rows(letters: Sequence[str], lines: Sequence[Line]) -> Iterator[Row]:
    """The lines of each run beneath one another."""
    for number, letter in enumerate(letters):
        for line in lines:
            figure, (colour, marker) = line.figures[number], ROLES[line.role]
            label = f"{letter}, pooled" if line.pooled else letter
            if figure:
                yield row_of(label, figure, colour=colour, marker=marker, hollow=line.pooled)
            else:
                yield Row(label, text="n/a")
