"""The files of a study: CSV, PNG and JSON, each whole or not at all."""

import csv
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from simulations.common.figures import Column, Row, flat, flat_names
from simulations.common.output import PAPER_NOTE, Outcome
from simulations.common.pictures import save_picture
from tiprdc_fl.config.keys import flatten
from tiprdc_fl.errors import InputError

SIZE = (12.0, 8.0)  # inches


def publish(outcome: Outcome, out: Path, draw: Callable[[Figure, Outcome], None]) -> list[Path]:
    """Writes OUT/<study>-<dataset>.csv, .png and .json; returns their paths.

    Where these are of the study with another configuration, the names get six digits of this one's digest.

    Raises:
        InputError: a file cannot be written.
    """
    from tiprdc_fl.disk import write_json, write_text  # late: --help does not wait for Arrow

    name = _name(outcome, out)
    write_text(out / f"{name}.csv", as_csv(outcome.columns, outcome.rows))
    _write_picture(out / f"{name}.png", outcome, draw)
    write_json(out / f"{name}.json", as_json(outcome))
    return [out / f"{name}.{ending}" for ending in ("csv", "png", "json")]


def open_out(out: Path) -> None:
    """Makes the folder of runs and results, before anything is run for it.

    Raises:
        InputError: it cannot be made or written.
    """
    try:
        (out / "runs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(_unwritable(out, error.strerror)) from error
    if not os.access(out, os.W_OK | os.X_OK):
        raise InputError(_unwritable(out, "no permission"))


def _unwritable(out: Path, reason: str | None) -> str:
    return f"out={out} cannot be written: {reason}; name another folder with out=DIR"


def _name(outcome: Outcome, out: Path) -> str:
    """The files' name: what another configuration has left stays as it is."""
    plain = re.sub(r"[^\w.+-]", "_", f"{outcome.study}-{outcome.config.data.name}")
    try:
        held = json.loads((out / f"{plain}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return plain
    ours = isinstance(held, dict) and held.get("identity") == outcome.identity
    return plain if ours else f"{plain}-{outcome.identity[:6]}"


def as_csv(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """The table with a line of names; shares of 1, empty where a figure is not defined."""
    text = io.StringIO()
    writer = csv.DictWriter(text, flat_names(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat(columns, row) for row in rows)
    return text.getvalue()


def as_json(outcome: Outcome) -> dict[str, object]:
    """The table and all that is needed to understand and repeat it."""
    from tiprdc_fl.report.schema import CAVEAT  # late, as above

    return {
        "study": outcome.study,
        "question": outcome.question,
        "dataset": outcome.config.data.name,
        "caption": outcome.caption,
        "intervals": outcome.intervals,
        "seeds": list(outcome.seeds),
        "columns": [asdict(column) for column in outcome.columns],
        "rows": [flat(outcome.columns, row) for row in outcome.rows],
        "paper": [asdict(figure) for figure in outcome.paper],
        "paper_note": PAPER_NOTE,
        "runs": [{"case": case, "seed": seed, "folder": folder} for case, seed, folder in outcome.runs],
        "configuration": flatten(outcome.config),
        "identity": outcome.identity,
        "caveat": CAVEAT,
    }


def _write_picture(path: Path, outcome: Outcome, draw: Callable[[Figure, Outcome], None]) -> None:
    save_picture(path, SIZE, "\n".join(_title(outcome)), lambda figure: draw(figure, outcome))


def _title(outcome: Outcome) -> Iterator[str]:
    yield outcome.question
    people, measured, *others = outcome.caption.split("; ")
    yield f"{people}; {measured}"
    yield from others
