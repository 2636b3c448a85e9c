"""Utility against privacy (Figure 4): ``python -m simulations.tradeoff [key=value ...]``.

TIPRDC at four budgets against the paper's four baselines and two controls. A method is on the Pareto front when
no other leaks less and is at least as useful; the controls, which protect nothing, do not compete. Point estimates
decide: methods whose intervals overlap may change places with other people or another seed.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.figures import (
    Column,
    Report,
    Row,
    Span,
    best,
    highest,
    mean_span,
    pooled,
    private_of,
    reidentified,
    tasks_of,
)
from simulations.common.output import Outcome
from simulations.common.paper import FIGURE_4
from simulations.common.pictures import (
    CHANCE,
    COLOURS,
    INK,
    MARKERS,
    QUIET,
    TEXT,
    above,
    below,
    label,
    shared_legend,
    spread,
)
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import (
    as_span,
    attribute_cells,
    attribute_columns,
    budget_cases,
    hiding,
    in_paper,
    names_of,
    paper_cells,
)
from tiprdc_fl.config.keys import Config

EPSILONS = ("0.1", "0.2", "0.5", "0.9")  # Section 5.2, of DP and Hybrid
CONTROLS = ("random", "raw")


def _cases(config: Config, options: Options) -> list[Case]:
    sigma = f"{config.protection.sigma:g}"
    baselines = [
        _case("encoder"),
        *(_case("hybrid", epsilon) for epsilon in EPSILONS),
        *(_case("dp", epsilon) for epsilon in EPSILONS),
    ]
    return [
        *budget_cases(),
        *baselines,
        Case(f"noisy, sigma {sigma}", ("protection.name=noisy",), {"method": "noisy", "setting": sigma}),
        *(_case(name) for name in CONTROLS),
    ]


def _case(method: str, epsilon: str = "") -> Case:
    overrides = (f"protection.name={method}", *([f"protection.epsilon={epsilon}"] if epsilon else []))
    name = f"{method}, epsilon {epsilon}" if epsilon else method
    return Case(name, overrides, {"method": method, "setting": epsilon})


def _columns(config: Config) -> list[Column]:
    private = config.data.private or []
    figures = attribute_columns(
        config, plain=False, paper=in_paper(names_of(config), hiding(config, FIGURE_4))
    )
    return [
        Column("method", "method", "label"),
        Column("setting", "lambda,\nepsilon,\nsigma", "label"),
        Column("front", "Pareto\nfront", "note"),
        *figures,
        *(Column(f"bits_{name}", f"bits of\n{name}", "number") for name in private),
        *(Column(f"pooled_{name}", f"pooled\n{name}", brief=True) for name in private),
        Column("reidentified", "re-id\nAUC", "number"),
        Column("leakage", "highest\nleakage", brief=True, terminal=len(private) > 1),
        Column("utility", "mean\nutility", brief=True, terminal=len(config.data.tasks or []) > 1),
        Column("bytes", "bytes an\nexample", "count"),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    private = private_of(report)
    row: Row = {**case.facts, "front": "", **attribute_cells(report)}
    row |= {f"bits_{name}": best(report, name, "usable_bits") for name in private}
    row |= {f"pooled_{name}": pooled(report, name) for name in private}
    row |= {
        "reidentified": reidentified(report),
        "leakage": highest([best(report, name) for name in private]),
        "utility": mean_span([best(report, name) for name in tasks_of(report)]),
        "bytes": report.federation.sent_bytes_per_example,
    }
    budget = float(case.facts["setting"]) if case.facts["method"] == "tiprdc" else None
    return [row | paper_cells(report, FIGURE_4, budget=budget)]


def _value(span: Span) -> float:
    return span.value or 0.0


def mark_front(rows: list[Row]) -> list[Row]:
    """The rows with "yes" in ``front`` where no other method leaks less and is at least as useful.

    Point estimates are compared, whatever their intervals.
    """
    methods = [row for row in rows if row["method"] not in CONTROLS]
    front = pareto([(as_span(row["leakage"]).value, as_span(row["utility"]).value) for row in methods])
    winners = [row for row, on in zip(methods, front, strict=True) if on]
    return [row | {"front": "yes" if any(row is winner for winner in winners) else ""} for row in rows]


def pareto(points: Sequence[tuple[float | None, float | None]]) -> list[bool]:
    """Which points (leakage, utility) no other beats: less leakage or more utility, and none of both worse."""
    known = [(leak, use) for leak, use in points if leak is not None and use is not None]

    def beaten(leak: float, use: float) -> bool:
        return any(a <= leak and b >= use and (a, b) != (leak, use) for a, b in known)

    return [leak is not None and use is not None and not beaten(leak, use) for leak, use in points]


def draw_front(figure: Figure, outcome: Outcome) -> None:
    """Every method's points with their settings, and the front as a line."""
    axes = figure.add_subplot()
    drawn = [
        row
        for row in outcome.rows
        if None not in (as_span(row["leakage"]).value, as_span(row["utility"]).value)
    ]
    methods = list(dict.fromkeys(str(row["method"]) for row in drawn))
    for number, method in enumerate(methods):
        _points(axes, [row for row in drawn if row["method"] == method], method, number)
    front = sorted(_place(row) for row in drawn if row["front"])
    if front:
        axes.step(*zip(*front, strict=True), where="post", color=INK, alpha=0.5)
        ring = {"marker": "o", "markersize": 17, "markerfacecolor": "none", "linestyle": ""}
        axes.plot(*zip(*front, strict=True), color=INK, alpha=0.6, label="on the Pareto front", **ring)
    label(
        axes,
        "leakage: balanced accuracy of the strongest adversary in % (left is better)",
        "mean utility in %",
    )
    axes.axvline(CHANCE, color=QUIET, linestyle=":", linewidth=1)
    axes.margins(0.08)
    shared_legend(figure)
    _name_points(figure, axes, drawn, methods)


def _points(axes: Axes, rows: Sequence[Row], method: str, number: int) -> None:
    """One method's points with intervals in both directions; controls grey."""
    leaks, uses = ([as_span(row[key]) for row in rows] for key in ("leakage", "utility"))
    control = method in CONTROLS
    axes.errorbar(
        [100 * _value(span) for span in leaks],
        [100 * _value(span) for span in uses],
        xerr=[below(leaks), above(leaks)],
        yerr=[below(uses), above(uses)],
        marker=MARKERS[number % len(MARKERS)],
        linestyle="",
        markersize=9,
        elinewidth=0.8,
        color=QUIET if control else COLOURS[number % len(COLOURS)],
        markerfacecolor="white" if control else None,
        label=f"{method}, a control" if control else method,
    )


def _place(row: Row) -> tuple[float, float]:
    return 100 * _value(as_span(row["leakage"])), 100 * _value(as_span(row["utility"]))


def _name_points(figure: Figure, axes: Axes, rows: Sequence[Row], methods: Sequence[str]) -> None:
    """Each point's setting beside it, in its method's colour."""
    named = [row for row in rows if row["setting"]]
    figure.draw_without_rendering()  # the axes have their place only then
    places = [tuple(axes.transData.transform(_place(row))) for row in named]
    sizes = [(0.7 * TEXT * len(str(row["setting"])) * 1.2, 1.4 * TEXT) for row in named]
    for row, (dx, dy) in zip(named, spread(places, sizes), strict=True):
        points = figure.dpi / 72
        axes.annotate(
            str(row["setting"]),
            _place(row),
            (dx / points, dy / points),
            textcoords="offset points",
            fontsize=TEXT - 1,
            fontweight="bold",
            bbox={"boxstyle": "square,pad=0.05", "color": "white", "alpha": 0.7},
            color=COLOURS[methods.index(str(row["method"])) % len(COLOURS)],
            arrowprops={"arrowstyle": "-", "alpha": 0.3},
        )


STUDY = Study(
    name="tradeoff",
    question="Which protection gives most utility for least leakage?",
    figure="Figure 4",
    about=(
        "Figure 4: TIPRDC against Noisy, DP, Encoder and Hybrid, in the paper mostly ahead; it prints two numbers, "
        "for LFW at budget 0.9: Asian 55.31 %, Eyeglasses 86.88 %. The interval of the mean utility is the mean of "
        "the tasks' intervals. An untrained extractor (random) and raw data are controls."
    ),
    paper=FIGURE_4,
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=draw_front,
    finish=mark_front,
    modalities=("image",),
    note="Pareto front: by point estimates, without regard to intervals",
)


if __name__ == "__main__":
    start(STUDY)
