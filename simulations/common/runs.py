"""The runs behind a study: which there are, which are finished, and running the rest."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from simulations.common.arguments import Options
from simulations.common.digests import deciding, digest, settled
from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.errors import InputError
from tiprdc_fl.report.schema import Report
from tiprdc_fl.store.paths import RunFolder

Runner = Callable[..., Report]


@dataclass(frozen=True)
class Case:
    """One point of a sweep.

    Attributes:
        label: what the user reads, different from every other case's.
        overrides: the keys it sets, ``key=value``.
        facts: what the table's label columns say of it.
        extractor_of: label of an earlier case whose extractor this one uses; "" for its own.
    """

    label: str
    overrides: tuple[str, ...]
    facts: dict[str, Any]
    extractor_of: str = ""


@dataclass(frozen=True)
class Planned:
    """One run of a study: a case with a seed; its configuration names the run folder."""

    case: Case
    config: Config

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(str(self.config.run_dir))


def plan(cases: Sequence[Case], options: Options, defaults: Sequence[str], seed: int) -> list[Planned]:
    """Every run of the study, seed by seed, with every configuration checked.

    Args:
        cases: the sweep.
        options: the user's arguments.
        defaults: the study's, as ``key=value``.
        seed: the first one; the others follow it.

    Raises:
        InputError: a configuration is wrong.
    """
    from tiprdc_fl.stages.registries import load_config  # late: it imports torch, which --help needs not

    planned: list[Planned] = []
    for number in range(seed, seed + options.seeds):
        folders: dict[str, Path] = {}
        for case in cases:
            own = [*case.overrides, f"seed={number}"]
            if case.extractor_of:
                trained = os.path.realpath(RunFolder(folders[case.extractor_of]).extractor)
                own.append(f"training.extractor={trained}")
            config = settled(load_config(options.preset, [*defaults, *options.overrides, *own]))
            folders[case.label] = _folder_of(config, options.out / "runs" / digest(config))
            planned.append(Planned(case, replace(config, run_dir=str(folders[case.label]))))
    return planned


def _folder_of(config: Config, folder: Path) -> Path:
    """``folder``, or the first of folder-2, folder-3, ... without the report of something else."""
    for number in count(1):
        free = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        if not RunFolder(free).report_json.exists() or finished(config, free) is not None:
            break
    return free


def finished(config: Config, folder: Path) -> Report | None:
    """The report in a run folder, if it is complete, of this configuration and of the code as it is now."""
    from tiprdc_fl.stages.current import code_digest  # late: it imports torch, which --help needs not

    try:
        report = Report.model_validate_json(RunFolder(folder).report_json.read_bytes())
    except (OSError, ValidationError):
        return None
    stored = flatten(report.configuration)
    same = all(stored[key] == value for key, value in deciding(config).items())
    return report if same and report.environment.code == code_digest("results") else None


def perform(planned: Sequence[Planned], run: Runner, console: Console) -> list[Report]:
    """The report of every planned run, in their order; what is finished is not run again.

    Raises:
        InputError: a run cannot be done; its case is named.
    """
    reports = []
    for position, planned_run in enumerate(planned, start=1):
        report = finished(planned_run.config, planned_run.folder)
        note = "" if report is None else f", found in {planned_run.folder}"
        seed = (
            f", seed {planned_run.config.seed}" if len({other.config.seed for other in planned}) > 1 else ""
        )
        line = f"case {position} of {len(planned)}: {planned_run.case.label}{seed}{note}"
        console.print(line, highlight=False, markup=False, soft_wrap=True, style="bold")
        reports.append(report or _run(planned_run, run, console))
    return reports


def _run(planned_run: Planned, run: Runner, console: Console) -> Report:
    try:
        return run(planned_run.config, console, quiet=True)
    except InputError as error:
        raise InputError(f"{planned_run.case.label}: {error}") from error
