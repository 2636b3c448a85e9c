"""``python -m simulations.benchmarks.coverage``: how often 95 % intervals over people hold the truth."""

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from simulations.benchmarks.command import parse_keys
from simulations.benchmarks.coverage.holdouts import Cell, cells
from simulations.benchmarks.coverage.measured import FEWEST_RUNS, FIGURES, WANTED, Coverage, coverage_of
from simulations.common.arguments import OUT
from simulations.common.datasets import expanded
from simulations.common.files import open_out
from tiprdc_fl.disk import write_text
from tiprdc_fl.errors import InputError, exit_status, leave

ABOUT = f"""How often do the 95 % intervals of figures hold the truth?

Simulated holdout people and a probe of known accuracy: 30 to 1,000 people with 5 to 20 examples each, 1.6 to
50 % positives, a trait of the person or of the example, a probe of 50 % (nothing leaks), 70 % and 90 %. Scores of
one person are correlated. A figure per person is that of a probe of 50, 70, 90 % over people; the difference is
that of two probes of the same accuracy on the same people. Sets in which a class is of fewer than ten people have
no figure; cells in which it is on average are left out.

Fails where coverage is outside {100 * WANTED[0]:.0f} to {100 * WANTED[1]:.0f} % by more than three standard errors.

keys, with their defaults:
  out=runs/studies   folder of the table (CSV)
  runs=600           simulated sets a cell; fewer of many people
  correlation=0.3    of two scores of one person
  seed=0
"""
QUICK = 150
WIDE = 180  # columns
MANY = 300  # people, above which a cell has fewer sets


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The command line.

    Returns:
        the exit status: 0, 1 where coverage is outside, 2 after a user's mistake, 130 after an interrupt.
    """
    given = sys.argv[1:] if arguments is None else arguments
    outside: list[Coverage] = []
    status = exit_status(lambda: outside.extend(conduct(given, console or Console())), "interrupted")
    return status or int(bool(outside))


def conduct(arguments: Sequence[str], console: Console) -> list[Coverage]:
    """Simulates, shows the table and writes it; returns what is outside."""
    quick, given = parse_keys("coverage", ABOUT, arguments, ("out", "runs", "correlation", "seed"))
    runs = int(_number(given, "runs", QUICK if quick else 600, FEWEST_RUNS, 10**6))
    correlation = _number(given, "correlation", 0.3, 0, 0.95)
    seed = int(_number(given, "seed", 0, 0, 2**31))
    out = expanded(given.get("out", str(OUT)))
    open_out(out)
    results = simulate(list(cells()), runs, correlation, seed, console)
    show(results, runs, correlation, console)
    path = publish(results, out)
    console.print(str(path), highlight=False, markup=False, soft_wrap=True)
    return [result for result in results if result.outside]


def _number(given: dict[str, str], key: str, default: float, least: float, most: float) -> float:
    try:
        value = float(given.get(key, default))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise InputError(f"{key}={given[key]}: expected a number from {least:g} to {most:g}")
    return value


def simulate(
    chosen: Sequence[Cell], runs: int, correlation: float, seed: int, console: Console
) -> list[Coverage]:
    """The coverage of every figure in some cells."""
    counts = [max(FEWEST_RUNS, round(runs * min(1.0, MANY / cell.people))) for cell in chosen]
    results = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("simulated sets", total=sum(counts))
        for cell, count in zip(chosen, counts, strict=True):
            results += coverage_of(cell, count, correlation, seed, lambda: progress.advance(task))
    return results


def show(results: Sequence[Coverage], runs: int, correlation: float, console: Console) -> None:
    """Prints a row a cell: of every figure the coverage with its error, and the mean length of the intervals."""
    table = Table("cell", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in FIGURES:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for cell in dict.fromkeys(result.cell for result in results):
        of_cell = {result.figure: result for result in results if result.cell == cell}
        table.add_row(cell.words, *(_text(of_cell.get(name)) for name in FIGURES))
    wide = console if console.is_terminal else Console(file=console.file, width=WIDE)
    console.print(
        f"Coverage in % ± Monte-Carlo error, mean length of the interval in points; up to {runs:,} sets a cell, "
        f"correlation {correlation:g} within people. *: a count of a few, which may be covered more often.\n",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    wide.print(table)
    outside = [result for result in results if result.outside]
    least = min(results, key=lambda result: result.held)
    console.print(
        f"{len(outside)} of {len(results)} are outside {100 * WANTED[0]:.0f} to {100 * WANTED[1]:.0f} %; "
        f"the least is {100 * least.held:.1f} % ({least.figure}, {least.cell.words}).",
        style="bold red" if outside else "bold green",
        highlight=False,
        soft_wrap=True,
    )


def _text(result: Coverage | None) -> str:
    if result is None:
        return "-"
    text = (
        f"{100 * result.held:.1f}{'*' * result.counts} ±{100 * result.error:.1f} ({100 * result.width:.1f})"
    )
    return f"[bold red]{text}[/]" if result.outside else text


def publish(results: Sequence[Coverage], out: Path) -> Path:
    """Writes OUT/coverage.csv."""
    rows = [
        vars(result.cell)
        | {name: getattr(result, name) for name in ("figure", "runs", "held", "error", "width", "outside")}
        for result in results
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "coverage.csv", text.getvalue())
    return out / "coverage.csv"


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
