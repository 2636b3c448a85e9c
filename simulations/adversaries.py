"""Which adversary finds most (Table 4): ``python -m simulations.adversaries [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of
from simulations.common.figures import UNDEFINED, Column, Report, Row, Span, floor, private_of, span
from simulations.common.output import Outcome
from simulations.common.paper import TABLE_4, published
from simulations.common.pictures import Series, draw_series, shared_legend
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import as_span, share
from tiprdc_fl.config.keys import Config
from tiprdc_fl.report.schema import ProbeResult

CO_TRAINED = "trained with the extractor"


def _cases(config: Config, options: Options) -> list[Case]:
    from tiprdc_fl.attacks.suite import attacks_for  # late: it imports torch, which --help needs not

    attacks = ",".join(attacks_for(modality_of(config.data.name, config.data.root)))
    overrides = ("protection.name=tiprdc", f"evaluation.attacks=[{attacks}]")
    budget = f"{config.training.budget:g}"
    return [Case(f"every adversary, budget {budget}", overrides, {"budget": budget})]


def _columns(config: Config) -> list[Column]:
    return [
        Column("attribute", "attribute", "label"),
        Column("adversary", "adversary", "label"),
        Column("learned_from", "learned from", "label"),
        Column("leakage", "leakage"),
        Column("floor", "label\nfloor", brief=True),
        Column("validation", "on validation\npeople", brief=True),
        Column("converged", "con-\nverged", "note"),
        Column("accuracy", "plain\nacc.", brief=True),
        Column("bits", "usable\nbits", "number"),
        Column("pooled", "pooled", brief=True),
        Column("paper", "paper", "paper"),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    """A row for each adversary and whose labels it learned from, then the co-trained one.

    Adversaries that learn from all of a person's examples at once ("set-") have a figure per person alone.
    """
    hiding = {"private": tuple(sorted(private_of(report))), "budget": float(case.facts["budget"])}
    rows = [
        {
            "attribute": row.attribute,
            "adversary": row.probe,
            "learned_from": row.learned_from,
            "leakage": span(row.balanced_accuracy),
            "floor": floor(report, row.attribute),
            "validation": _validated(row),
            "converged": "yes" if row.converged else "no",
            "accuracy": span(row.accuracy),
            "bits": span(row.usable_bits),
            "pooled": span(row.per_person),
            "paper": published(TABLE_4, row.attribute, detail=row.probe, **hiding),
        }
        for row in report.results
        if (row.role, row.representation) == ("private", "features")
    ]
    return [*rows, *(_co_trained(report, name) for name in private_of(report))]


def _validated(row: ProbeResult) -> Span:
    """Balanced accuracy on the validation people, by which the strongest is chosen; per person of "set-" probes."""
    return span(row.validation_per_person if row.validation is None else row.validation)


def _co_trained(report: Report, attribute: str) -> Row:
    value = report.co_trained_adversary.get(attribute)
    empty: Row = dict.fromkeys(("validation", "accuracy", "bits", "pooled"), UNDEFINED)
    empty |= {"floor": floor(report, attribute), "converged": ""}
    who: Row = {"attribute": attribute, "adversary": CO_TRAINED, "learned_from": "collector"}
    return {**who, **empty, "leakage": span(value), "paper": None}


def _draw(figure: Figure, outcome: Outcome) -> None:
    """A panel for each private attribute; a series for whose labels were learned from."""
    drawn = [row for row in outcome.rows if as_span(row["leakage"]).value is not None]
    names = list(dict.fromkeys(str(row["attribute"]) for row in outcome.rows))
    for axes, name in zip(figure.subplots(len(names), 1, squeeze=False).flat, names, strict=True):
        rows = [row for row in drawn if row["attribute"] == name]
        kinds = list(dict.fromkeys(str(row["adversary"]) for row in rows))
        sources = list(dict.fromkeys(str(row["learned_from"]) for row in rows))
        series = [_series(rows, kinds, source, number == 0) for number, source in enumerate(sources)]
        shown = [kind.replace(" with the ", "\nwith the\n") for kind in kinds]
        draw_series(axes, shown, series, False, f"adversary that infers {name}")
    shared_legend(figure)


def _series(rows: list[Row], kinds: list[str], source: str, with_paper: bool) -> Series:
    by_adversary = {str(row["adversary"]): row for row in rows if row["learned_from"] == source}
    paper = {str(row["adversary"]): share(row["paper"]) for row in rows}
    spans = [as_span(by_adversary.get(kind, {}).get("leakage")) for kind in kinds]
    beside = [paper[kind] for kind in kinds] if with_paper else ()
    return Series(f"labels of the {source}", spans, beside, "the paper's plain accuracy")


STUDY = Study(
    name="adversaries",
    question="Which adversary infers the private attribute best?",
    figure="Table 4",
    about=(
        "Table 4 (CelebA, gender, budget 0.9): 59.02, 59.83, 60.77 and 61.05 % by the default classifier, V-CL#16, "
        "V-CL#19 and Res-CL. Here each learns afresh, from contributors' labels (an insider), from the collector's "
        "own, and from both; one behind set- learns from all of a person's examples at once. The one trained with "
        "the extractor is no leakage figure. The strongest is chosen on validation people. training.budget=B: "
        "another budget."
    ),
    paper=TABLE_4,
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
)


if __name__ == "__main__":
    start(STUDY)
