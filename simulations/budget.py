"""What the budget does (Figures 6 and 7): ``python -m simulations.budget [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.figures import Column, Report, Row
from simulations.common.output import Outcome
from simulations.common.paper import FIGURE_6, FIGURE_7, RACE_GAIN
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

_PAPER = (*FIGURE_6, *FIGURE_7)


def _cases(config: Config, options: Options) -> list[Case]:
    return budget_cases()


def _columns(config: Config) -> list[Column]:
    figures = attribute_columns(config, plain=True, paper=in_paper(names_of(config), hiding(config, _PAPER)))
    return [Column("budget", "budget", "label"), *figures]


def _measure(case: Case, report: Report) -> list[Row]:
    budget = case.facts["setting"]
    paper = paper_cells(report, _PAPER, budget=float(budget))
    return [{"budget": budget, **attribute_cells(report), **paper}]


def _draw(figure: Figure, outcome: Outcome) -> None:
    name = "budget (1: hides only, 0: keeps information only)"
    draw_attributes(figure, outcome.config, outcome.rows, lambda row: str(row["budget"]), name)


STUDY = Study(
    name="budget",
    question="How do leakage and utility change with the budget?",
    figure="Figures 6, 7",
    about=(
        "Figure 6 (CelebA, LFW) and Figure 7 (DIAL): the paper's accuracies rise from budget 1 to 0, tasks and "
        "private attribute alike. It prints numbers for hiding Young, so that is the default for faces."
    ),
    paper=(*_PAPER, RACE_GAIN),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    attributes=dict.fromkeys(("faces", "celeba"), ("data.private=[Young]",)),
)


if __name__ == "__main__":
    start(STUDY)
