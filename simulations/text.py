"""TIPRDC on messages (Figure 7): ``python -m simulations.text [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.figures import Column, Report, Row
from simulations.common.output import Outcome
from simulations.common.paper import FIGURE_7, RACE_GAIN
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import (
    attribute_cells,
    attribute_columns,
    budget_cases,
    draw_attributes,
    hiding,
    in_paper,
    names_of,
    paper_cells,
)
from tiprdc_fl.config.keys import Config

# noisy, dp and raw are of pixels. Raw messages are measured beside every case with evaluation.controls=[raw], which
# is in the run's report, as the table is of what devices send. Noise of hybrid: protection.epsilon.
_BASELINES = (
    Case("encoder", ("protection.name=encoder",), {"method": "encoder", "setting": ""}),
    Case("hybrid", ("protection.name=hybrid",), {"method": "hybrid", "setting": ""}),
    Case("random control", ("protection.name=random",), {"method": "random", "setting": ""}),
)


def _cases(config: Config, options: Options) -> list[Case]:
    return [*budget_cases(), *_BASELINES]


def _columns(config: Config) -> list[Column]:
    """The paper's Mentioned has a column where it is a task and Race is hidden; of Race it prints no figure."""
    paper = in_paper(names_of(config), hiding(config, FIGURE_7))
    figures = attribute_columns(config, plain=True, paper=paper)
    return [Column("method", "method", "label"), Column("budget", "budget", "label"), *figures]


def _measure(case: Case, report: Report) -> list[Row]:
    method, budget = case.facts["method"], case.facts["setting"]
    paper = paper_cells(report, FIGURE_7, budget=float(budget) if budget else None)
    return [{"method": method, "budget": budget, **attribute_cells(report), **paper}]


def _draw(figure: Figure, outcome: Outcome) -> None:
    draw_attributes(
        figure,
        outcome.config,
        outcome.rows,
        lambda row: f"{row['method']}\n{row['budget']}".strip(),
        "method, budget",
        connect=False,
    )


STUDY = Study(
    name="text",
    question="What do features of messages leak, and what are they good for?",
    figure="Figure 7",
    about=(
        "Figure 7 (DIAL): Mentioned rises from 67.71 to 76.87 %, Race by 21.57 points from budget 1 to 0. The "
        "default, chitchat, has a habit of the author (final punctuation) for race and a question for mentioned."
    ),
    paper=(*FIGURE_7, RACE_GAIN),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    modalities=("text",),
    dataset="chitchat",
)


if __name__ == "__main__":
    start(STUDY)
