"""Section: what can be inferred, from what is sent and from the controls."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from tiprdc_fl.report.html.cards import Entry, Plot, Section
from tiprdc_fl.report.html.curves import curves, same_person
from tiprdc_fl.report.html.looks import LOOKS, chance, names
from tiprdc_fl.report.html.plain import percent
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows, row_of
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.queries import pooled_row, strongest
from tiprdc_fl.report.words import TITLES, probe_name, share, shortened

MOST_PLOTS = 6  # of one kind; of a run with many attributes the rest stands in report.json
INTRO = (
    "Balanced accuracy of the strongest fresh probe on people nobody learned from, with 95 % intervals over "
    "people."
)
_CONTROLS = {
    "random": "an extractor that was never trained",
    "raw": "the raw data",
    "majority": "a blind guess",
}


def inference(report: dict[str, Any]) -> Section:
    """Utility against leakage, each attribute with its controls, and what else an adversary gains."""
    body = [*tradeoffs(report), *attributes(report), *curves(report), *same_person(report)]
    pairs = len(names(report, "private")) * len(names(report, "task"))
    more = f" Of {pairs} pairs of attributes {MOST_PLOTS} are drawn." if pairs > MOST_PLOTS else ""
    return Section("inferred", "What can be inferred", f"{INTRO}{_controls(report)}{more}", body)


def _controls(report: dict[str, Any]) -> str:
    """Which controls were measured."""
    measured = {row["representation"] for row in report["results"]}
    found = [words for kind, words in _CONTROLS.items() if kind in measured]
    return f" Controls: {', '.join(found)}." if found else ""


def tradeoffs(report: dict[str, Any]) -> Iterator[Plot]:
    """For each private attribute and task: where features and controls lie between leakage and utility."""
    pairs = [(one, task) for one in names(report, "private") for task in names(report, "task")]
    for private, task in pairs[:MOST_PLOTS]:
        points = list(_points(report, private, task))
        if points:
            yield _tradeoff(report, private, task, points)


Point = tuple[str, dict[str, Any], dict[str, Any], tuple[str, str], bool]  # name, x, y, looks, hollow


def _points(report: dict[str, Any], private: str, task: str) -> Iterator[Point]:
    for kind, looks in LOOKS.items():
        leak, use = (strongest(report["results"], name, kind) for name in (private, task))
        if leak and use:
            leaked, kept = leak["balanced_accuracy"], use["balanced_accuracy"]
            yield TITLES[kind], leaked, kept, looks, False
            pooled = pooled_row(report["results"], private) if kind == "features" else None
            if pooled:
                yield "the same, a person's examples pooled", pooled["per_person"], kept, looks, True


def _tradeoff(report: dict[str, Any], private: str, task: str, points: Sequence[Point]) -> Plot:
    def paint(axes: Axes) -> None:
        axes.axvline(chance(report, private), color=INKS["quiet"], linestyle=":", linewidth=1.3)
        axes.axhline(chance(report, task), color=INKS["quiet"], linestyle=":", linewidth=1.3)
        for _, leaked, kept, looks, hollow in points:
            _cross(axes, leaked, kept, looks, hollow)
        axes.margins(0.08)
        axes.text(0, 1.02, "\u2196 better", transform=axes.transAxes, color=INKS["quiet"])
        axes.set_xlabel(f"leakage of {shortened(private)} in %")
        axes.set_ylabel(f"utility of {shortened(task)} in %")

    return Plot(
        f"{task} kept against {private} leaked",
        f"Up is more of {task} for later tasks, left is less of {private} for an adversary; dotted: chance.",
        270,
        paint,
        ("", f"leakage of {private} in %", f"utility of {task} in %"),
        [(name, share(leaked), share(kept)) for name, leaked, kept, _, _ in points],
        [Entry(name, looks[0], looks[1], hollow) for name, _, _, looks, hollow in points],
    )


def _cross(
    axes: Axes, x: dict[str, Any], y: dict[str, Any], looks: tuple[str, str], hollow: bool = False
) -> None:
    """A point with an interval in both directions."""
    colour, marker = looks
    across, up = 100 * x["value"], 100 * y["value"]
    axes.plot([100 * x["low"], 100 * x["high"]], [up, up], color=colour, linewidth=1.4)
    axes.plot([across, across], [100 * y["low"], 100 * y["high"]], color=colour, linewidth=1.4)
    inside = INKS["card"] if hollow else colour
    axes.plot(
        *(across, up, marker),
        **{"color": colour, "markerfacecolor": inside, "markeredgewidth": 1.6, "markersize": 9, "zorder": 5},
    )


def attributes(report: dict[str, Any]) -> Iterator[Plot]:
    """For each attribute: bars of every representation, private attributes first."""
    found = [(role, name) for role in ("private", "task") for name in names(report, role)]
    for role, attribute in found[: 2 * MOST_PLOTS]:
        best = strongest(report["results"], attribute, "features")
        if best is not None:
            yield _bars(report, role, attribute, best)


def _bars(report: dict[str, Any], role: str, attribute: str, best: dict[str, Any]) -> Plot:
    results, start = report["results"], chance(report, attribute)
    found = [row for row in results if row["attribute"] == attribute]
    rows = list(_bar_rows(report, attribute))
    pooled = pooled_row(results, attribute)
    more = "" if pooled is None else f"; from a person's examples pooled at {percent(pooled, 'per_person')} %"
    what = "An adversary infers it" if role == "private" else "A task model tells it"
    return Plot(
        f"{attribute}: {'leakage, low is good' if role == 'private' else 'utility, high is good'}",
        f"{what} at {percent(best)} % from one example of what is sent ({probe_name(best)}){more}.",
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "balanced accuracy in %", start, start),
        ("probe, on", "one example, in %", "pooled, in %", "ROC-AUC in %", "accuracy in %"),
        [
            (
                f"{row['probe']}{', auxiliary' if row['learned_from'] == 'collector' else ''}, "
                f"{TITLES[row['representation']]}",
                *(percent(row, name) for name in ("balanced_accuracy", "per_person", "roc_auc", "accuracy")),
            )
            for row in found
        ],
        note="Bars begin at chance. Small strokes: the other probes.",
    )


def _bar_rows(report: dict[str, Any], attribute: str) -> Iterator[Row]:
    """The strongest probe of each representation; the others are small strokes beside it."""
    results = report["results"]
    for kind, (colour, marker) in LOOKS.items():
        best = strongest(results, attribute, kind)
        if best is None:
            continue
        others = [
            100 * row["balanced_accuracy"]["value"]
            for row in results
            if (row["attribute"], row["representation"]) == (attribute, kind)
            and row is not best
            and row["balanced_accuracy"]["value"] is not None
        ]
        looks = {"colour": colour, "marker": marker}
        yield row_of(TITLES[kind], best["balanced_accuracy"], others=others, **looks)
        pooled = pooled_row(results, attribute) if kind == "features" else None
        if pooled:
            yield row_of("sent, pooled", pooled["per_person"], hollow=True, **looks)
