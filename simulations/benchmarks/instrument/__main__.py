"""``python -m simulations.benchmarks.instrument``: the suite of probes where the Bayes accuracy is known."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from simulations.benchmarks.command import names_of, number_of, parse_keys
from simulations.common.arguments import OUT
from simulations.common.datasets import expanded
from simulations.common.files import open_out
from tiprdc_fl.errors import InputError, exit_status, leave

ABOUT = """How much of what is there do the probes see?

Features of two classes are drawn from known distributions, so that the accuracy of the best possible classifier
(Bayes) is known, about 90 %. A run's default adversaries learn from them, and the strongest, chosen on validation
people, is measured on others. What it misses, a leakage figure misses too. Further cases do not count: they show
what may hide from a suite that sees the others.

keys, with their defaults:
  size=default      default: 16,000 examples of 800 people to learn from, and a run's own settings for probes;
                    study: 4,000 examples of 200 people, and the settings of the studies
  cases=[]          some of the cases, such as [one_channel,order]; []: all of them
  attacks=[]        the probes, keys of ATTACKS; []: a run's default adversaries, as where none of them fits
  seeds=1           repeat with that many seeds: mean and interval over them
  seed=0            the first of them
  out=runs/studies  folder of table (CSV), picture (PNG) and all results (JSON)"""
QUICK = {"size": "study"}
DEFAULTS = {"size": "default", "cases": "[]", "attacks": "[]", "seeds": "1", "seed": "0", "out": str(OUT)}
MOST_SEEDS, MOST = 1000, 2**32


@dataclass(frozen=True)
class Options:
    """The user's arguments.

    Attributes:
        size: key of SIZES.
        cases: keys of CASES.
        attacks: keys of ATTACKS; none for the default adversaries.
        seeds: to repeat the study with.
        out: folder of the files.
    """

    size: str
    cases: tuple[str, ...]
    attacks: tuple[str, ...]
    seeds: range
    out: Path


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_status(lambda: conduct(parse(given), console or Console()), "interrupted")


def parse(arguments: Sequence[str]) -> Options:
    """The command line.

    Raises:
        InputError: a key or its value is wrong.
        SystemExit: after ``--help``.
    """
    quick, given = parse_keys("instrument", ABOUT, arguments, DEFAULTS)
    values = DEFAULTS | (QUICK if quick else {}) | given
    from simulations.benchmarks.instrument.cases import CASES  # late: --help needs no torch
    from simulations.benchmarks.instrument.measured import SIZES
    from tiprdc_fl.attacks.suite import ATTACKS

    cases = names_of(values["cases"]) or tuple(CASES)
    attacks = names_of(values["attacks"])
    _check("size", (values["size"],), tuple(SIZES))
    _check("cases", cases, tuple(CASES))
    _check("attacks", attacks, tuple(ATTACKS))
    first = number_of("seed", values["seed"], 0, MOST)
    seeds = range(first, first + number_of("seeds", values["seeds"], 1, MOST_SEEDS))
    return Options(values["size"], cases, attacks, seeds, expanded(values["out"]))


def _check(key: str, names: Sequence[str], known: Sequence[str]) -> None:
    wrong = [name for name in names if name not in known]
    if wrong:
        raise InputError(f"{key}={','.join(names)}: {wrong[0]!r} is none of {', '.join(known)}")


def conduct(options: Options, console: Console) -> None:
    """Measures, shows table and summary, and writes the files."""
    from simulations.benchmarks.instrument import outcome, output  # late, as above
    from simulations.benchmarks.instrument.cases import CASES
    from simulations.benchmarks.instrument.measured import SIZES, Measured, measure

    open_out(options.out)
    size, measured = SIZES[options.size], list[Measured]()
    total = len(options.seeds) * len(options.cases)
    for seed in options.seeds:
        for name in options.cases:
            measured.append(measure(name, CASES[name], size, options.attacks, seed))
            line = f"{len(measured)} of {total}: {output.line_of(measured[-1])}"
            console.print(line, style="dim", highlight=False, markup=False, soft_wrap=True)
    study = outcome.Outcome(options.size, size, measured)
    output.show(study, console)
    for path in output.publish(study, options.out):
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    leave(main())
