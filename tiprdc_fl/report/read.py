"""Reading report.json of a run folder: present, whole, and of the version that is understood."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tiprdc_fl.errors import InputError
from tiprdc_fl.report.schema import SCHEMA_VERSION, Report
from tiprdc_fl.store.paths import RunFolder

_SHOWN = 3  # fields of a damaged report that an error names


def read_report(folder: Path) -> Report:
    """The report of a finished run.

    Raises:
        InputError: no run folder, an unfinished run, a damaged report or one of another version.
    """
    run = RunFolder(folder)
    path = run.report_json
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such run folder; name one that tiprdc_fl.simulate has made")
    if not path.is_file():
        if not run.config.is_file():
            raise InputError(f"{folder}: is no run folder; name one that tiprdc_fl.simulate has made")
        raise InputError(
            f"{folder}: the run is not finished, it has no report.json; complete it with: "
            f"python -m tiprdc_fl.simulate --config {run.config} run_dir={folder}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); allow it to be read") from error
    except ValueError as error:
        raise _damaged(folder, f"it is no JSON: {error}") from error
    return _parsed(folder, content)


def _parsed(folder: Path, content: Any) -> Report:
    """The report in the content of a report.json."""
    if not isinstance(content, dict) or not isinstance(content.get("schema_version"), int):
        raise _damaged(folder, "it has no schema_version")
    if content["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"{RunFolder(folder).report_json}: is of version {content['schema_version']}, and version "
            f"{SCHEMA_VERSION} is read; use the version of tiprdc_fl that wrote it, or repeat the run"
        )
    try:
        return Report.model_validate(content)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise _damaged(folder, "; ".join([*faults[:_SHOWN], *more])) from error


def _damaged(folder: Path, reason: str) -> InputError:
    return InputError(
        f"{RunFolder(folder).report_json}: is damaged ({reason}); to write it anew from what was measured: "
        f"python -m tiprdc_fl.simulate --config {RunFolder(folder).config} run_dir={folder}"
    )
