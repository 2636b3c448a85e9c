"""Contributors who withdraw: what they sent is removed from the run folder, that they withdrew is kept."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from tiprdc_fl.disk import draft_of, locked, reading, write_json, write_lines, write_table, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.store.lance import erase
from tiprdc_fl.store.paths import SAMPLES, RunFolder


def withdrawn(folder: Path) -> frozenset[int]:
    """Ids of the contributors who have withdrawn from the run that a folder belongs to.

    Args:
        folder: the run folder or one in it, such as ``controls/random``.

    Raises:
        InputError: the record cannot be read.
    """
    return frozenset(line["contributor"] for line in _record(_run_of(folder).withdrawals))


@contextmanager
def nobody_withdraws(folder: Path, before: frozenset[int]) -> Iterator[None]:
    """A block whose figures would hold, or miss, a contributor who withdraws in the midst of it.

    Args:
        folder: the run folder.
        before: ids of the contributors who had withdrawn when the features were read.

    Raises:
        InputError: another contributor has withdrawn since.
    """
    failed = None
    try:
        yield
    except InputError as error:  # a store that was changed under its reader
        failed = error
    if withdrawn(folder) != before:
        text = "contributors withdrew while their features were measured; run the same command again"
        raise InputError(f"{folder}: {text}") from failed
    if failed:
        raise failed


def check_removed(store: Path, contributors: Collection[int]) -> None:
    """Raises InputError where a store still has rows of contributors who have withdrawn."""
    if contributors:
        run, ids = _run_of(store.parent).path, " ".join(map(str, sorted(contributors)[:10]))
        raise InputError(
            f"{store}: holds rows of {len(contributors)} contributors who have withdrawn: a removal was "
            "interrupted or is under way; complete it with: "
            f"python -m tiprdc_fl.store withdraw {run} --contributor {ids}"
        )


def _run_of(folder: Path) -> RunFolder:
    """The nearest folder from here upwards that has a collection; ``folder`` itself where none has."""
    folders = map(RunFolder, (folder, *folder.parents))
    return next((run for run in folders if run.collection.is_file()), RunFolder(folder))


def _stale(run: RunFolder) -> tuple[Path, ...]:
    """Figures computed with contributors who withdrew, and the virtual clock's course: made again next."""
    return run.results, run.report_json, run.report_html, run.requests, run.course


def _record(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with reading(path):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [{"contributor": int(line["contributor"]), "time": line["time"]} for line in lines]


def withdraw(folder: Path, contributors: Collection[int]) -> dict[str, int]:
    """Records that contributors withdraw, then removes what they sent from every file of the run folder.

    The record comes first: from then on nobody asks or stores them, and the same call completes a removal that
    was interrupted, its own or an earlier one. Repeating it is harmless. ``partition.parquet`` stays: it says which
    example of which person the simulation dealt to whom, by number, and nothing of what is in it.

    Args:
        folder: the run folder.
        contributors: their ids.

    Returns:
        rows removed from each store, by its path within the folder.

    Raises:
        InputError: the folder cannot be written, or a file in it cannot be read.
    """
    run = RunFolder(folder)
    with writing(folder), locked(folder):
        _remember(run.withdrawals, contributors)
        gone = withdrawn(folder)
        for path in _stale(run):
            path.unlink(missing_ok=True)
        stores = sorted(path for path in folder.rglob("*.lance") if path.is_dir())
        removed = {str(path.relative_to(folder)): erase(path, gone) for path in stores}
        _clean_latency(run.latency, gone)
        _clean_quarantine(run.quarantine, gone)
        _clean_failures(run.collected, gone)
    return removed


def _remember(path: Path, contributors: Collection[int]) -> None:
    """Adds those to the record who are not in it."""
    lines, now = _record(path), datetime.now(UTC).isoformat(timespec="seconds")
    known = {line["contributor"] for line in lines}
    new = [{"contributor": one, "time": now} for one in sorted(set(contributors) - known)]
    if new:
        write_lines(path, [*lines, *new])


def _clean_latency(path: Path, gone: Collection[int]) -> None:
    draft_of(path).unlink(missing_ok=True)  # of a run that was killed
    if path.exists():
        with reading(path):
            table = pq.read_table(path)
        kept = table.filter(np.isin(table.column("contributor").to_numpy(), list(gone), invert=True))
        if len(kept) < len(table):
            write_table(path, kept)


def _clean_quarantine(folder: Path, gone: Collection[int]) -> None:
    """Drops their samples, and torn lines: whose these are nobody can say."""
    path = folder / SAMPLES
    draft_of(path).unlink(missing_ok=True)
    if path.exists():
        lines = [_parsed(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        kept = [line for line in lines if line is not None and line["contributor"] not in gone]
        if len(kept) < len(lines):
            write_lines(path, kept)


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "contributor" in found else None


def _clean_failures(path: Path, gone: Collection[int]) -> None:
    """Drops the reasons of their failures, which may quote what they sent."""
    if path.exists():
        with reading(path):
            told = json.loads(path.read_text(encoding="utf-8"))
            kept = [failure for failure in told["failures"] if failure["contributor"] not in gone]
        if len(kept) < len(told["failures"]):
            write_json(path, told | {"failures": kept})
