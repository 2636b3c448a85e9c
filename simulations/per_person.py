"""One item a person instead of one an example: ``python -m simulations.per_person [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of, with_proxies
from simulations.common.figures import Column, Report, Row, best, pooled, private_of
from simulations.common.output import Outcome
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import attribute_cells, attribute_columns, draw_attributes
from tiprdc_fl.config.keys import Config
from tiprdc_fl.protections import PROTECTIONS

PER = ("example", "person")
_PROTECTIONS = {
    "tiprdc": ("protection.name=tiprdc",),
    "leace": ("protection.name=leace",),
    "aligned": ("protection.name=aligned",),
    "codes": ("protection.name=codes",),
    "encoder": ("protection.name=encoder",),
    "gaussian 0.3": ("protection.name=gaussian", "protection.noise_multiplier=0.3"),
    "gaussian 1": ("protection.name=gaussian", "protection.noise_multiplier=1"),
    "random": ("protection.name=random",),
}
_ON_PROXIES = ("aligned", "codes")  # where the dataset has proxies


def _cases(config: Config, options: Options) -> list[Case]:
    modality = modality_of(config.data.name, config.data.root)
    known = with_proxies(config.data)
    return [
        Case(
            f"{name} per {per}",
            (*keys, *(known if name in _ON_PROXIES else ()), f"protection.per={per}"),
            {"method": name, "per": per},
        )
        for name, keys in _PROTECTIONS.items()
        if modality in PROTECTIONS[name.split()[0]].modalities
        for per in PER
    ]


def _columns(config: Config) -> list[Column]:
    return [
        Column("method", "method", "label"),
        Column("per", "one item\na", "label"),
        *attribute_columns(config, plain=False),
        *(Column(f"pooled_{name}", f"per person\n{name}") for name in config.data.private or []),
        Column("bytes", "bytes a\ncontributor", "count"),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    federation = report.federation
    row: Row = {**case.facts, **attribute_cells(report)}
    of_person = best if case.facts["per"] == "person" else pooled  # of one item there is nothing to pool
    row |= {f"pooled_{name}": of_person(report, name) for name in private_of(report)}
    return [row | {"bytes": federation.sent_bytes / max(1, federation.answered)}]


def _draw(figure: Figure, outcome: Outcome) -> None:
    rows = outcome.rows
    name = "protection, and what one item is sent for"
    draw_attributes(
        figure, outcome.config, rows, lambda row: f"{row['method']}\n{row['per']}", name, connect=False
    )


STUDY = Study(
    name="per_person",
    question="What is left to pool when a contributor sends one item?",
    about=(
        "An adversary that pools the guesses of a person's examples infers more than one that sees a single "
        "example. Here the device pools: it sends the mean of its features, with the most frequent label of each "
        "task. What an adversary then knows of a person is what pooling tells it otherwise. Tasks of a person and "
        "of an example are other questions: compare those of rows of one kind. aligned and codes are fitted to "
        "what is sent, the others to examples."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("evaluation.adversaries=[insider,metadata,set]", "evaluation.reidentification=false"),
    attributes={"faces": ("data.tasks=[Smiling]", "clients=400", "data.holdout_people=300")},
    note="tasks of a person are the most frequent label of each",
)


if __name__ == "__main__":
    start(STUDY)
