"""Withdrawal: a contributor's data is removed from the run folder, and a record of the withdrawal is kept."""

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
    """Ids of the contributors who have withdrawn from a run.

    Args:
        folder: the run folder, or a folder in it such as ``controls/random``.

    Raises:
        InputError: the record cannot be read.
    """
    return frozenset(line["contributor"] for line in _record(_run_of(folder).withdrawals))


@contextmanager
def nobody_withdraws(folder: Path, before: frozenset[int]) -> Iterator[None]:
    """Guards a block that measures figures: a withdrawal since the features were read would make them wrong.

    Args:
        folder: the run folder.
        before: ids of the contributors who had withdrawn when the features were read.

    Raises:
        InputError: another contributor has withdrawn since.
    """
    failed = None
    try:
        yield
    except InputError as error:  # a withdrawal may have changed the store while the block read it
        failed = error
    if withdrawn(folder) != before:
        text = "contributors withdrew while their features were measured; run the same command again"
        raise InputError(f"{folder}: {text}") from failed
    if failed:
        raise failed


@contextmanager
def while_nobody_withdraws(folder: Path, before: frozenset[int]) -> Iterator[None]:
    """A block that writes figures; a withdrawal waits until it is over.

    Args:
        folder: the run folder.
        before: ids of the contributors who had withdrawn when the features were read.

    Raises:
        InputError: another contributor has withdrawn since; the block is not entered.
    """
    with writing(folder), locked(folder):
        with nobody_withdraws(folder, before):
            pass
        yield


def check_removed(store: Path, contributors: Collection[int]) -> None:
    """Checks that a store holds no rows of contributors who have withdrawn.

    Args:
        store: path of the store.
        contributors: ids of withdrawn contributors that the store holds.

    Raises:
        InputError: there are such contributors.
    """
    if contributors:
        run, ids = _run_of(store.parent).path, " ".join(map(str, sorted(contributors)[:10]))
        raise InputError(
            f"{store}: holds rows of {len(contributors)} contributors who have withdrawn: a removal was "
            "interrupted or is under way; complete it with: "
            f"python -m tiprdc_fl.store withdraw {run} --contributor {ids}"
        )


def _run_of(folder: Path) -> RunFolder:
    """The nearest run folder, from here upwards, with a collection; ``folder`` itself if there is none."""
    candidates = map(RunFolder, (folder, *folder.parents))
    return next((run for run in candidates if run.collection.is_file()), RunFolder(folder))


def _stale(run: RunFolder) -> tuple[Path, ...]:
    """Figures computed with withdrawn data, and the clock's requests; the next run makes them anew."""
    return run.results, run.predictions, run.report_json, run.report_html, run.requests, run.course


def _record(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with reading(path):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [{"contributor": int(line["contributor"]), "time": line["time"]} for line in lines]


def withdraw(folder: Path, contributors: Collection[int]) -> dict[str, int]:
    """Records that contributors withdraw, then removes what they sent from every file of the run folder.

    The record is written first. From then on no process asks these contributors or stores their contributions, and
    any later call completes a removal that was interrupted. Repeating a call is harmless. ``partition.parquet``
    stays: it holds the numbers of the examples that the simulation assigned to contributors, not the examples.

    Args:
        folder: the run folder.
        contributors: ids of the contributors who withdraw.

    Returns:
        Number of rows removed from each store, by the store's path within the folder.

    Raises:
        InputError: the folder cannot be written, or a file in it cannot be read.
    """
    run = RunFolder(folder)
    with writing(folder), locked(folder):
        _record_withdrawal(run.withdrawals, contributors)
        departed = withdrawn(folder)
        for path in _stale(run):
            path.unlink(missing_ok=True)
        stores = sorted(path for path in folder.rglob("*.lance") if path.is_dir())
        removed = {str(path.relative_to(folder)): erase(path, departed) for path in stores}
        _clean_latency(run.latency, departed)
        _clean_quarantine(run.quarantine, departed)
        _clean_failures(run.collected, departed)
    return removed


def _record_withdrawal(path: Path, contributors: Collection[int]) -> None:
    """Adds the contributors whom the record lacks."""
    lines, now = _record(path), datetime.now(UTC).isoformat(timespec="seconds")
    known = {line["contributor"] for line in lines}
    new = [{"contributor": contributor, "time": now} for contributor in sorted(set(contributors) - known)]
    if new:
        write_lines(path, [*lines, *new])


def _clean_latency(path: Path, departed: Collection[int]) -> None:
    draft_of(path).unlink(missing_ok=True)  # left by a run that was killed
    if path.exists():
        with reading(path):
            table = pq.read_table(path)
        kept = table.filter(np.isin(table.column("contributor").to_numpy(), list(departed), invert=True))
        if len(kept) < len(table):
            write_table(path, kept)


def _clean_quarantine(folder: Path, departed: Collection[int]) -> None:
    """Drops the samples of withdrawn contributors, and torn lines, whose contributor is unknown."""
    path = folder / SAMPLES
    draft_of(path).unlink(missing_ok=True)
    if path.exists():
        lines = [
            _parse_sample(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        ]
        kept = [line for line in lines if line is not None and line["contributor"] not in departed]
        if len(kept) < len(lines):
            write_lines(path, kept)


def _parse_sample(line: str) -> dict[str, Any] | None:
    """A line of the quarantine file; None if it is torn."""
    try:
        sample = json.loads(line)
    except ValueError:
        return None
    return sample if isinstance(sample, dict) and "contributor" in sample else None


def _clean_failures(path: Path, departed: Collection[int]) -> None:
    """Drops the failures of withdrawn contributors; their reasons may quote what was sent."""
    if path.exists():
        with reading(path):
            outcome = json.loads(path.read_text(encoding="utf-8"))
            kept = [failure for failure in outcome["failures"] if failure["contributor"] not in departed]
        if len(kept) < len(outcome["failures"]):
            write_json(path, outcome | {"failures": kept})
