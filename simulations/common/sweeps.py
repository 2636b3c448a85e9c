"""Cases and columns that several studies share."""

from collections.abc import Callable, Sequence
from itertools import chain

from matplotlib.figure import Figure

from simulations.common.figures import (
    UNDEFINED,
    Cell,
    Column,
    Report,
    Row,
    Span,
    best,
    floor,
    private_of,
    tasks_of,
)
from simulations.common.paper import Published, published, same_name
from simulations.common.pictures import Series, draw_series, shared_legend
from simulations.common.runs import Case
from tiprdc_fl.config.keys import Config

BUDGETS = ("1", "0.9", "0.5", "0")  # the paper's lambda, Section 5.3


def budget_cases() -> list[Case]:
    """TIPRDC at the paper's four budgets."""
    return [
        Case(
            f"tiprdc, budget {budget}",
            ("protection.name=tiprdc", f"training.budget={budget}"),
            {"method": "tiprdc", "setting": budget},
        )
        for budget in BUDGETS
    ]


def attributes_of(config: Config) -> list[tuple[str, str]]:
    """Role and name of every attribute, private ones first."""
    private, tasks = config.data.private or [], config.data.tasks or []
    return [*(("private", name) for name in private), *(("task", name) for name in tasks)]


def figure_key(role: str, attribute: str) -> str:
    """Name of the column with an attribute's balanced accuracy."""
    return f"{'leakage' if role == 'private' else 'utility'}_{attribute}"


def floor_column(attribute: str) -> Column:
    """The column of a private attribute's label floor."""
    return Column(f"floor_{attribute}", "label\nfloor", brief=True)


def attribute_columns(config: Config, plain: bool, paper: Sequence[str] = ()) -> list[Column]:
    """For each attribute its balanced accuracy, plain accuracy if wanted, and the paper's if it has it.

    Of a private attribute the label floor stands beside it.

    Args:
        config: names the attributes.
        plain: whether plain accuracy, which the paper reports, stands beside.
        paper: attributes with a column for the paper's figure.
    """

    def of(role: str, name: str) -> list[Column]:
        word = "leakage" if role == "private" else "utility"
        columns = [Column(figure_key(role, name), f"{word}\n{name}")]
        if role == "private":
            columns.append(floor_column(name))
        if plain:
            columns.append(Column(f"accuracy_{name}", "plain\nacc.", brief=True))
        if name in paper:
            columns.append(Column(f"paper_{name}", f"paper\n{name}", "paper"))
        return columns

    return list(chain.from_iterable(of(role, name) for role, name in attributes_of(config)))


def attribute_cells(report: Report) -> Row:
    """Leakage, utility and plain accuracy of the strongest probes of a run, and label floors."""
    cells: dict[str, Cell] = {}
    roles = [("private", name) for name in private_of(report)] + [("task", name) for name in tasks_of(report)]
    for role, name in roles:
        cells[figure_key(role, name)] = best(report, name)
        cells[f"accuracy_{name}"] = best(report, name, "accuracy")
    return cells | {f"floor_{name}": floor(report, name) for name in private_of(report)}


def in_paper(names: Sequence[str], figures: tuple[Published, ...]) -> list[str]:
    """The attributes of which the paper has a figure."""
    return [name for name in names if any(same_name(figure.attribute, name) for figure in figures)]


def hiding(config: Config, figures: tuple[Published, ...]) -> tuple[Published, ...]:
    """The paper's figures for the attributes that are hidden here: others are about another extractor."""
    ours = set(config.data.private or [])
    return tuple(figure for figure in figures if {*figure.private} == ours)


def names_of(config: Config) -> list[str]:
    """Every attribute's name, private ones first."""
    return [name for _, name in attributes_of(config)]


def paper_cells(report: Report, figures: tuple[Published, ...], **wanted: object) -> Row:
    """The paper's figure for each of a run's attributes, where it hides the same ones."""
    private = tuple(sorted(private_of(report)))
    names = in_paper([*private, *tasks_of(report)], figures)
    return {f"paper_{name}": published(figures, name, private=private, **wanted) for name in names}


def as_span(cell: Cell | None) -> Span:
    """A cell that must be a Span."""
    return cell if isinstance(cell, Span) else UNDEFINED


def share(cell: Cell | None) -> float | None:
    """A cell that must be a share or empty."""
    return cell if isinstance(cell, float) else None


def draw_attributes(
    figure: Figure,
    config: Config,
    rows: Sequence[Row],
    name_of: Callable[[Row], str],
    name: str,
    connect: bool = True,
) -> None:
    """Every attribute's balanced accuracy over the rows, with the paper's figures where the rows have them."""
    series = []
    for role, attribute in attributes_of(config):
        word = "leakage" if role == "private" else "utility"
        spans = [as_span(row.get(figure_key(role, attribute))) for row in rows]
        paper = [share(row.get(f"paper_{attribute}")) for row in rows]
        series.append(Series(f"{word}: {attribute}", spans, paper))
    draw_series(figure.add_subplot(), [name_of(row) for row in rows], series, connect, name)
    shared_legend(figure)
