"""Stage 2: the engine does the work of the contributors whose answers count."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

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
from tiprdc_fl.stages.train import Trained
from tiprdc_fl.store.feature_store import FeatureStore, stored_contributors
from tiprdc_fl.store.lance import erase
from tiprdc_fl.store.withdrawal import check_removed, withdrawn

MOMENTS = ("wanted", "begun", "sending", "downloaded", "computed", "receiving", "ended", "stopped")


def requests_table(population: Population, course: Course) -> pa.Table:
    """A row for each request of the virtual clock; everything in it is modelled.

    Columns: contributor, device_class, attempt, the moments of ``devices.requests.Request`` (seconds from the
    beginning of the collection; null where the request did not get that far), computing (seconds), outcome, twice,
    down_bytes, up_bytes, examples.
    """
    requests = course.requests
    places = np.array([request.place for request in requests], np.int64)
    titles = np.array(titles_of(population), object)

    def moments(name: str) -> pa.Array:
        values = np.array([getattr(request, name) for request in requests], float)
        return pa.array(np.where(np.isfinite(values), values, np.nan), from_pandas=True)

    table = pa.table(
        {
            "contributor": pa.array(population.people[places], pa.int64()),
            "device_class": pa.array(titles[population.work.group[places]], pa.string()),
            "attempt": pa.array([request.attempt for request in requests], pa.int32()),
            **{name: moments(name) for name in MOMENTS},
            "computing": pa.array([request.computing for request in requests], pa.float64()),
            "outcome": pa.array([request.outcome for request in requests], pa.string()),
            "twice": pa.array([request.twice for request in requests], pa.bool_()),
            "down_bytes": pa.array([request.down_bytes for request in requests], pa.int64()),
            "up_bytes": pa.array([request.up_bytes for request in requests], pa.int64()),
            "examples": pa.array(population.work.examples[places], pa.int64()),
        }
    )
    return table.replace_schema_metadata({"about": "modelled: requests of the virtual clock, not measured"})


@dataclass(frozen=True)
class CourseSummary:
    """How a course on the virtual clock ended: the content of ``course.json``.

    Attributes:
        seconds: until the collection was over, modelled.
        given_up: contributors asked in vain as often as allowed.
        enough: whether the strategy reached its goal; None for a strategy without one.
        never_came: contributors wanted until the end who were not available in time.
    """

    seconds: float
    given_up: int
    enough: bool | None
    never_came: int


def summary_of(course: Course) -> CourseSummary:
    """The summary of a course."""
    return CourseSummary(
        seconds=course.seconds,
        given_up=len(course.given_up),
        enough=course.enough,
        never_came=course.never_came,
    )


def worked_on(contributions: pa.Table, population: Population) -> pa.Table:
    """The contributions with the number of examples behind each, where a contributor stores one item for all."""
    order = np.argsort(population.people)
    people = contributions.column("contributor").to_numpy()
    places = order[np.searchsorted(population.people[order], people)]
    examples = pa.array(population.work.examples[places], contributions.schema.field("examples").type)
    return contributions.set_column(contributions.column_names.index("examples"), "examples", examples)


def measured_table(contributions: pa.Table, population: Population) -> pa.Table:
    """``latency.parquet``: what was measured of each contributor on this host, and its device's class."""
    order = np.argsort(population.people)
    people = contributions.column("contributor").to_numpy()
    places = order[np.searchsorted(population.people[order], people)]
    titles = np.array(titles_of(population), object)[population.work.group[places]]
    table = contributions.append_column("device_class", pa.array(titles, pa.string()))
    return table.replace_schema_metadata({"about": "measured on this host; device_class is the model's"})


@dataclass(frozen=True, eq=False)
class CollectionResult:
    """What stage 2 hands on.

    Attributes:
        store: the features, as the collection left them.
        contributions: a row for each stored contribution, see ``report.figures.federation.per_contributor``.
        population: the contributors with their devices, and what was asked of them.
        requests: of the virtual clock, see ``requests_table``.
        course: how the virtual clock's course ended.
        outcome: who answered and who failed, in all sessions.
        withdrawn: ids of the contributors who had withdrawn by then.
    """

    store: FeatureStore
    contributions: pa.Table
    population: Population
    requests: pa.Table
    course: CourseSummary
    outcome: Collected
    withdrawn: frozenset[int]

    @property
    def asked(self) -> set[int]:
        """Ids of the contributors who were asked on the virtual clock."""
        return set(self.requests.column("contributor").to_pylist())

    @property
    def answered(self) -> set[int]:
        """Ids of the contributors whose answers count there."""
        taken = np.array(self.requests.column("outcome").to_pylist(), object) == "answered"
        return set(self.requests.column("contributor").to_numpy()[taken].tolist())


def collect_features(current: Run, trained: Trained) -> CollectionResult:
    """Stage 2: who is asked extracts and sends; who is stored already is not asked again.

    The virtual clock decides whose answers count (see ``stages.plan``). An engine does the work of these
    contributors and of nobody else. Where it fails, the clock is told, and the engine works for whoever is
    asked instead.

    Raises:
        InputError: nobody sent features, or a file of the run folder is damaged or cannot be written.
    """
    write_json(current.folder.contributors, current.people.contributors.tolist())
    with timed(current.folder, "plan"):
        export(current, trained.path)
        population = populate(current, trained)
    store, course, outcome = _carry_out(current, population)
    write_collection(collection_of(current, current.folder, population.people[course.answered]))
    folder = current.folder
    with writing(folder.path), locked(folder.path):  # a withdrawal waits, or is known here
        gone = withdrawn(folder.path)
        check_removed(store.path, stored_contributors(store) & gone)
        if not len(store.keys):
            reason = "nobody has an example, or all have withdrawn"
            reason = outcome.failures[0].reason if outcome.failures else reason
            raise InputError(f"no contributor sent features; the first reason: {reason}")
        contributions = per_contributor(store.keys)
        if trained.extractor.architecture.per == "person":
            contributions = worked_on(contributions, population)
        return _note(current, population, course, store, contributions, outcome, gone)


def _note(
    current: Run,
    population: Population,
    course: Course,
    store: FeatureStore,
    contributions: pa.Table,
    outcome: Collected,
    gone: frozenset[int],
) -> CollectionResult:
    """Leaves what became of the collection in the run folder."""
    folder = current.folder
    requests, summary = requests_table(population, course), summary_of(course)
    write_table(folder.requests, requests)
    write_json(folder.course, asdict(summary))
    write_table(folder.latency, measured_table(contributions, population))
    if outcome.answered:  # figures of an earlier session do not know these
        folder.results.unlink(missing_ok=True)
    failures = tuple(failure for failure in outcome.failures if failure.contributor not in gone)
    outcome = remember(folder.collected, replace(outcome, failures=failures))
    return CollectionResult(
        store=store,
        contributions=contributions,
        population=population,
        requests=requests,
        course=summary,
        outcome=outcome,
        withdrawn=gone,
    )


def _carry_out(current: Run, population: Population) -> tuple[FeatureStore, Course, Collected]:
    """Repeats plan and collection until the clock knows of every contributor whose work fails."""
    course, outcome = plan(current, population), None
    _check_answers(current, course)
    while True:
        store, came = _collect(current, population.people[course.answered])
        outcome = came if outcome is None else add_collected(outcome, came)
        failing = {failure.contributor for failure in outcome.failures}
        worked, course = set(course.answered), plan(current, population, failing) if failing else course
        if worked.issuperset(course.answered):
            break
    _erase_others(store, population.people[course.answered])
    return store, course, outcome


def _check_answers(current: Run, course: Course) -> None:
    """Raises InputError where the plan has no answer that counts."""
    if course.answered:
        return
    counts = Counter(request.outcome for request in course.requests)
    became = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    raise InputError(
        f"strategy.name={current.config.strategy.name}: within {course.seconds:,.2f} modelled seconds no "
        f"answer counts (requests: {became or 'none'}); give it more time, or ask others"
    )


def _collect(current: Run, people: np.ndarray) -> tuple[FeatureStore, Collected]:
    """One collection from everybody who is not stored yet, and the store."""
    collection = collection_of(current, current.folder, people)
    write_collection(collection)
    store, asked = open_collection(collection)
    with (
        timed(current.folder, "collection"),
        stage(current.console, "collection", len(asked), "contributors") as advance,
    ):

        def on_answer(contributors: int, examples: int) -> None:
            advance(contributors)
            for callback in current.callbacks:
                callback.on_answer(contributors, examples)

        return store, ENGINES[current.config.federation.engine](collection, on_answer)


def _erase_others(store: FeatureStore, people: np.ndarray) -> None:
    """Removes contributions that came too late to count, once the clock knew whose work fails."""
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
