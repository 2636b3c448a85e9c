"""Pictures of groups of people, and of the people worst off."""

from collections.abc import Iterator, Sequence

from tiprdc_fl.report.html.attributes import ROLES, Attribute
from tiprdc_fl.report.html.charts import Chart, Entry, in_percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import GroupResult, WorstOffResult
from tiprdc_fl.report.words import whole_range


def chart(attribute: Attribute, results: Sequence[GroupResult]) -> Chart:
    """Filled marks for balanced accuracy, hollow ones for plain accuracy, beside everybody's; grey: by chance."""
    rows, best = list(_rows(results)), attribute.best
    known = [row for row in rows if row.value is not None and best]
    balanced, plain = (any(row.hollow == hollow for row in known) for hollow in (False, True))
    line = in_percent(best.balanced_accuracy)[1] if best and balanced else None
    pale = in_percent(best.accuracy)[1] if best and plain else None
    return Chart(
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "accuracy in %", line=line, pale=pale),
        list(_legend(attribute.role, balanced, plain)),
    )


def _legend(role: str, balanced: bool, plain: bool) -> Iterator[Entry]:
    if balanced:
        yield Entry("filled: balanced", *ROLES[role])
        yield Entry("everybody, balanced", INKS["quiet"], ":")
    if plain:
        yield Entry("hollow: plain", *ROLES[role], hollow=True)
        yield Entry("everybody, plain", INKS["c6"], ". .")


def _rows(results: Sequence[GroupResult]) -> Iterator[Row]:
    """Group by group beneath what divides them."""
    for division in dict.fromkeys(row.group_by for row in results):
        own = f"{division}, recall" if division == results[0].attribute else f"by {division}"
        yield Row("by device class" if division == "device" else own, heading=True)
        for row in results:
            if row.group_by == division:
                colour, marker = ROLES[row.role]
                plain = row.balanced_accuracy.value is None
                figure = row.accuracy if plain else row.balanced_accuracy
                looks = {"colour": colour, "marker": marker, "hollow": plain}
                yield row_of(row.group, figure, band=None if plain else _band(row), **looks)


def beyond_chance(results: Sequence[GroupResult]) -> str:
    """Which groups differ by more than random groups of their sizes, in a sentence."""
    compared = [row for row in results if row.beyond_chance is not None]
    beyond = [row for row in compared if row.beyond_chance]
    if not compared:
        return "no two groups have people enough to be compared."
    if not beyond:
        return "no group differs by more than chance gives."
    names = (
        f"{row.group} {100 * (row.balanced_accuracy.value or 0.0):.1f} ({chance_range(row)})"
        for row in beyond
    )
    return f"beyond what chance gives (in brackets): {', '.join(names)}."


def chance_range(row: GroupResult | WorstOffResult) -> str:
    """The range by chance in %, such as "59-68"; "n/a" where it is not defined."""
    if row.chance_low is None or row.chance_high is None:
        return "n/a"
    return whole_range(row.chance_low, row.chance_high)


def verdict(row: GroupResult | WorstOffResult) -> str:
    """Whether a figure is beyond what chance gives."""
    return {None: "n/a", True: "yes", False: "no"}[row.beyond_chance]


def _band(row: GroupResult | WorstOffResult) -> tuple[float, float] | None:
    if row.chance_low is None or row.chance_high is None:
        return None
    return 100 * row.chance_low, 100 * row.chance_high


def worst_off(results: Sequence[WorstOffResult]) -> Chart:
    """Mean and worst tenth of the people for each attribute; hollow: the worst tenth by chance alone."""
    rows = list(_people_rows(results))
    return Chart(height_of(rows), lambda axes: paint_rows(axes, rows, "of a person's examples, in %"))


def _people_rows(results: Sequence[WorstOffResult]) -> Iterator[Row]:
    for row in results:
        colour, marker = ROLES[row.role]
        yield Row(row.attribute, heading=True)
        yield row_of("everybody, mean", row.mean, colour=colour, marker=marker)
        yield row_of("worst tenth", row.worst_tenth, colour=colour, marker=marker)
        expected = 100 * (row.expected_worst_tenth or 0.0)
        looks = {"colour": colour, "marker": marker, "hollow": True}
        yield Row("tenth by chance", expected, band=_band(row), **looks)
