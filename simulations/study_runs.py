"""The runs behind a study: which there are, which are finished, and running the rest."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from simulations.study_arguments import Options
from simulations.study_figures import Report
from tiprdc_fl.config import Config, flatten, nest
from tiprdc_fl.config_reading import load_config
from tiprdc_fl.errors import InputError
from tiprdc_fl.run_folder import FREE_KEYS

# What does not decide a run's figures: two configurations that differ in these only are one run.
_NO_FIGURE = {*FREE_KEYS, "training.library"}

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
    planned: list[Planned] = []
    for number in range(seed, seed + options.seeds):
        folders: dict[str, Path] = {}
        for case in cases:
            own = [*case.overrides, f"seed={number}"]
            if case.extractor_of:
                own.append(f"training.extractor={folders[case.extractor_of] / 'extractor.safetensors'}")
            config = load_config(options.preset, [*defaults, *options.overrides, *own])
            folders[case.label] = options.out / "runs" / digest(config)
            planned.append(Planned(case, replace(config, run_dir=str(folders[case.label]))))
    return planned


def digest(config: Config) -> str:
    """Twelve hexadecimal digits that name a configuration: equal for runs with equal figures."""
    text = json.dumps(_deciding(flatten(config)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _deciding(flat: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in flat.items() if name not in _NO_FIGURE}


def finished(one: Planned) -> Report | None:
    """The report of a run that is complete and has this configuration, else None."""
    try:
        report = json.loads((one.folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = json.loads(json.dumps(nest(_deciding(flatten(one.config)))))
    return report if _holds(report.get("configuration"), wanted) else None


def _holds(stored: Any, wanted: Any) -> bool:
    """Whether every wanted key is stored with an equal value."""
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and all(
            k in stored and _holds(stored[k], v) for k, v in wanted.items()
        )
    return stored == wanted


def perform(planned: Sequence[Planned], run: Runner, console: Console) -> list[Report]:
    """The report of every planned run, in their order; what is finished is not run again.

    Raises:
        InputError: a run cannot be done; its case is named.
    """
    reports = []
    for position, one in enumerate(planned, start=1):
        report = finished(one)
        found = "" if report is None else f", found in {one.folder}"
        seed = f", seed {one.config.seed}" if len({other.config.seed for other in planned}) > 1 else ""
        line = f"case {position} of {len(planned)}: {one.case.label}{seed}{found}"
        console.print(line, highlight=False, markup=False, soft_wrap=True, style="bold")
        reports.append(report or _run(one, run, console))
    return reports


def _run(one: Planned, run: Runner, console: Console) -> Report:
    try:
        return run(one.config, console, quiet=True)
    except InputError as error:
        raise InputError(f"{one.case.label}: {error}") from error
