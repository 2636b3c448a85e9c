"""``python -m simulations.benchmarks.scaling``: contributors/s, images/s and memory of the engine."""

import csv
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from simulations.benchmarks.command import parse_keys
from simulations.benchmarks.machine import machine
from simulations.benchmarks.scaling.figures import Measured
from simulations.common.arguments import OUT
from simulations.common.datasets import expanded
from simulations.common.files import open_out
from simulations.common.pictures import COLOURS, QUIET, save_picture
from tiprdc_fl.errors import InputError, exit_status, leave

ABOUT = """How fast is the engine, and what does it need?

  collection  contributors/s and the collector's memory with no-op contributors, beside plain Flower
  extraction  images/s from the first request to the last committed row, beside the bare network
  training    the hybrid step beside a literal float32 Algorithm 1

Every figure stands beside one that was measured in the same run on the same machine.

keys, with their defaults:
  out=runs/studies   folder of a table (CSV, JSON) and a picture (PNG)
  parts=collection,extraction,training
"""
WIDE = 180  # columns
PACKAGES = ("torch", "flwr", "ray", "pylance")
PARTS = ("collection", "extraction", "training")


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_status(lambda: conduct(given, console or Console()), "interrupted")


def conduct(arguments: Sequence[str], console: Console) -> None:
    """Measures, shows the table and writes the files."""
    quick, out, parts = _options(arguments)
    open_out(out)
    figures = measure(quick, parts, lambda line: console.print(line, style="dim", highlight=False))
    show(figures, console)
    for path in publish(figures, out):
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


def _options(arguments: Sequence[str]) -> tuple[bool, Path, tuple[str, ...]]:
    quick, given = parse_keys("scaling", ABOUT, arguments, ("out", "parts"))
    parts = tuple(given["parts"].split(",")) if "parts" in given else PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise InputError(f"parts={given['parts']}: {unknown[0]!r} is none of {', '.join(PARTS)}")
    return quick, expanded(given.get("out", str(OUT))), parts


def measure(quick: bool, parts: Sequence[str], say: Callable[[str], None]) -> list[Measured]:
    """The figures of some of PARTS."""
    # Imported here: --help needs no torch.
    from simulations.benchmarks.scaling.collection import measure_contributors, measure_extraction
    from simulations.benchmarks.scaling.training import measure_training

    workers = os.cpu_count() or 1
    measured: dict[str, Callable[[], list[Measured]]] = {
        "collection": lambda: measure_contributors(quick, workers, say),
        "extraction": lambda: measure_extraction(quick, workers, say),
        "training": lambda: measure_training(quick, say),
    }
    return [figure for part in PARTS if part in parts for figure in measured[part]()]


def show(figures: Sequence[Measured], console: Console) -> None:
    """Prints the table; with a mark where a goal is met or missed."""
    table = Table("part", "measured", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("figure", "beside", "ratio", "goal"):
        table.add_column(title, justify="right")
    table.add_column("what stands beside", overflow="fold")
    for measured in figures:
        table.add_row(*_cells(measured))
    console.print(f"\n{machine(PACKAGES)}\n", highlight=False, markup=False)
    # A console never prints broader than it is, and a file has no edge.
    wide = console if console.is_terminal else Console(file=console.file, width=WIDE)
    wide.print(table)


def _cells(measured: Measured) -> Iterator[str]:
    yield from (
        measured.part,
        measured.what,
        f"{_number(measured.value)} {measured.unit}",
        _number(measured.baseline),
    )
    yield f"{measured.ratio:.3g}" if measured.ratio < 10 else f"{measured.ratio:,.0f}"
    sign = "at most" if measured.at_most else "at least"
    yield "" if measured.goal is None else f"{sign} {measured.goal:g}{'' if measured.met else ' MISSED'}"
    yield measured.against


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def publish(figures: Sequence[Measured], out: Path) -> list[Path]:
    """Writes OUT/scaling.csv, .json and, where contributors were counted, .png; returns their paths."""
    from tiprdc_fl.disk import write_json, write_text

    rows = [asdict(measured) | {"ratio": measured.ratio, "met": measured.met} for measured in figures]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "scaling.csv", text.getvalue())
    write_json(out / "scaling.json", {"machine": machine(PACKAGES), "figures": rows})
    counted = [measured for measured in figures if measured.unit == "contributors/s"]
    if counted:
        title = f"The collection engine on {os.cpu_count()} CPUs"
        save_picture(out / "scaling.png", (12, 5), title, lambda figure: _draw(figure, figures))
    return [out / f"scaling.{ending}" for ending in ("csv", "json", *(["png"] if counted else []))]


def _draw(figure: Figure, figures: Sequence[Measured]) -> None:
    """Contributors a second, and memory, against contributors, both axes logarithmic."""
    left, right = figure.subplots(1, 2)
    _draw_rates(left, figures)
    _draw_memory(right, [measured for measured in figures if measured.what.startswith("collector's memory")])
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="contributors")
        axes.legend()
    left.set_ylabel("no-op contributors a second")
    right.set_ylabel("collector's memory in MB, 32 KB a contributor")
    right.set_ylim(10, 10_000)


def _draw_rates(axes: Axes, figures: Sequence[Measured]) -> None:
    ours = sorted(
        {
            _count(measured.what): measured.value for measured in figures if measured.unit == "contributors/s"
        }.items()
    )
    axes.plot(
        [count for count, _ in ours], [rate for _, rate in ours], "o-", color=COLOURS[0], label="tiprdc_fl"
    )
    for hosted, colour, marker in (("1 a node", COLOURS[1], "s"), ("20 a node", COLOURS[2], "^")):
        beside = [measured for measured in figures if measured.against.endswith(hosted)]
        places = [_count(measured.against) for measured in beside]
        rates = [measured.baseline for measured in beside]
        axes.plot(places, rates, f"{marker}--", color=colour, label=f"plain Flower, {hosted}")


def _draw_memory(axes: Axes, memory: Sequence[Measured]) -> None:
    places = [_count(measured.what) for measured in memory]
    axes.plot(places, [measured.value for measured in memory], "o-", color=COLOURS[0], label="peak")
    axes.plot(places, [measured.baseline for measured in memory], ":", color=QUIET, label="all that is sent")


def _count(words: str) -> int:
    """The number of contributors in a figure's name."""
    return next(int(word.replace(",", "")) for word in words.split() if word.replace(",", "").isdigit())


if __name__ == "__main__":
    leave(main())
