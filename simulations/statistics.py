"""Whose statistics a protection is fitted to: ``python -m simulations.statistics [key=value ...]``."""

from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import with_proxies
from simulations.common.figures import Column, Report, Row, pooled, private_of
from simulations.common.output import Outcome
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import attribute_cells, attribute_columns, draw_attributes
from tiprdc_fl.config.keys import Config

METHODS = ("aligned", "codes")
STATISTICS = ("collector", "contributors")
CLIENTS = (100, 400, 1600)  # generated faces have as many people as are asked for
SHARES = (0.25, 0.5, 1.0)  # of ``clients``, where people are finite


def _cases(config: Config, options: Options) -> list[Case]:
    known = with_proxies(config.data)
    generated = config.data.name == "faces"
    counts = CLIENTS if generated else [max(1, round(share * config.clients)) for share in SHARES]
    return [
        Case(
            f"{method}, statistics of the {whose}, {clients} contributors",
            (f"protection.name={method}", *known, f"protection.statistics={whose}", f"clients={clients}"),
            {"method": method, "statistics": whose, "clients": float(clients)},
        )
        for method in METHODS
        for whose in STATISTICS
        for clients in counts
    ]


def _columns(config: Config) -> list[Column]:
    return [
        Column("method", "method", "label"),
        Column("statistics", "statistics\nof the", "label"),
        Column("clients", "contributors", "count"),
        *attribute_columns(config, plain=False),
        *(Column(f"pooled_{name}", f"per person\n{name}") for name in config.data.private or []),
    ]


def _measure(case: Case, report: Report) -> list[Row]:
    row: Row = {**case.facts, **attribute_cells(report)}
    return [row | {f"pooled_{name}": pooled(report, name) for name in private_of(report)}]


def _draw(figure: Figure, outcome: Outcome) -> None:
    def name_of(row: Row) -> str:
        return f"{row['method']}\n{row['statistics']}\n{row['clients']:.0f}"

    name = "protection, whose statistics, number of contributors"
    draw_attributes(figure, outcome.config, outcome.rows, name_of, name, connect=False)


STUDY = Study(
    name="statistics",
    question="Do the contributors' own statistics hide them better than the collector's people's?",
    about=(
        "aligned and codes move each private class to where all look alike, by the classes' means and covariances: "
        "of the collector's people, or from sums over contributors that no single message shows. The more "
        "contributors there are, the nearer these sums are to the people who send. Components are the same in all "
        "cases. The insider knows more people where there are more, and sees nothing in them that their own "
        "statistics have evened out; the others learn from the collector's people."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("evaluation.reidentification=false",),
    attributes={"faces": ("data.tasks=[Smiling]", "data.holdout_people=300")},
    note="measured on the same holdout people in every case of generated faces",
)


if __name__ == "__main__":
    start(STUDY)
