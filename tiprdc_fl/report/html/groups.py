"""Section: whom it serves and whom it exposes: groups of people, and the people worst off."""

from collections.abc import Iterator, Sequence
from typing import Any

from tiprdc_fl.report.differences import difference
from tiprdc_fl.report.html.cards import Entry, Plot, Section
from tiprdc_fl.report.html.plain import percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.queries import strongest
from tiprdc_fl.report.words import probe_name

INTRO = (
    "The strongest probe on the features, measured on each group apart. Few people make wide intervals: two "
    "groups whose intervals overlap are not told apart here."
)
_LOOKS = {"private": (INKS["c2"], "s"), "task": (INKS["c3"], "o")}
_NOTE = (
    "Plain accuracy stands where people are too few for the balanced one; the two do not compare. By the attribute "
    "itself: recall, the share of the examples with this value that are told right."
)


def groups(report: dict[str, Any]) -> Section | None:
    """Figures by device class and attribute value, and over people; None where the report has none."""
    found = report["groups"]
    worst = [row for row in report["worst_off"] if row["mean"]["value"] is not None]
    by_attribute = {(row["attribute"], row["role"]): None for row in found}
    body = [
        _groups(report, *one, [row for row in found if row["attribute"] == one[0]]) for one in by_attribute
    ]
    body += [_people(worst)] if worst else []
    return Section("groups", "Groups and people", INTRO, body) if body else None


def _groups(report: dict[str, Any], attribute: str, role: str, found: Sequence[dict[str, Any]]) -> Plot:
    whole = strongest(report["results"], attribute, "features")
    rows = list(_rows(found))
    balanced, plain = (
        any(row.value is not None and row.hollow == hollow for row in rows) for hollow in (0, 1)
    )
    line = 100 * whole["balanced_accuracy"]["value"] if whole and balanced else None
    pale = 100 * whole["accuracy"]["value"] if whole and plain else None
    means = "infers it" if role == "private" else "tells it"
    return Plot(
        f"{attribute} by group",
        f"Where the {probe_name(found[0])} {means} better or worse than of everybody; {_widest(found)}.",
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "accuracy in %", line=line, pale=pale),
        ("group", "people", "examples", "balanced accuracy in %", "accuracy in %"),
        [
            (
                *(_name(row), f"{row['people']:,}", f"{row['examples']:,}"),
                *(percent(row), percent(row, "accuracy")),
            )
            for row in found
        ],
        list(_legend(role, balanced, plain)) if whole else (),
        note=_NOTE,
    )


def _legend(role: str, balanced: bool, plain: bool) -> Iterator[Entry]:
    """Filled and hollow marks with the line of everybody that each is set against, where there are any."""
    colour, marker = _LOOKS[role]
    if balanced:
        yield Entry("filled: balanced", colour, marker)
        yield Entry("everybody, balanced", INKS["quiet"], ":")
    if plain:
        yield Entry("hollow: plain", colour, marker, hollow=True)
        yield Entry("everybody, plain", INKS["c6"], ". .")


def _rows(found: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """Group by group under what divides them."""
    for divided in dict.fromkeys(row["group_by"] for row in found):
        own = f"{divided}, recall" if divided == found[0]["attribute"] else f"by {divided}"
        yield Row("by device class" if divided == "device" else own, heading=True)
        for row in found:
            if row["group_by"] == divided:
                colour, marker = _LOOKS[row["role"]]
                plain = row["balanced_accuracy"]["value"] is None
                figure = row["accuracy" if plain else "balanced_accuracy"]
                yield row_of(row["group"], figure, colour=colour, marker=marker, hollow=plain)


def _name(row: dict[str, Any]) -> str:
    return f"device: {row['group']}" if row["group_by"] == "device" else row["group"]


def _widest(found: Sequence[dict[str, Any]]) -> str:
    """The largest distance between two groups of one division, and whether it exceeds their intervals.

    Not by the attribute itself: there a probe that prefers one answer has a gap, and harms nobody by it.
    """
    gaps = []
    for divided in dict.fromkeys(row["group_by"] for row in found if row["group_by"] != row["attribute"]):
        here = [row for row in found if row["group_by"] == divided]
        known = [row for row in here if row["balanced_accuracy"]["value"] is not None]
        if len(known) > 1:
            ordered = sorted(known, key=lambda row: row["balanced_accuracy"]["value"])
            gaps.append((ordered[-1], ordered[0]))
    if not gaps:
        return "no two groups have people enough to be compared"
    apart = [difference(*(row["balanced_accuracy"] for row in pair)) for pair in gaps]
    place = max(range(len(gaps)), key=lambda number: apart[number].value or 0.0)
    (most, least), one = gaps[place], apart[place]
    reach = "beyond" if one.exceeds else "within"
    return (
        f"widest gap: {100 * (one.value or 0.0):.1f} points between {most['group']} and {least['group']}, {reach} "
        f"their intervals (±{100 * one.width:.1f})"
    )


def _people(worst: Sequence[dict[str, Any]]) -> Plot:
    rows = list(_people_rows(worst))
    names = ("mean", "p50", "worst_quarter", "worst_tenth")
    past = ", ".join(f"{row['attribute']} {percent(row, 'share_past_chance')} %" for row in worst)
    return Plot(
        "The people worst off",
        "Of how many of their own examples an attribute is inferred correctly: a task for the tenth served "
        "worst, a private attribute for the tenth exposed most.",
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "of a person's examples, in %"),
        (
            "attribute",
            "people",
            "mean",
            "median",
            "worst quarter",
            "worst tenth",
            "tenth, by chance",
            "past chance",
        ),
        [
            (
                *(f"{row['attribute']} ({probe_name(row)})", f"{row['people']:,}"),
                *(percent(row, name) for name in names),
                *(f"{100 * row['expected_worst_tenth']:.1f}", percent(row, "share_past_chance")),
            )
            for row in worst
        ],
        note="Hollow: the worst tenth if people did not differ, because few examples alone put some behind. People "
        f"past chance (tasks: below, private attributes: above): {past}.",
    )


def _people_rows(worst: Sequence[dict[str, Any]]) -> Iterator[Row]:
    for row in worst:
        colour, marker = _LOOKS[row["role"]]
        yield Row(row["attribute"], heading=True)
        yield row_of("everybody, mean", row["mean"], colour=colour, marker=marker)
        yield row_of("worst tenth", row["worst_tenth"], colour=colour, marker=marker)
        expected = 100 * row["expected_worst_tenth"]
        yield Row("if nobody differed", expected, colour=colour, marker=marker, hollow=True)
