"""The command line of every study: ``python -m simulations.NAME [key=value ...]``."""

import sys
import textwrap
from collections.abc import Sequence
from typing import NoReturn

from rich.console import Console

from simulations.common.arguments import OUT, Options, defaults_of, parse_study
from simulations.common.runs import Runner
from simulations.common.study import Study, conduct
from tiprdc_fl.errors import exit_status, leave


def help_of(study: Study) -> str:
    """One screen: what the study does, what the paper has, keys and defaults."""
    own = [*study.defaults, *study.attributes.get(study.dataset, ())]
    defaults = dict(pair.split("=", 1) for pair in defaults_of(Options(OUT, 1, None, ()), study.dataset, own))
    pairs = "  ".join(f"{name}={value}".replace(" ", "\xa0") for name, value in defaults.items())
    other = (
        ["  other.KEY=VALUE  of the second dataset: a key of data, or clients"] if study.takes_other else []
    )
    lines = [
        study.question,
        "",
        *textwrap.wrap(study.about, 78),
        "",
        "keys of the study:",
        f"  out=DIR          folder of runs, extractors and results ({OUT})",
        "  seeds=K          repeat with K seeds: mean and interval over them (1)",
        *other,
        "",
        "its defaults; every other key: python -m tiprdc_fl.simulate --help",
        *textwrap.wrap(pairs, 78, initial_indent="  ", subsequent_indent="  ", break_long_words=False),
        "",
        "Writes a table (CSV), a picture (PNG) and both as JSON into out. The same command resumes.",
    ]
    return "\n".join(lines).replace("\xa0", " ")


def main(
    study: Study,
    arguments: Sequence[str] | None = None,
    run: Runner | None = None,
    console: Console | None = None,
) -> int:
    """The command line of a study.

    Args:
        study: which.
        arguments: None: those of the process.
        run: None: ``tiprdc_fl.simulate.run``.
        console: None: the terminal.

    Returns:
        the exit status: 0, 2 after a user's mistake, 130 after an interrupt.
    """
    given = sys.argv[1:] if arguments is None else arguments

    def work() -> None:
        options = parse_study(study.name, help_of(study), given, study.takes_other)
        conduct(study, options, run or _simulator(), console or Console())

    return exit_status(work, "interrupted; the same command resumes")


def _simulator() -> Runner:
    from tiprdc_fl.simulate import run  # late: it imports torch and Flower, which --help needs not

    return run


def start(study: Study) -> NoReturn:
    """The process of a study, from its arguments to its exit status."""
    leave(main(study))
