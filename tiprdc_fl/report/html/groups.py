"""Pictures of groups of people, and of the people worst off."""

from collections.abc import Iterator, Sequence

from tiprdc_fl.report.differences import Difference, difference
from tiprdc_fl.report.html.attributes import ROLES, Attribute
from tiprdc_fl.report.html.charts import Chart, Entry, in_percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.schema import GroupResult, WorstOffResult


def chart(attribute: Attribute, results: Sequence[GroupResult]) -> Chart:
    """Filled marks for balanced accuracy, hollow ones for plain accuracy, each beside its line of everybody."""
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
                yield row_of(row.group, figure, colour=colour, marker=marker, hollow=plain)


def widest(results: Sequence[GroupResult]) -> tuple[GroupResult, GroupResult, Difference] | None:
    """The two groups of one division that are furthest apart, the higher first; None without two to compare.

    Not by the attribute itself: there a probe that prefers one answer has a gap.
    """
    gaps = []
    for division in dict.fromkeys(row.group_by for row in results if row.group_by != row.attribute):
        of_division = [row for row in results if row.group_by == division]
        known = [row for row in of_division if row.balanced_accuracy.value is not None]
        if len(known) > 1:
            *_, most = ordered = sorted(known, key=lambda row: in_percent(row.balanced_accuracy)[1])
            gaps.append((most, ordered[0], difference(most.balanced_accuracy, ordered[0].balanced_accuracy)))
    return max(gaps, key=lambda gap: gap[2].value or 0.0, default=None)


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
        yield Row("tenth by chance", expected, colour=colour, marker=marker, hollow=True)
