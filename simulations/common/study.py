"""What every study shares: a sweep over run(config) that resumes, and one table, picture and JSON of it.

A study is a ``Study``: cases, columns, what a report contributes to the table, and how it is drawn. Finished
runs lie in OUT/runs under a digest of configuration, data and code, trained extractors in OUT/extractors: studies
share both, and the same command goes on where it stopped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure
from rich.console import Console

from simulations.common.arguments import Options, dataset_of, defaults_of, refuse_swept, refuse_words, root_of
from simulations.common.datasets import modality_of
from simulations.common.digests import identity, settled
from simulations.common.figures import Column, Report, Row, combine
from simulations.common.files import open_out, publish
from simulations.common.output import Outcome, caption_of, show_table
from simulations.common.paper import Published
from simulations.common.runs import Case, Planned, Runner, perform, plan
from tiprdc_fl.config.keys import Config
from tiprdc_fl.errors import InputError

PAPER_CELLS = "the paper's figures: plain accuracy on its own data"


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
        compare: rows of one seed -> rows, for what sets one case against another.
        finish: rows -> rows, for what depends on all of them.
        modalities: of the datasets it is for.
        dataset: the default one.
        defaults: ``key=value`` over the defaults of all studies.
        attributes: dataset -> ``key=value``, over ``defaults``.
        reads: keys that its cases set and that the user may give all the same: its cases are made from them.
        note: what the table's caption adds, without semicolons.
        takes_other: whether ``other.key=value`` describes a second dataset.
        figure: the paper's figure or table that it is about, "" for none.
    """

    name: str
    question: str
    about: str
    paper: tuple[Published, ...]
    cases: Callable[[Config, Options], list[Case]]
    columns: Callable[[Config], list[Column]]
    measure: Callable[[Case, Report], list[Row]]
    draw: Callable[[Figure, Outcome], None]
    compare: Callable[[list[Row]], list[Row]] = lambda rows: rows
    finish: Callable[[list[Row]], list[Row]] = lambda rows: rows
    modalities: tuple[str, ...] = ("image", "text")
    dataset: str = "faces"
    defaults: tuple[str, ...] = ()
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    note: str = ""
    takes_other: bool = False
    figure: str = ""


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
    open_out(options.out)
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
    from tiprdc_fl.stages.registries import load_config  # late: it imports torch, which --help needs not

    refuse_words(options.overrides)
    dataset = dataset_of(options, study.dataset)
    if modality_of(dataset, root_of(options)) not in study.modalities:
        texts = study.modalities == ("text",)
        fitting = "text: chitchat, dial or a folder with it" if texts else "images, such as faces"
        raise InputError(f"data.name={dataset}: simulations.{study.name} needs {fitting}")
    own = [*study.defaults, *study.attributes.get(dataset, ())]
    defaults = defaults_of(options, dataset, own)
    base = settled(load_config(options.preset, [*defaults, *options.overrides]))
    return base, defaults


def _swept(study: Study, cases: Sequence[Case]) -> dict[str, list[str]]:
    """The keys that the cases set, with their values."""
    swept: dict[str, list[str]] = {}
    for name, _, value in (override.partition("=") for case in cases for override in case.overrides):
        if name not in study.reads:
            swept.setdefault(name, []).append(value)
    return swept


def _outcome(study: Study, base: Config, planned: Sequence[Planned], reports: Sequence[Report]) -> Outcome:
    """The study's table, with what its caption, JSON and picture need."""
    columns = study.columns(base)
    seeds = list(dict.fromkeys(run.config.seed for run in planned))
    pairs = list(zip(planned, reports, strict=True))
    tables = [
        study.compare(
            [
                row
                for run, report in pairs
                if run.config.seed == seed
                for row in study.measure(run.case, report)
            ]
        )
        for seed in seeds
    ]
    rows = study.finish(combine(columns, tables))
    notes = [study.note] if study.note else []
    if any(row.get(column.key) is not None for row in rows for column in columns if column.kind == "paper"):
        notes.append(PAPER_CELLS)
    return Outcome(
        study=study.name,
        question=study.question,
        config=base,
        columns=columns,
        rows=rows,
        runs=[(run.case.label, run.config.seed, str(run.folder)) for run in planned],
        caption=caption_of(base, reports, seeds, notes),
        seeds=seeds,
        paper=study.paper,
        identity=identity([run.config for run in planned if run.config.seed == base.seed]),
    )
