"""What every study shares: a sweep over run(config) that resumes, and one table, picture and JSON of it.

A study is a ``Study``: cases, columns, what a report contributes to the table, and how it is drawn. Finished
runs lie in OUT/runs under a digest of their configuration, trained extractors in OUT/extractors: studies share
both, and the same command goes on where it stopped.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from matplotlib.figure import Figure
from rich.console import Console

from simulations.paper import Published
from simulations.study_arguments import (
    OUT,
    Options,
    dataset_of,
    defaults_of,
    modality_of,
    parse_study,
    refuse_swept,
    refuse_words,
)
from simulations.study_figures import Column, Report, Row, combine
from simulations.study_output import Outcome, caption_of, publish, show_table
from simulations.study_runs import Case, Planned, Runner, perform, plan
from tiprdc_fl.config import Config
from tiprdc_fl.config_reading import load_config
from tiprdc_fl.errors import InputError

INTERRUPTED = 130  # the shell's status for a process ended by SIGINT


@dataclass(frozen=True)
class Study:
    """One study.

    Attributes:
        name: of its module.
        question: what it answers, in one line.
        about: what the paper has on it, and what to know about the comparison.
        paper: the paper's figures on it.
        cases: configuration and the user's arguments -> the sweep.
        columns: configuration -> the table's columns.
        measure: case and its report -> its rows of the table.
        draw: picture and outcome -> the picture drawn.
        finish: rows -> rows, for what depends on all of them.
        modalities: of the datasets it is for.
        dataset: the default one.
        defaults: ``key=value`` over the defaults of all studies.
        attributes: dataset -> ``key=value``, over ``defaults``.
        reads: keys that its cases set and that the user may give all the same: its cases are made from them.
        takes_other: whether ``other.key=value`` describes a second dataset.
    """

    name: str
    question: str
    about: str
    paper: tuple[Published, ...]
    cases: Callable[[Config, Options], list[Case]]
    columns: Callable[[Config], list[Column]]
    measure: Callable[[Case, Report], list[Row]]
    draw: Callable[[Figure, Outcome], None]
    finish: Callable[[list[Row]], list[Row]] = lambda rows: rows
    modalities: tuple[str, ...] = ("image", "text")
    dataset: str = "faces"
    defaults: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    takes_other: bool = False


def conduct(study: Study, options: Options, run: Runner, console: Console) -> Outcome:
    """Runs what is missing of a study, shows its table and writes its files.

    Args:
        study: which.
        options: the user's arguments.
        run: ``tiprdc_fl.simulate.run``, or what stands in for it.
        console: where stages and the table are shown.

    Raises:
        InputError: an argument or a configuration is wrong, a run cannot be done, a file cannot be written.
    """
    base, defaults = _base(study, options)
    cases = study.cases(base, options)
    refuse_swept(options.overrides, _swept(study, cases))
    planned = plan(cases, options, defaults, base.seed)
    reports = perform(planned, run, console)
    outcome = _outcome(study, base, planned, reports)
    show_table(outcome, console)
    for path in publish(outcome, options.out, study.draw):
        console.print(f"{path}", highlight=False, markup=False, soft_wrap=True)
    return outcome


def _base(study: Study, options: Options) -> tuple[Config, list[str]]:
    """The configuration that the cases change, and the study's defaults in it."""
    refuse_words(options.overrides)
    dataset = dataset_of(options, study.dataset)
    if modality_of(dataset) not in study.modalities:
        fitting = "text: chitchat or dial" if study.modalities == ("text",) else "images, such as faces"
        raise InputError(
            f"data.name={dataset}: simulations.{study.name} needs {fitting}; simulations.budget takes both"
        )
    own = [*study.defaults, *study.attributes.get(dataset, ())]
    defaults = defaults_of(options, dataset, own)
    base = load_config(options.preset, [*defaults, *options.overrides])
    return base, defaults


def _swept(study: Study, cases: Sequence[Case]) -> dict[str, list[str]]:
    """The keys that the cases set, with their values."""
    swept: dict[str, list[str]] = {}
    for name, _, value in (one.partition("=") for case in cases for one in case.overrides):
        if name not in study.reads:
            swept.setdefault(name, []).append(value)
    return swept


def _outcome(study: Study, base: Config, planned: Sequence[Planned], reports: Sequence[Report]) -> Outcome:
    """The study's table, with what its caption, JSON and picture need."""
    columns = study.columns(base)
    seeds = list(dict.fromkeys(one.config.seed for one in planned))
    tables = [
        [
            row
            for one, report in zip(planned, reports, strict=True)
            if one.config.seed == seed
            for row in study.measure(one.case, report)
        ]
        for seed in seeds
    ]
    return Outcome(
        study=study.name,
        question=study.question,
        config=base,
        columns=columns,
        rows=study.finish(combine(columns, tables)),
        runs=[(one.case.label, one.config.seed, str(one.folder)) for one in planned],
        caption=caption_of(base, reports, seeds),
        seeds=seeds,
        paper=study.paper,
    )


def help_of(study: Study) -> str:
    """One screen: what the study does, what the paper has, keys and defaults."""
    own = [*study.defaults, *study.attributes.get(study.dataset, ())]
    defaults = dict(one.split("=", 1) for one in defaults_of(Options(OUT, 1, None, ()), study.dataset, own))
    pairs = "  ".join(f"{name}={value}".replace(" ", "\xa0") for name, value in defaults.items())
    other = (
        ["  other.KEY=VALUE  of the second dataset: a key of data, or clients"] if study.takes_other else []
    )
    lines = [
        *(study.question, "", *textwrap.wrap(study.about, 78), "", "keys of the study:"),
        f"  out=DIR          folder of runs, extractors and results ({OUT})",
        "  seeds=K          repeat with K seeds: mean and interval over them (1)",
        *(*other, "", "its defaults; every other key: python -m tiprdc_fl.simulate --help"),
        *textwrap.wrap(pairs, 78, initial_indent="  ", subsequent_indent="  ", break_long_words=False),
        *("", "Writes a table (CSV), a picture (PNG) and both as JSON into out. The same command resumes."),
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
    try:
        options = parse_study(study.name, help_of(study), given, study.takes_other)
        conduct(study, options, run or _simulator(), console or Console())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command resumes", file=sys.stderr)
        return INTERRUPTED
    return 0


def _simulator() -> Runner:
    from tiprdc_fl.simulate import run  # late: it imports torch and Flower, which --help needs not

    return run


def leave(status: int) -> NoReturn:
    """Ends the process. After an interrupt at once: Flower's threads may wait for ever for Ray's."""
    sys.stdout.flush()
    sys.stderr.flush()
    if status == INTERRUPTED:
        os._exit(status)
    sys.exit(status)
