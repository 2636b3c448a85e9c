"""Stage 2: the engine does the work of the contributors whose answers count."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tiprdc_fl.devices.requests import Course
from tiprdc_fl.disk import locked, write_json, write_table, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import open_collection, write_collection
from tiprdc_fl.federation.collector import Collected, add_collected
from tiprdc_fl.federation.engine import ENGINES
from tiprdc_fl.report.figures.federation import per_contributor
from tiprdc_fl.stages.plan import Population, plan, populate, titles_of
from tiprdc_fl.stages.progress import stage
from tiprdc_fl.stages.run import Run, collection_of, export
from tiprdc_fl.stages.run_folder import timed
from tiprdc_fl.store.feature_store import stored_contributors
from tiprdc_fl.store.lance import erase
from tiprdc_fl.store.withdrawal import withdrawn

MOMENTS = ("wanted", "begun", "sending", "downloaded", "computed", "receiving", "ended", "stopped")


def requests_table(population: Population, course: Course) -> pa.Table:
    """A row for each request of the virtual clock; everything in it is modelled.

    Columns: contributor, device_class, attempt, the moments of ``devices.requests.Request`` (seconds from the
    beginning of the collection; null where the request did not get that far), computing (seconds), outcome, twice,
    down_bytes, up_bytes, examples.
    """
    requests = course.requests
    places = np.array([one.place for one in requests], np.int64)
    titles = np.array(titles_of(population), object)

    def moments(name: str) -> pa.Array:
        values = np.array([getattr(one, name) for one in requests], float)
        return pa.array(np.where(np.isfinite(values), values, np.nan), from_pandas=True)

    table = pa.table(
        {
            "contributor": pa.array(population.people[places], pa.int64()),
            "device_class": pa.array(titles[population.work.group[places]], pa.string()),
            "attempt": pa.array([one.attempt for one in requests], pa.int32()),
            **{name: moments(name) for name in MOMENTS},
            "computing": pa.array([one.computing for one in requests], pa.float64()),
            "outcome": pa.array([one.outcome for one in requests], pa.string()),
            "twice": pa.array([one.twice for one in requests], pa.bool_()),
            "down_bytes": pa.array([one.down_bytes for one in requests], pa.int64()),
            "up_bytes": pa.array([one.up_bytes for one in requests], pa.int64()),
            "examples": pa.array(population.work.examples[places], pa.int64()),
        }
    )
    return table.replace_schema_metadata({"about": "modelled: requests of the virtual clock, not measured"})


def summary_of(course: Course) -> dict[str, Any]:
    """``course.json``: how a course ended."""
    return {
        "seconds": course.seconds,
        "given_up": len(course.given_up),
        "enough": course.enough,
        "never_came": course.never_came,
    }


def measured_table(keys: pa.Table, population: Population) -> pa.Table:
    """``latency.parquet``: what was measured of each contributor on this host, and its device's class."""
    table = per_contributor(keys)
    order = np.argsort(population.people)
    people = table.column("contributor").to_numpy()
    places = order[np.searchsorted(population.people[order], people)]
    titles = np.array(titles_of(population), object)[population.work.group[places]]
    table = table.append_column("device_class", pa.array(titles, pa.string()))
    return table.replace_schema_metadata({"about": "measured on this host; device_class is the model's"})


def federate(current: Run) -> Collected:
    """Stage 2: who is asked extracts and sends; who is stored already is not asked again.

    Whose answers count is decided on the virtual clock (see ``planning``). An engine does the work of these, and of
    nobody else. Where it fails, the clock is told, and whoever is asked instead follows.
    """
    write_json(current.folder / "contributors.json", current.people.contributors.tolist())
    with timed(current.folder, "plan"):
        export(current, current.folder / "extractor.safetensors")
        population = populate(current)
    course, collected = _carry_out(current, population)
    folder, people = current.folder, population.people[course.answered]
    collection = collection_of(current, folder, people)
    write_collection(collection)
    with writing(folder), locked(folder):  # a withdrawal waits, or is known here
        store, _ = open_collection(collection)
        if not len(store.keys):
            reason = "nobody has an example, or all have withdrawn"
            reason = collected.failures[0].reason if collected.failures else reason
            raise InputError(f"no contributor sent features; the first reason: {reason}")
        write_table(folder / "requests.parquet", requests_table(population, course))
        write_json(folder / "course.json", summary_of(course))
        write_table(folder / "latency.parquet", measured_table(store.keys, population))
        if collected.answered:  # figures of an earlier session do not know these
            (folder / "results.json").unlink(missing_ok=True)
        gone = withdrawn(folder)
        failures = tuple(one for one in collected.failures if one.contributor not in gone)
        return remember(folder / "collected.json", replace(collected, failures=failures))


def _carry_out(current: Run, population: Population) -> tuple[Course, Collected]:
    """The engine works for those whose answers count, until nobody fails whom the clock does not know to fail."""
    course, collected = plan(current, population), None
    if not course.answered:
        counts = Counter(one.outcome for one in course.requests)
        became = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        raise InputError(
            f"strategy.name={current.config.strategy.name}: within {course.seconds:,.2f} modelled seconds no "
            f"answer counts (requests: {became or 'none'}); give it more time, or ask others"
        )
    while True:
        came = _collect(current, population.people[course.answered])
        collected = came if collected is None else add_collected(collected, came)
        failing = {failure.contributor for failure in collected.failures}
        worked, course = set(course.answered), plan(current, population, failing) if failing else course
        if worked.issuperset(course.answered):
            break
    _forget_others(current, population.people[course.answered])
    return course, collected


def _collect(current: Run, people: np.ndarray) -> Collected:
    """One collection, from all that are not stored yet."""
    collection = collection_of(current, current.folder, people)
    write_collection(collection)
    _, asked = open_collection(collection)
    with (
        timed(current.folder, "collection"),
        stage(current.console, "collection", len(asked), "contributors") as advance,
    ):
        return ENGINES[current.config.federation.engine](
            collection, lambda contributors, examples: advance(contributors)
        )


def _forget_others(current: Run, people: np.ndarray) -> None:
    """Removes who was asked before it was known that somebody's work fails, and then came too late to count."""
    store, _ = open_collection(collection_of(current, current.folder, people))
    others = stored_contributors(store) - set(people.tolist())
    if others:
        erase(store.path, others)


def remember(path: Path, collected: Collected) -> Collected:
    """Writes what became of the collection; a session that nobody answered keeps the last one's measurements."""
    if path.exists() and not collected.answered:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: earlier[name] for name in ("worker_memory_bytes", "examples", "seconds", "asked_again")}
        collected = replace(collected, **kept)
    write_json(path, asdict(collected))
    return collected
