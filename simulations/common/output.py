"""A finished study, its caption and its table on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulations.common.figures import Cell, Column, Report, Row, Span
from simulations.common.paper import Published
from tiprdc_fl.config.keys import Config

WIDEST = 400  # columns, more than any table has
PAPER_NOTE = (
    "The paper reports plain accuracy on its own data, where guessing can exceed 90 %: compare shapes."
)


@dataclass(frozen=True)
class Outcome:
    """A finished study.

    Attributes:
        study: its name.
        question: what it answers.
        config: the configuration its cases change.
        columns: the table's.
        rows: the table's.
        runs: label, seed and folder of every run behind it.
        caption: who was measured, and what the intervals are.
        seeds: the seeds it was repeated with.
        paper: what the paper reports on it.
        identity: digest of what was asked for; results of another study of the name have another.
    """

    study: str
    question: str
    config: Config
    columns: Sequence[Column]
    rows: Sequence[Row]
    runs: Sequence[tuple[str, int, str]]
    caption: str
    seeds: Sequence[int]
    paper: Sequence[Published]
    identity: str

    @property
    def intervals(self) -> str:
        """What the intervals hold."""
        return intervals_of(self.seeds)

    def folder_of(self, label: str) -> Path:
        """The run folder of a case, with the first seed."""
        return next(Path(folder) for name, _, folder in self.runs if name == label)


def intervals_of(seeds: Sequence[int]) -> str:
    """What the intervals hold, by how often the study was repeated."""
    if len(seeds) == 1:
        return "95 % intervals over holdout people, one seed: the variance of training is not in them"
    return f"mean of {len(seeds)} seeds, 95 % t-intervals over the seeds: people and training vary"


def caption_of(
    config: Config, reports: Sequence[Report], seeds: Sequence[int], notes: Sequence[str] = ()
) -> str:
    """Dataset, people, the meaning of the intervals and what else is to know, with semicolons between them."""
    counts = dict.fromkeys(f"{report.results[0].measured_people:,}" for report in reports)
    holdout = f"{' or '.join(counts)} holdout people"
    people = f"{config.data.name}, {config.clients:,} contributors"
    return "; ".join([people, f"balanced accuracy on {holdout}", intervals_of(seeds), *notes])


def show_table(outcome: Outcome, console: Console) -> None:
    """Prints the table and the paper's figures; on a narrow terminal the intervals give way, not the figures."""
    table = table_of(outcome, brief=False)
    width = Console(width=WIDEST).measure(table).maximum
    narrow = console.is_terminal and width > console.width
    _say(console, f"\n{outcome.question}", "bold")
    _say(console, f"In %, where not said otherwise. {outcome.caption[0].upper()}{outcome.caption[1:]}.\n")
    if narrow:
        console.print(table_of(outcome, brief=True))
        _say(console, f"\nIntervals: in the CSV, or on a terminal of {width} columns.")
    else:
        # A console never prints broader than it is, and a file has no edge.
        Console(file=console.file, width=max(width, console.width)).print(table)
    if outcome.paper:
        _say(console, "\nThe paper, plain accuracy in %:")
    for published in outcome.paper:
        _say(console, f"  {published.sentence}", "dim")
    if outcome.paper:
        _say(console, PAPER_NOTE)
    _say(console, "")


def table_of(outcome: Outcome, brief: bool) -> Table:
    """The table for the terminal; with ``brief``, without intervals."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    columns = [replace(column, brief=column.brief or brief) for column in outcome.columns if column.terminal]
    for column in columns:
        justify = "left" if _is_text(column) else "right"
        table.add_column(escape(column.title), justify=justify, vertical="bottom", overflow="fold")
    for row in outcome.rows:
        table.add_row(*(escape(shown(column, row.get(column.key))) for column in columns))
    return table


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(line, highlight=False, markup=False, style=style)


def _is_text(column: Column) -> bool:
    return column.kind in ("label", "note")


def shown(column: Column, cell: Cell) -> str:
    """A cell as the terminal shows it."""
    if cell is None or cell == "":
        return ""
    if isinstance(cell, str):
        return cell
    if not isinstance(cell, Span):
        return f"{cell:,.0f}" if column.kind == "count" else f"{100 * cell:.1f}"
    if cell.value is None:
        return "n/a"
    if column.kind == "number":
        return f"{cell.value:.2f}"
    return f"{100 * cell.value:.1f}{'' if column.brief else _bracket(cell)}"


def _bracket(cell: Span) -> str:
    """The interval in whole percent, outwards, so that it is never narrower than it is."""
    if cell.low is None or cell.high is None or cell.low == cell.high:
        return ""
    return f" ({floor(round(100 * cell.low, 6))}-{ceil(round(100 * cell.high, 6))})"
