"""Reading report.json of a run folder: found, whole, and of a version that is understood."""

import json
from pathlib import Path
from typing import Any

from tiprdc_fl.errors import InputError
from tiprdc_fl.report.schema import SCHEMA_VERSION

OLDEST = 3  # version whose fields are still read
_ROWS, _PARTS = ("groups", "worst_off"), ("partition", "devices", "strategy", "latency")  # since version 4
# What every version that is read has, by type; the rest may be missing.
_FIELDS = {
    **dict.fromkeys(("name", "run_dir", "caveat"), str),
    **dict.fromkeys(("configuration", "environment", "people", "federation", "seconds", "memory"), dict),
    **dict.fromkeys(("results", "curve", "reidentification", "training"), list),
    "co_trained_adversary": dict,
}


def read_report(folder: Path) -> dict[str, Any]:
    """The report of a finished run.

    Raises:
        InputError: no run folder, an unfinished run, a damaged report or one of a version that is not read.
    """
    path = folder / "report.json"
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such run folder; name one that tiprdc_fl.simulate has made")
    if not path.is_file():
        if not (folder / "config.yaml").is_file():
            raise InputError(f"{folder}: is no run folder; name one that tiprdc_fl.simulate has made")
        raise InputError(
            f"{folder}: the run is not finished, it has no report.json; complete it with: "
            f"python -m tiprdc_fl.simulate --config {folder / 'config.yaml'} run_dir={folder}"
        )
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); allow it to be read") from error
    except ValueError as error:
        raise _damaged(folder, f"it is no JSON: {error}") from error
    _check(folder, report)
    return completed(report)


def completed(report: dict[str, Any]) -> dict[str, Any]:
    """A report with the parts that its version did not know yet: empty, or null."""
    return {**{name: [] for name in _ROWS}, **dict.fromkeys(_PARTS), **report}


def _check(folder: Path, report: Any) -> None:
    """Raises InputError where a report lacks what every report has."""
    if not isinstance(report, dict) or not isinstance(report.get("schema_version"), int):
        raise _damaged(folder, "it has no schema_version")
    version = report["schema_version"]
    if not OLDEST <= version <= SCHEMA_VERSION:
        raise InputError(
            f"{folder / 'report.json'}: is of version {version}, and versions {OLDEST} to {SCHEMA_VERSION} are "
            "read; use the version of tiprdc_fl that wrote it, or repeat the run"
        )
    wrong = [name for name, kind in _FIELDS.items() if not isinstance(report.get(name), kind)]
    if wrong:
        raise _damaged(folder, f"missing or of another type: {', '.join(wrong)}")
    if not report["results"]:
        raise _damaged(folder, "its results are empty")


def _damaged(folder: Path, reason: str) -> InputError:
    return InputError(
        f"{folder / 'report.json'}: is damaged ({reason}); to write it anew from what was measured: "
        f"python -m tiprdc_fl.simulate --config {folder / 'config.yaml'} run_dir={folder}"
    )
