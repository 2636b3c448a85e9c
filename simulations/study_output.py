"""What a study leaves: its table on the terminal, CSV, PNG and JSON, each file whole or not at all."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from simulations.paper import Published
from simulations.study_figures import Cell, Column, Report, Row, Span, flat, flat_names
from tiprdc_fl.config import Config, flatten
from tiprdc_fl.errors import InputError
from tiprdc_fl.report.schema import CAVEAT
from tiprdc_fl.run_folder import write_json, write_text

SIZE = (12.0, 8.0)  # inches at DPI: 1200 x 800 pixels
DPI = 100
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
        return "95 % intervals: bootstrap over holdout people, one seed"
    return f"mean of {len(seeds)} seeds, 95 % t-intervals over the seeds"


def caption_of(config: Config, reports: Sequence[Report], seeds: Sequence[int]) -> str:
    """Dataset, people and the meaning of the intervals, in one line."""
    counts = dict.fromkeys(f"{r['results'][0]['measured_people']:,}" for r in reports if r["results"])
    holdout = f"{' or '.join(counts)} holdout people"
    people = f"{config.data.name}, {config.clients:,} contributors"
    return f"{people}; balanced accuracy on {holdout}; {intervals_of(seeds)}"


def show_table(outcome: Outcome, console: Console) -> None:
    """Prints the table and the paper's figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    columns = [column for column in outcome.columns if column.terminal]
    for column in columns:
        justify = "left" if _is_text(column) else "right"
        table.add_column(escape(column.title), justify=justify, vertical="bottom", overflow="fold")
    for row in outcome.rows:
        table.add_row(*(escape(shown(column, row.get(column.key))) for column in columns))
    _say(console, f"\n{outcome.question}", "bold")
    _say(console, f"In %, where not said otherwise. {outcome.caption[0].upper()}{outcome.caption[1:]}.\n")
    console.print(table)
    if outcome.paper:
        _say(console, "\nThe paper, plain accuracy in %:")
    for one in outcome.paper:
        _say(console, f"  {one.sentence}", "dim")
    if outcome.paper:
        _say(console, PAPER_NOTE)
    _say(console, "")


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


def publish(outcome: Outcome, out: Path, draw: Callable[[Figure, Outcome], None]) -> list[Path]:
    """Writes OUT/<study>-<dataset>.csv, .png and .json; returns their paths.

    Raises:
        InputError: a file cannot be written.
    """
    name = re.sub(r"[^\w.+-]", "_", f"{outcome.study}-{outcome.config.data.name}")
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_text(out / f"{name}.csv", as_csv(outcome))
        _write_picture(out / f"{name}.png", outcome, draw)
        write_json(out / f"{name}.json", as_json(outcome))
    except OSError as error:
        raise InputError(f"out={out} cannot be written: {error.strerror}; name another folder") from error
    return [out / f"{name}.{ending}" for ending in ("csv", "png", "json")]


def as_csv(outcome: Outcome) -> str:
    """The table with a line of names; shares of 1, empty where a figure is not defined."""
    text = io.StringIO()
    writer = csv.DictWriter(text, flat_names(outcome.columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat(outcome.columns, row) for row in outcome.rows)
    return text.getvalue()


def as_json(outcome: Outcome) -> dict[str, object]:
    """The table and all that is needed to understand and repeat it."""
    return {
        "study": outcome.study,
        "question": outcome.question,
        "dataset": outcome.config.data.name,
        "caption": outcome.caption,
        "intervals": outcome.intervals,
        "seeds": list(outcome.seeds),
        "columns": [asdict(column) for column in outcome.columns],
        "rows": [flat(outcome.columns, row) for row in outcome.rows],
        "paper": [asdict(one) for one in outcome.paper],
        "paper_note": PAPER_NOTE,
        "runs": [{"case": case, "seed": seed, "folder": folder} for case, seed, folder in outcome.runs],
        "configuration": flatten(outcome.config),
        "caveat": CAVEAT,
    }


def _write_picture(path: Path, outcome: Outcome, draw: Callable[[Figure, Outcome], None]) -> None:
    """Draws on a figure of its own, so that nothing of a session's pyplot is touched."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(_title(outcome)), fontsize=14)
    draw(figure, outcome)
    temporary = path.with_suffix(".partial")
    figure.savefig(temporary, format="png")
    temporary.replace(path)


def _title(outcome: Outcome) -> Iterator[str]:
    yield outcome.question
    people, measured, intervals = outcome.caption.split("; ")
    yield f"{people}; {measured}"
    yield intervals
