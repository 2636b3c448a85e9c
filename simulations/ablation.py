"""What Algorithm 1 keeps at budget 0, one change at a time: ``python -m simulations.ablation [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of
from simulations.common.figures import Column, Report, Row, Span
from simulations.common.output import Outcome
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import attribute_cells, attribute_columns, draw_attributes
from tiprdc_fl.config.keys import Config

PAPER = ("training.objective=jsd", "training.pretraining=private", "training.pretrain_epochs=1")
_CHANGES = {  # of the paper's training
    "the paper's training": (),
    "nothing pretrained": ("training.pretrain_epochs=0",),
    "16 other examples": ("training.negatives=16",),
    "batches of 256": ("training.batch_size=256",),
    "a tenth of the rate": ("training.learning_rate=1e-4", "training.pretrain_learning_rate=1e-4"),
    "no weight decay": ("training.weight_decay=0",),
    "four times as long": ("training.epochs=16",),
    "InfoNCE, 16 others": ("training.objective=infonce", "training.negatives=16"),
    "likelihood": ("training.objective=likelihood",),
}
_DEFAULT = {  # of the default training
    "likelihood, pretrained on it": (),
    "the same, four times as long": ("training.pretrain_epochs=16", "training.epochs=16"),
}


def _cases(config: Config, options: Options) -> list[Case]:
    controls = ["random", *(["raw"] if modality_of(config.data.name, config.data.root) == "image" else [])]
    budget = ("protection.name=tiprdc", "training.budget=0")
    return [
        *(_case(name, (*budget, *_with(PAPER, keys))) for name, keys in _CHANGES.items()),
        *(_case(name, (*budget, *keys)) for name, keys in _DEFAULT.items()),
        _case(
            "tasks known",
            ("protection.name=encoder", "protection.encoder=tasks", "training.pretrain_epochs=16"),
        ),
        *(_case(f"{name}, a control", (f"protection.name={name}",)) for name in controls),
    ]


def _with(base: tuple[str, ...], changes: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of ``base``, but for those that are changed."""
    changed = {key.split("=")[0] for key in changes}
    return (*(key for key in base if key.split("=")[0] not in changed), *changes)


def _case(name: str, overrides: tuple[str, ...]) -> Case:
    return Case(name, overrides, {"training": name})


def _columns(config: Config) -> list[Column]:
    return [
        Column("training", "training at budget 0", "label"),
        *attribute_columns(config, plain=False),
        Column("information", "information\nin nats", "number"),
        Column("seconds", "seconds of\ntraining", "count"),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    """The information is the last epoch's, and comparable only under one objective."""
    last = report.training[-1].mutual_information_bound if report.training else None
    seconds = report.seconds.get("training")
    return [{**case.facts, **attribute_cells(report), "information": Span(last), "seconds": seconds}]


def _draw(figure: Figure, outcome: Outcome) -> None:
    draw_attributes(
        figure,
        outcome.config,
        outcome.rows,
        lambda row: str(row["training"]),
        "training at budget 0",
        connect=False,
    )


STUDY = Study(
    name="ablation",
    question="What does Algorithm 1 keep when it has nothing to hide?",
    about=(
        "At budget 0 the extractor maximises information alone, so every attribute should be as plain as in raw "
        "data, and no training should end below an extractor that was never trained (random). Each of the first "
        "cases changes one thing of the paper's training; 'tasks known' is what the architecture can do."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("evaluation.adversaries=[insider]", "evaluation.reidentification=false"),
    attributes=dict.fromkeys(("faces", "celeba"), ("data.tasks=[Smiling,Eyeglasses]",)),
    note="the information is that of the last epoch, under each objective's own scale",
)


if __name__ == "__main__":
    start(STUDY)
