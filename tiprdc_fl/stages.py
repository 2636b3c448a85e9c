"""The stages of a run; each leaves its artefacts in the run folder and is resumed from them."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from tiprdc_fl.config import Config
from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.data.split import Split
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collector import Collected, Collection, Request, open_collection, write_collection
from tiprdc_fl.federation.contributor import peak_memory_bytes
from tiprdc_fl.federation.engine import ENGINES
from tiprdc_fl.models.architecture import Precision
from tiprdc_fl.report.progress import stage
from tiprdc_fl.report.schema import (
    CAVEAT,
    SCHEMA_VERSION,
    federation_figures,
    per_contributor,
)
from tiprdc_fl.run_folder import stage_seconds, timed, write_json
from tiprdc_fl.storage import locked, write_table, writing
from tiprdc_fl.withdrawal import withdrawn


@dataclass(frozen=True)
class Run:
    """What every stage needs to know of a run.

    Attributes:
        config: as the user gave it, with ``run_dir``.
        folder: the run folder.
        source: of the examples.
        dataset: the opened source.
        people: collector, contributors, holdout.
        device: "cpu" or "cuda".
        precision: "bfloat16" or "float32".
        console: for progress.
    """

    config: Config
    folder: Path
    source: DataSource
    dataset: Dataset
    people: Split
    device: str
    precision: Precision
    console: Console

    @property
    def private(self) -> tuple[str, ...]:
        """Names of the private attributes."""
        return tuple(self.config.data.private or ())

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the task attributes."""
        return tuple(self.config.data.tasks or ())


def collection_of(
    current: Run, folder: Path, people: Sequence[int] | np.ndarray, extractor: Path | None = None
) -> Collection:
    """A collection by the run's settings; of the run's extractor where none is named."""
    federation = current.config.federation
    extractor = extractor or current.folder / "extractor.safetensors"
    return Collection(
        folder=str(folder),
        request=Request(str(extractor), current.source, current.tasks, federation.codec),
        contributors=tuple(int(person) for person in people),
        workers=federation.workers or os.cpu_count() or 1,
        retries=federation.retries,
        contributors_per_message=federation.contributors_per_message,
        alone=federation.mode == "latency",
        ray_address=current.config.ray.address,
        writer=federation.writer,
    )


def federate(current: Run) -> Collected:
    """Stage 2: the contributors extract and send; who is stored already is not asked again."""
    folder, people = current.folder, current.people.contributors
    collection = collection_of(current, folder, people)
    write_collection(collection)
    _, asked = open_collection(collection)
    with (
        timed(folder, "collection"),
        stage(current.console, "collection", len(asked), "contributors") as advance,
    ):
        collected = ENGINES[current.config.federation.engine](
            collection, lambda contributors, examples: advance(contributors)
        )
    with writing(folder), locked(folder):  # a withdrawal waits, or is known here
        store, _ = open_collection(collection)
        if not len(store.keys):
            reason = "nobody has an example, or all have withdrawn"
            reason = collected.failures[0].reason if collected.failures else reason
            raise InputError(f"no contributor sent features; the first reason: {reason}")
        write_table(folder / "latency.parquet", per_contributor(store.keys))
        if collected.answered:  # figures of an earlier session do not know these
            (folder / "results.json").unlink(missing_ok=True)
        gone = withdrawn(folder)
        failures = tuple(one for one in collected.failures if one.contributor not in gone)
        return remember(folder / "collected.json", replace(collected, failures=failures))


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
    """Stage 4: ``report.json`` and TensorBoard's scalars.

    Args:
        current: the run.
        collected: what became of the collection.
        figures: of stage 3.
        origin: of an extractor that the run did not train.
    """
    from tiprdc_fl.report.tensorboard import write_report

    store, _ = open_collection(collection_of(current, current.folder, current.people.contributors))
    contributions = per_contributor(store.keys)
    history = json.loads((current.folder / "training.json").read_text(encoding="utf-8"))
    report = {
        "schema_version": SCHEMA_VERSION,
        "name": current.config.name or current.config.data.name,
        "run_dir": str(current.folder),
        "configuration": asdict(current.config),
        "environment": json.loads((current.folder / "environment.json").read_text(encoding="utf-8")),
        "people": count_people(current),
        **figures,
        "co_trained_adversary": co_trained(current, history),
        "training_from": origin,
        "training": history,
        "federation": federation_figures(
            contributions,
            len(current.people.contributors),
            asdict(collected),
            withdrawn(current.folder),
            current.config.federation.engine,
            current.config.federation.mode,
        ),
        "seconds": stage_seconds(current.folder),
        "memory": {
            "collector_peak_bytes": peak_memory_bytes(),
            "worker_peak_bytes": collected.worker_memory_bytes,
        },
        "caveat": CAVEAT,
    }
    write_json(current.folder / "report.json", report)
    write_report(report, current.folder / "tensorboard")
    return report


def co_trained(current: Run, history: list[dict[str, Any]]) -> dict[str, float | None]:
    """Balanced accuracy of the adversary that took part in training, where one did."""
    found = history[-1]["adversary_balanced_accuracy"] if history else {}
    return {name: value for name, value in found.items() if name in current.private}


def count_people(current: Run) -> dict[str, dict[str, int]]:
    """People and examples of each group."""
    groups = {
        "collector": current.people.collector,
        "contributors": current.people.contributors,
        "holdout": current.people.holdout,
    }
    return {
        name: {"people": len(people), "examples": len(current.dataset.labels(people))}
        for name, people in groups.items()
    }
