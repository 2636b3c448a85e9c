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

_LIKELIHOOD = {
    "training.objective": "likelihood",
    "training.pretraining": "information",
    "training.pretrain_epochs": "4",
    "training.epochs": "4",
    "training.negatives": "1",
    "training.pretrain_batch_size": "64",
    "training.batch_size": "64",
    "training.pretrain_learning_rate": "3e-3",
    "training.learning_rate": "1e-3",
    "training.optimiser": "adamw",
}
_PAPER = _LIKELIHOOD | {
    "training.objective": "jsd",
    "training.pretraining": "private",
    "training.pretrain_epochs": "1",
    "training.pretrain_learning_rate": "1e-3",
    "training.optimiser": "adam",
}
_TRAININGS = {
    "jsd, Adam, 1e-3": _PAPER,
    "nothing pretrained": _PAPER | {"training.pretrain_epochs": "0"},
    "AdamW": _PAPER | {"training.optimiser": "adamw"},
    "learning rate 1e-4": _PAPER
    | {"training.learning_rate": "1e-4", "training.pretrain_learning_rate": "1e-4"},
    "batches of 256": _PAPER | {"training.batch_size": "256", "training.pretrain_batch_size": "256"},
    "16 other examples": _PAPER | {"training.negatives": "16"},
    "InfoNCE, 16 others": _PAPER | {"training.negatives": "16", "training.objective": "infonce"},
    "16 epochs": _PAPER | {"training.epochs": "16"},
    "likelihood instead": _PAPER | {"training.objective": "likelihood"},
    "likelihood, pretrained on it": _LIKELIHOOD,
    "the same, 16 and 16 epochs": _LIKELIHOOD | {"training.pretrain_epochs": "16", "training.epochs": "16"},
}
_TASKS = {"protection.name": "encoder", "protection.encoder": "tasks"}  # as long as the longest


def _cases(config: Config, options: Options) -> list[Case]:
    """Every key that one of the trainings sets is set in all of them, so that no label is untrue."""
    controls = ["random", *(["raw"] if modality_of(config.data.name, config.data.root) == "image" else [])]
    budget = {"protection.name": "tiprdc", "training.budget": "0"}
    longest = list(_TRAININGS.values())[-1]
    return [
        *(_case(name, budget | keys) for name, keys in _TRAININGS.items()),
        _case("tasks known", longest | _TASKS),
        *(_case(f"{name}, a control", {"protection.name": name}) for name in controls),
    ]


def _case(name: str, keys: dict[str, str]) -> Case:
    return Case(name, tuple(f"{key}={value}" for key, value in keys.items()), {"training": name})


def _columns(config: Config) -> list[Column]:
    return [
        Column("training", "training at budget 0", "label"),
        *attribute_columns(config, plain=False),
        Column("information", "information", "number"),
        Column("seconds", "seconds of\ntraining", "count"),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    """The information is the last epoch's."""
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
        "data, and no training should end below an extractor that was never trained (random). The first is Eq. 9 "
        "as the paper has it, with a learning rate for this size, and most of the next change one thing of it; "
        "'tasks known' is what the architecture can do."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("evaluation.adversaries=[insider]", "evaluation.reidentification=false"),
    attributes=dict.fromkeys(("faces", "celeba"), ("data.tasks=[Smiling,Eyeglasses]",)),
    note="information of the last epoch in nats: jsd at most 0, infonce at most 2.8, likelihood a pixel",
)


if __name__ == "__main__":
    start(STUDY)
