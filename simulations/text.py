"""TIPRDC on messages (Figure 7): ``python -m simulations.text [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.paper import FIGURE_7, RACE_GAIN, published
from simulations.study import Study, leave, main
from simulations.study_arguments import Options
from simulations.study_figures import Column, Report, Row, tasks_of
from simulations.study_output import Outcome
from simulations.study_runs import Case
from simulations.study_sweeps import attribute_cells, attribute_columns, budget_cases, draw_attributes
from tiprdc_fl.config import Config

# Raw messages and noise on pixels are no representation of text.
_BASELINES = (
    Case("encoder", ("protection.name=encoder",), {"method": "encoder", "setting": ""}),
    Case("hybrid", ("protection.name=hybrid",), {"method": "hybrid", "setting": ""}),
    Case("random control", ("protection.name=random",), {"method": "random", "setting": ""}),
)


def _cases(config: Config, options: Options) -> list[Case]:
    return [*budget_cases(), *_BASELINES]


def _columns(config: Config) -> list[Column]:
    """The paper's Mentioned stands beside the first task, its Race (no figure) beside nothing."""
    figures = attribute_columns(config, plain=True, paper=(config.data.tasks or [])[:1])
    figures = [_renamed(one) if one.kind == "paper" else one for one in figures]
    return [Column("method", "method", "label"), Column("budget", "budget", "label"), *figures]


def _renamed(column: Column) -> Column:
    return Column(column.key, "paper\nMentioned", "paper")


def _measure(case: Case, report: Report) -> list[Row]:
    budget = float(case.facts["setting"]) if case.facts["setting"] else None
    paper = {f"paper_{tasks_of(report)[0]}": published(FIGURE_7, "Mentioned", budget=budget)}
    return [
        {"method": case.facts["method"], "budget": case.facts["setting"], **attribute_cells(report), **paper}
    ]


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
    leave(main(STUDY))
