"""``python -m simulations.benchmarks.null``: what the suite of probes reports where nothing leaks."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from simulations.benchmarks.command import names_of, number_of, parse_keys
from simulations.benchmarks.machine import machine
from simulations.benchmarks.null.verdict import BIAS, CHANCE, COVERAGE, Verdict, verdict_of
from simulations.common.arguments import OUT
from simulations.common.datasets import expanded
from simulations.common.files import open_out
from tiprdc_fl.errors import exit_status, leave

if TYPE_CHECKING:
    from tiprdc_fl.evaluation.results import Result

ABOUT = """Does the suite of probes report a leak where there is none?

In each of many simulations 60 to 300 people with 5 to 15 examples each are learned from, and 200 others are
measured. Features (8 x 8 x 8 values) differ from person to person. Labels have nothing to do with them: one is a
trait of the person, one varies within people. The reported figure should be 50 +- 0.5 % on average, and its 95 %
interval should hold 50 % in 93 to 97 % of the simulations. The command exits with status 1 where they are further
off than the error of that many simulations allows.

keys, with their defaults:
  runs=200          simulations
  attacks=[lda,linear,products,kernel]
                    the probes, keys of ATTACKS: those in closed form or convex; trees take ten times as long
  seed=0            of everything
  out=runs/studies  folder of null.json"""
DEFAULTS = {"runs": "200", "attacks": "[lda,linear,products,kernel]", "seed": "0", "out": str(OUT)}
QUICK = {"runs": "20"}
MOST = 2**32
FAILED = 1
PACKAGES = ("torch", "scikit-learn")


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The command line; returns the exit status: 0, 1 where a figure is not as asked, 2 after a user's mistake."""
    given = sys.argv[1:] if arguments is None else arguments
    verdicts: list[Verdict] = []
    status = exit_status(lambda: verdicts.extend(conduct(given, console or Console())), "interrupted")
    good = all(verdict.unbiased and verdict.covers for verdict in verdicts)
    return status or (0 if good else FAILED)


def conduct(arguments: Sequence[str], console: Console) -> list[Verdict]:
    """Simulates, shows the verdicts and writes the file.

    Raises:
        InputError: a key or its value is wrong.
    """
    runs, attacks, seed, out = _options(arguments)
    from simulations.benchmarks.null.simulated import KINDS, reported, simulate  # late: --help needs no torch

    open_out(out)
    start, results = perf_counter(), []
    for number in range(runs):
        results.append(simulate(number, attacks, seed))
        if (number + 1) % max(1, runs // 10) == 0:
            line = f"{number + 1} of {runs} simulations, {perf_counter() - start:.0f} s"
            console.print(line, style="dim", highlight=False)
    figures = {kind: [row for part in results if (row := reported(kind, part))] for kind in KINDS}
    verdicts = [verdict_of(kind.label, np.array(rows)) for kind, rows in figures.items() if len(rows) > 1]
    show(verdicts, attacks, console)
    path = publish(verdicts, results, {"runs": runs, "attacks": attacks, "seed": seed}, out)
    console.print(str(path), highlight=False, markup=False, soft_wrap=True)
    return verdicts


def _options(arguments: Sequence[str]) -> tuple[int, tuple[str, ...], int, Path]:
    from tiprdc_fl.attacks.suite import check_attacks  # late, as below

    quick, given = parse_keys("null", ABOUT, arguments, DEFAULTS)
    values = DEFAULTS | (QUICK if quick else {}) | given
    runs, seed = number_of("runs", values["runs"], 2, MOST), number_of("seed", values["seed"], 0, MOST)
    attacks = names_of(values["attacks"])
    check_attacks("attacks", attacks, "image")
    return runs, attacks, seed, expanded(values["out"])


def show(verdicts: Sequence[Verdict], attacks: Sequence[str], console: Console) -> None:
    """Prints the verdicts."""
    table = Table("the figure of", box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("runs", "mean in %", "asked", "intervals that\ncover 50, in %", "asked"):
        table.add_column(title, justify="right", vertical="bottom")
    for verdict in verdicts:
        table.add_row(*_cells(verdict))
    lines = ("", machine(PACKAGES), f"Nothing leaks; the strongest of {', '.join(attacks)}.", "")
    for line in lines:
        console.print(line, highlight=False, markup=False)
    Console(file=console.file, width=max(120, console.width)).print(table)


def _cells(verdict: Verdict) -> Iterator[str]:
    yield verdict.label
    yield f"{verdict.runs:,}"
    yield f"{100 * verdict.mean:.2f} +- {100 * verdict.mean_error:.2f}"
    yield f"{100 * CHANCE:g} +- {100 * BIAS:g}{'' if verdict.unbiased else ' MISSED'}"
    yield f"{100 * verdict.coverage:.1f} +- {100 * verdict.coverage_error:.1f}"
    yield f"{100 * COVERAGE[0]:g} to {100 * COVERAGE[1]:g}{'' if verdict.covers else ' MISSED'}"


def publish(
    verdicts: Sequence[Verdict],
    results: Sequence[Sequence["Result"]],
    asked: dict[str, object],
    out: Path,
) -> Path:
    """Writes OUT/null.json, with every probe's result in every simulation; returns its path."""
    from tiprdc_fl.disk import write_json  # late, as above

    verdict_rows = [
        asdict(verdict) | {"unbiased": verdict.unbiased, "covers": verdict.covers} for verdict in verdicts
    ]
    rows = [
        {"simulation": number, **asdict(result)} for number, part in enumerate(results) for result in part
    ]
    path = out / "null.json"
    write_json(path, {"machine": machine(PACKAGES), **asked, "verdicts": verdict_rows, "results": rows})
    return path


if __name__ == "__main__":
    leave(main())
