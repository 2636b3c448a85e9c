"""The stages of a run; each leaves its artefacts in the run folder and is resumed from them."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.data.dealt import read_deal
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.dealing import attributes_of
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.clock import Course
from tiprdc_fl.federation.collector import Collected, joined, open_collection, write_collection
from tiprdc_fl.federation.contributor import peak_memory_bytes
from tiprdc_fl.federation.engine import ENGINES
from tiprdc_fl.modelled import modelled_sections
from tiprdc_fl.partition_figures import describe, settings_of
from tiprdc_fl.planning import Population, measured_table, plan, populate, requests_table, summary_of
from tiprdc_fl.report.progress import stage
from tiprdc_fl.report.schema import (
    CAVEAT,
    SCHEMA_VERSION,
    federation_figures,
    per_contributor,
)
from tiprdc_fl.run import Run, collection_of, export
from tiprdc_fl.run_folder import stage_seconds, timed, write_json, write_text
from tiprdc_fl.storage import erase, locked, write_table, writing
from tiprdc_fl.store import stored_contributors
from tiprdc_fl.withdrawal import withdrawn


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
        collected = came if collected is None else joined(collected, came)
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


def report_on(
    current: Run, collected: Collected, figures: dict[str, Any], origin: dict[str, str] | None
) -> dict[str, Any]:
    """Stage 4: ``report.json``, ``report.html`` and what TensorBoard shows.

    Args:
        current: the run.
        collected: what became of the collection.
        figures: of stage 3.
        origin: of an extractor that the run did not train.
    """
    from tiprdc_fl.report.page.document import page
    from tiprdc_fl.report.page.reconstruction import pictures
    from tiprdc_fl.report.tensorboard import write_report

    store, _ = open_collection(collection_of(current, current.folder, current.asked))
    own = current.contributed
    contributions = per_contributor(store.keys)
    modelled, asked, answered = modelled_sections(current, contributions)
    history = json.loads((current.folder / "training.json").read_text(encoding="utf-8"))
    report = {
        "schema_version": SCHEMA_VERSION,
        "name": current.config.name or current.config.data.name,
        "run_dir": str(current.folder),
        "configuration": asdict(current.config),
        "environment": json.loads((current.folder / "environment.json").read_text(encoding="utf-8")),
        "people": count_people(current, len(own)),
        "partition": partition_section(current, own),
        **figures,
        "co_trained_adversary": co_trained(current, history),
        "training_from": origin,
        "training": history,
        "federation": federation_figures(
            contributions,
            asked,
            answered,
            asdict(collected),
            withdrawn(current.folder),
            current.config.federation.engine,
            current.config.federation.mode,
        ),
        **modelled,
        "seconds": stage_seconds(current.folder),
        "memory": {
            "collector_peak_bytes": peak_memory_bytes(),
            "worker_peak_bytes": collected.worker_memory_bytes,
        },
        "caveat": CAVEAT,
    }
    write_json(current.folder / "report.json", report)
    text = page(report, pictures(current.folder))
    with writing(current.folder):
        write_text(current.folder / "report.html", text)
    write_report(report, current.folder / "tensorboard", current.folder / "reconstruction.png")
    return report


def co_trained(current: Run, history: list[dict[str, Any]]) -> dict[str, float | None]:
    """Balanced accuracy of the adversary that took part in training, where one did."""
    found = history[-1]["adversary_balanced_accuracy"] if history else {}
    return {name: value for name, value in found.items() if name in current.private}


def count_people(current: Run, examples: int) -> dict[str, dict[str, int]]:
    """People and examples of each group; ``examples`` are the contributors'."""
    people = current.people
    return {
        "collector": {
            "people": len(people.collector),
            "examples": len(current.dataset.labels(people.collector)),
        },
        "contributors": {"people": len(people.contributors), "examples": examples},
        "holdout": {"people": len(people.holdout), "examples": len(current.dataset.labels(people.holdout))},
    }


def partition_section(current: Run, own: Examples) -> dict[str, Any]:
    """The partition as it came out, without contributors who have withdrawn.

    Args:
        current: the run.
        own: the contributors' examples, with the truth about their attributes.
    """
    section, gone = current.config.partition, withdrawn(current.folder)
    here = ~np.isin(own.people, list(gone))
    names = dict.fromkeys((*current.private, *current.tasks, *attributes_of(current.config)))
    path = current.source.partition
    return {
        "name": section.name,
        "settings": settings_of(
            section.name, asdict(section) | {"partition_by": attributes_of(current.config)}
        ),
        **describe(
            len(current.people.contributors) - len(gone),
            own.people[here],
            {name: own.attributes[name][here] for name in names},
            current.private,
            seeding.generator(current.config.seed, "partition", "by chance"),
        ),
        "topped_up": 0 if path is None else read_deal(Path(path)).topped_up,
    }
