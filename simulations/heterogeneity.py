"""What it does that contributors differ: ``python -m simulations.heterogeneity [key=value ...]``.

One extractor, one set of people; only who holds which of their examples changes, and with ``feature`` what the
examples look like. The holdout people keep their own examples, as they are.
"""

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of
from simulations.common.figures import (
    UNDEFINED,
    Cell,
    Column,
    Report,
    Row,
    Span,
    of_people,
    pooled,
    private_of,
    span,
    tasks_of,
)
from simulations.common.output import Outcome
from simulations.common.pictures import Series, draw_series, shared_legend
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import (
    as_span,
    attribute_cells,
    attribute_columns,
    attributes_of,
    figure_key,
    names_of,
)
from tiprdc_fl.config.keys import Config

ALPHAS = ("0.05", "0.1", "0.5", "1", "10")
CLASSES = ("1", "2")
DISTRIBUTIONS = {"power_law": "power law", "log_normal": "log-normal"}
STRENGTHS = ("1", "2")
FIRST = "natural"  # whose extractor the others use


def _cases(config: Config, options: Options) -> list[Case]:
    tasks, private = config.data.tasks or [], config.data.private or []
    images = modality_of(config.data.name, config.data.root) == "image"
    return [
        Case(FIRST, ("partition.name=natural",), _facts(FIRST)),
        _case("iid"),
        *(_dirichlet(alpha, names) for names in (tasks, private) for alpha in ALPHAS),
        *(_pathological(count, [*private[:1], *tasks[:1]]) for count in CLASSES),
        *(_case("quantity", words, f"distribution={name}") for name, words in DISTRIBUTIONS.items()),
        *(
            _case("feature", f"strength {strength}", f"strength={strength}")
            for strength in STRENGTHS
            if images
        ),
    ]


def _case(name: str, setting: str = "", *keys: str, by: str = "") -> Case:
    overrides = (f"partition.name={name}", *(f"partition.{key}" for key in keys))
    label = ", ".join(part for part in (name, setting, by and f"by {by}") if part)
    return Case(label, overrides, _facts(name, setting, by), extractor_of=FIRST)


def _facts(name: str, setting: str = "", by: str = "") -> dict[str, str]:
    return {"partition": name, "setting": setting, "by": by}


def _dirichlet(alpha: str, names: Sequence[str]) -> Case:
    """Nobody is dropped at small alpha: who receives nothing has nothing."""
    keys = (f"partition_by=[{','.join(names)}]", f"alpha={alpha}", "min_partition_size=0")
    return _case("dirichlet", alpha, *keys, by=_named(names))


def _pathological(count: str, names: Sequence[str]) -> Case:
    """Classes of the first private attribute and the first task: a rare one has too few examples for everybody."""
    setting = "1 class" if count == "1" else f"{count} classes"
    keys = (f"num_classes_per_partition={count}", f"partition_by=[{','.join(names)}]")
    return _case("pathological", setting, *keys, by=_named(names))


def _named(names: Sequence[str]) -> str:
    return " and ".join(names)


def _columns(config: Config) -> list[Column]:
    names, private, tasks = names_of(config), config.data.private or [], config.data.tasks or []
    skews = [
        (
            Column(f"skew_{name}", f"skew of\n{name}", "number", brief=True),
            Column(f"chance_skew_{name}", "by\nchance", "number", brief=True),
        )
        for name in names
    ]
    return [
        Column("partition", "partition", "label"),
        Column("setting", "setting", "label"),
        Column("by", "by", "label"),
        *(column for pair in skews for column in pair),
        Column("p50", "examples,\nmedian", "count"),
        Column("empty", "without\nany", "count"),
        *attribute_columns(config, plain=False),
        *(Column(f"pooled_{name}", f"pooled\n{name}", brief=True) for name in private),
        *(Column(f"people_{name}", f"people's\nmean\n{name}", brief=True, terminal=False) for name in names),
        *(Column(f"tenth_{name}", f"worst tenth\n{name}", brief=True) for name in [*private, *tasks]),
        Column("megabytes", "sent\nMB", "number", brief=True),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    names = [*private_of(report), *tasks_of(report)]
    row: Row = {**case.facts, **_skew(report, names), **attribute_cells(report)}
    row |= {f"pooled_{name}": pooled(report, name) for name in private_of(report)}
    row |= {f"people_{name}": of_people(report, name, "mean") for name in names}
    row |= {f"tenth_{name}": of_people(report, name, "worst_tenth") for name in names}
    return [row | {"megabytes": span(report.federation.sent_bytes / 1e6)}]


def _skew(report: Report, names: Sequence[str]) -> Row:
    """How unlike the contributors are: their examples, and their labels' distance from the whole's."""
    partition = report.partition
    cells: dict[str, Cell] = {
        "p50": partition.examples_per_contributor.p50,
        "empty": float(partition.empty),
    }
    for name in names:
        cells[f"skew_{name}"] = span(partition.label_skew[name].mean)
        cells[f"chance_skew_{name}"] = span(partition.label_skew_expected[name])
    return cells


def _draw(figure: Figure, outcome: Outcome) -> None:
    upper, lower = figure.subplots(2, 1)
    name = "alpha of the Dirichlet distribution (small: few classes a contributor)"
    draw_series(upper, [*ALPHAS, "iid"], list(_by_alpha(outcome)), True, name)
    others = [row for row in outcome.rows if row["partition"] != "dirichlet"]
    names = [f"{row['partition']}\n{row['setting']}" for row in others]
    draw_series(lower, names, list(_series(outcome, others, "")), False, "partition")
    shared_legend(figure)


def _by_alpha(outcome: Outcome) -> Iterator[Series]:
    """Every attribute's figures by alpha, once for each kind of class; they end with those of iid."""
    iid = [row for row in outcome.rows if row["partition"] == "iid"]
    for by in dict.fromkeys(row["by"] for row in outcome.rows if row["partition"] == "dirichlet"):
        rows = [row for row in outcome.rows if row["partition"] == "dirichlet" and row["by"] == by]
        yield from _series(outcome, rows + iid, f", split by {by}")


def _series(outcome: Outcome, rows: Sequence[Row], ending: str) -> Iterator[Series]:
    for role, attribute in attributes_of(outcome.config):
        word = "leakage" if role == "private" else "utility"
        spans: list[Span] = [as_span(row.get(figure_key(role, attribute), UNDEFINED)) for row in rows]
        yield Series(f"{word}: {attribute}{ending}", spans)


STUDY = Study(
    name="heterogeneity",
    question="What changes when contributors differ from one another?",
    about=(
        "The paper has no such figure. Skew is the mean distance (total variation, 0 to 1) of a contributor's "
        "label shares from everybody's, beside what random samples as large would have. All contributors' examples "
        "together stay the same but for feature: probes, which learn from all of them at once, need not suffer as "
        "averaged models do. A tenth of the holdout people are served as badly as the worst tenth says, or exposed "
        "as much. No devices are modelled: everybody answers."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("devices.name=null",),
    note="the holdout people keep their own examples whatever the partition",
)


if __name__ == "__main__":
    start(STUDY)
