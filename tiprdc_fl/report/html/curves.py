"""Figures of an adversary that knows more: of labelled people, or of who sent what."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from tiprdc_fl.report.html.cards import Entry, Plot
from tiprdc_fl.report.html.looks import LOOKS, chance
from tiprdc_fl.report.html.plain import percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS, log_counts
from tiprdc_fl.report.queries import pooled_row, strongest
from tiprdc_fl.report.words import TITLES, share


def curves(report: dict[str, Any]) -> Iterator[Plot]:
    """Leakage against the number of people whose labels an insider has."""
    for attribute in dict.fromkeys(row["attribute"] for row in report["curve"]):
        found = [row | {"representation": "features"} for row in report["curve"]]
        sizes = sorted({row["people"] for row in found if row["attribute"] == attribute})
        at = {size: [row for row in found if row["people"] == size] for size in sizes}
        one = [(size, strongest(rows, attribute, "features")) for size, rows in at.items()]
        pooled = [(size, pooled_row(rows, attribute)) for size, rows in at.items()]
        lines = [
            ("one example", [(size, row["balanced_accuracy"]) for size, row in one if row], "c2", "o"),
            ("a person's pooled", [(size, row["per_person"]) for size, row in pooled if row], "c1", "s"),
        ]
        lines = [line for line in lines if line[1]]
        if lines:
            yield _curve(report, attribute, lines)


def _curve(report: dict[str, Any], attribute: str, lines: Sequence[tuple[str, list, str, str]]) -> Plot:
    known = [size for _, points, _, _ in lines for size, _ in points]

    def paint(axes: Axes) -> None:
        for _, points, ink, marker in lines:
            sizes = [size for size, _ in points]
            low, value, high = ([100 * f[part] for _, f in points] for part in ("low", "value", "high"))
            axes.fill_between(sizes, low, high, color=INKS[ink], alpha=0.15, linewidth=0)
            axes.plot(sizes, value, color=INKS[ink], marker=marker)
        axes.axhline(chance(report, attribute), color=INKS["quiet"], linestyle=":", linewidth=1.3)
        log_counts(axes, min(known), max(known))
        axes.set_xlabel("people whose labels the insider has")
        axes.set_ylabel("balanced accuracy in %")

    return Plot(
        f"{attribute}: leakage by what the insider knows",
        "How many people an adversary must know; bands are 95 % intervals, the dotted line is chance.",
        230,
        paint,
        ("people", "learned from", "in %"),
        [(f"{size:,}", name, share(figure)) for name, points, _, _ in lines for size, figure in points],
        [Entry(name, INKS[ink], marker) for name, _, ink, marker in lines],
    )


def same_person(report: dict[str, Any]) -> Iterator[Plot]:
    """Whether two contributions come from one person."""
    found = [row for row in report["reidentification"] if row["roc_auc"]["value"] is not None]
    rows = []
    for unit, title in {"contribution": "whole contributions", "example": "single examples"}.items():
        here = [row for row in found if row["unit"] == unit]
        if here:
            rows.append(Row(title, heading=True))
        for row in here:
            colour, marker = LOOKS[row["representation"]]
            rows.append(row_of(TITLES[row["representation"]], row["roc_auc"], colour=colour, marker=marker))
    if found:
        yield Plot(
            "The same person?",
            "How well an adversary tells whether two contributions are one person's; 50 is chance, low is good.",
            height_of(rows),
            lambda axes: paint_rows(axes, rows, "ROC-AUC in %", 50, 50),
            ("of two", "from", "ROC-AUC in %", "people", "pairs"),
            [
                (
                    *(row["unit"], TITLES[row["representation"]], percent(row, "roc_auc")),
                    *(f"{row['people']:,}", f"{row['pairs']:,}"),
                )
                for row in found
            ],
        )
