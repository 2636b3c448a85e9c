"""Leakage against the number of people an adversary has labels of: ``python -m simulations.leakage_curve``."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of
from simulations.common.figures import Column, Report, Row, Span, floor, private_of, span
from simulations.common.output import Outcome
from simulations.common.pictures import CHANCE, QUIET, Series, label, points, shared_legend
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import as_span
from tiprdc_fl.config.keys import Config
from tiprdc_fl.report.queries import highest, strongest
from tiprdc_fl.report.schema import CurvePoint, ProbeResult

ALL = "all"


def _cases(config: Config, options: Options) -> list[Case]:
    text = modality_of(config.data.name, config.data.root) == "text"  # of which raw is no protection
    names = ("tiprdc", "random") if text else ("tiprdc", "random", "raw")
    return [Case(_label(name, config), (f"protection.name={name}",), {"method": name}) for name in names]


def _label(name: str, config: Config) -> str:
    return f"tiprdc, budget {config.training.budget:g}" if name == "tiprdc" else f"{name} control"


def _columns(config: Config) -> list[Column]:
    return [
        Column("method", "method", "label"),
        Column("attribute", "attribute", "label"),
        Column("people", "people", "label"),
        Column("learned_people", "labelled\npeople", "count"),
        Column("examples", "labelled\nexamples", "count"),
        Column("probe", "strongest\nadversary", "note"),
        Column("leakage", "leakage"),
        Column("floor", "label\nfloor", brief=True),
        Column("validation", "on validation\npeople", brief=True, terminal=False),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    """A row for each number of people, the strongest adversary's, and one for all of them."""
    return [row for name in private_of(report) for row in _rows(case, report, name)]


def _rows(case: Case, report: Report, attribute: str) -> Iterator[Row]:
    points = [row for row in report.curve if row.attribute == attribute]
    whole = _all_people(report, attribute)
    for people in sorted({row.people for row in points}):
        rows = [row for row in points if row.people == people]
        top = highest(rows) or rows[0]
        if whole is None or people != whole.learned_people:  # else it is the row of all people
            yield _row(case, report, str(people), people, top)
    if whole is not None:
        yield _row(case, report, ALL, whole.learned_people, whole)


def _all_people(report: Report, attribute: str) -> ProbeResult | None:
    """The strongest insider that learned from everybody the evaluation allows."""
    insiders = [row for row in report.results if row.learned_from == "contributors"]
    return strongest(insiders, attribute, "features")


def _row(case: Case, report: Report, people: str, count: int, top: CurvePoint | ProbeResult) -> Row:
    """The floor is of the insider that has everybody's labels."""
    labels: Row = {"method": case.facts["method"], "attribute": top.attribute, "people": people}
    counts: Row = {"learned_people": float(count), "examples": float(top.learned_examples)}
    figures: Row = {
        "leakage": span(top.balanced_accuracy),
        "floor": floor(report, top.attribute),
        "validation": span(top.validation),
    }
    return {**labels, **counts, "probe": top.probe, **figures}


def _draw(figure: Figure, outcome: Outcome) -> None:
    axes = figure.add_subplot()
    lines = list(dict.fromkeys((str(row["method"]), str(row["attribute"])) for row in outcome.rows))
    ticks: set[float] = set()
    for number, (method, attribute) in enumerate(lines):
        rows = [row for row in outcome.rows if (row["method"], row["attribute"]) == (method, attribute)]
        places = [float(str(row["learned_people"])) for row in rows]
        ticks |= set(places)
        # Apart by 2 % of their place, so that intervals do not hide one another on the logarithmic axis.
        apart = [place * 1.02 ** (number - (len(lines) - 1) / 2) for place in places]
        spans: list[Span] = [as_span(row["leakage"]) for row in rows]
        points(axes, apart, Series(f"{method}: {attribute}", spans), number, "-")
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(sorted(ticks), [f"{tick:g}" for tick in sorted(ticks)])
    axes.axhline(CHANCE, color=QUIET, linestyle=":", linewidth=1)
    label(axes, "people whose labels the adversary has", "leakage: balanced accuracy in %")
    shared_legend(figure)


STUDY = Study(
    name="leakage_curve",
    question="How does leakage grow with the people an adversary learns from?",
    about=(
        "The paper has no such figure. A flat end says that more labelled people would hardly help the adversary; "
        "a rising one that the leakage reported elsewhere is what this number of people allows. "
        "evaluation.curve=[...] sets the numbers."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("evaluation.curve=[10,30,100]", "evaluation.adversaries=[insider,metadata]"),
)


if __name__ == "__main__":
    start(STUDY)
