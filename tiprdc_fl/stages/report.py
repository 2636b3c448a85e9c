"""Stage 4: the report, from what the other stages have left in the run folder."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tiprdc_fl import seeding
from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.data.partition.partitioners import PARTITIONERS, partition_settings
from tiprdc_fl.data.partition.table import read_deal
from tiprdc_fl.devices.assign import Devices
from tiprdc_fl.devices.sets import describe as describe_devices
from tiprdc_fl.disk import reading, write_json, write_text
from tiprdc_fl.federation.collection import open_collection
from tiprdc_fl.federation.collector import Collected
from tiprdc_fl.federation.contributor import peak_memory_bytes
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.report.figures.federation import federation_figures, per_contributor
from tiprdc_fl.report.figures.latency import latency_cdf, measured_latency, modelled_latency
from tiprdc_fl.report.figures.partition import describe
from tiprdc_fl.report.figures.strategy import (
    attribute_participation,
    cost_figures,
    device_participation,
    outcome_figures,
    timeline,
)
from tiprdc_fl.report.schema import CAVEAT, SCHEMA_VERSION
from tiprdc_fl.stages.evaluate import attacks_of
from tiprdc_fl.stages.partition import attributes_of
from tiprdc_fl.stages.plan import (
    Population,
    examples_of,
    populate,
    shares_of,
    strategy_settings,
    titles_of,
)
from tiprdc_fl.stages.registries import labels
from tiprdc_fl.stages.run import Run, collection_of
from tiprdc_fl.stages.run_folder import stage_seconds
from tiprdc_fl.store.withdrawal import withdrawn

MEASURED = {
    "throughput": "measured on this host, a contributor's share of the batches it shared: a cost, no latency",
    "latency": "measured on this host, one contributor at a time, one thread, after a warm-up",
}


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
    from tiprdc_fl.report.html.document import page
    from tiprdc_fl.report.html.reconstruction import pictures
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
        "protection": protection_text(current.config),
        "names": labels(current.config, attacks_of(current)),
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
    write_text(current.folder / "report.html", text)
    write_report(report, current.folder / "tensorboard", current.folder / "reconstruction.png")
    return report


def protection_text(config: Config) -> str:
    """What the devices did before they sent, such as "hybrid, epsilon 0.5, 64 components"."""
    if config.training.extractor is not None:
        return f"the extractor given as {config.training.extractor}"
    name = config.protection.name
    return ", ".join(filter(None, (name, PROTECTIONS[name].describe(flatten(config)))))


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
        "label": PARTITIONERS[section.name].label,
        "persons": PARTITIONERS[section.name].deal is None,
        "settings": partition_settings(
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


def modelled_sections(current: Run, contributions: pa.Table) -> tuple[dict[str, Any], set[int], set[int]]:
    """Sections "devices", "strategy" and "latency"; ids of those who were asked, and whose answers count.

    Args:
        current: the run, with stage 2 done.
        contributions: a row for each stored contribution, see ``report.figures.federation.per_contributor``.

    Raises:
        InputError: a file of stage 2 is damaged.
    """
    population, folder = populate(current), current.folder
    with reading(folder / "requests.parquet"):
        requests = pq.read_table(folder / "requests.parquet")
        course = json.loads((folder / "course.json").read_text(encoding="utf-8"))
    taken = np.array(requests.column("outcome").to_pylist(), object) == "answered"
    contributors = requests.column("contributor").to_numpy()
    asked, answered = set(contributors.tolist()), set(contributors[taken].tolist())
    titles, work = titles_of(population), population.work
    modelled = population.devices is not None
    groups = [titles[kind] for kind in work.group.tolist()]
    stages = {name: getattr(work, f"{name}_seconds") for name in ("download", "compute", "upload")}
    sections = {
        "devices": _devices(current, population) if modelled else None,
        "strategy": _strategy(current, population, requests, course, answered - withdrawn(folder)),
        "latency": {
            "measured": measured_latency(contributions),
            "measured_note": MEASURED[current.config.federation.mode],
            "modelled": modelled_latency(stages, groups, titles) if modelled else {},
            "cdf": latency_cdf(np.sum(list(stages.values()), axis=0), groups, titles) if modelled else {},
        },
    }
    return sections, asked, answered


def _devices(current: Run, population: Population) -> dict[str, Any]:
    devices, calibration, keys = population.devices, population.calibration, current.config.devices
    if devices is None or calibration is None:
        raise TypeError("no device is modelled")
    counts = np.bincount(devices.kind, minlength=len(devices.set.classes)).tolist()
    classes = [
        one | {"people": people} for one, people in zip(describe_devices(devices.set), counts, strict=True)
    ]
    return {
        "set": devices.set.name,
        "title": devices.set.title,
        "reference": devices.set.reference,
        "start_hour": keys.start_hour,
        "seconds_per_example": keys.seconds_per_example
        or sum(seconds for stage, seconds in calibration.seconds_per_example.items() if stage != "load"),
        "calibration": asdict(calibration),
        "classes": classes,
        "correlated": _correlated(current, devices),
    }


def _correlated(current: Run, devices: Devices) -> dict[str, Any] | None:
    """What came of ``devices.correlated_with``: the attribute's mean over the contributors of each class."""
    keys = current.config.devices
    if keys.correlated_with is None:
        return None
    shares = shares_of(examples_of(current), current.asked, keys.correlated_with)
    means = {
        one.title: float(np.nanmean(shares[devices.kind == kind])) if (devices.kind == kind).any() else None
        for kind, one in enumerate(devices.set.classes)
    }
    return {"attribute": keys.correlated_with, "correlation": keys.correlation, "mean": means}


def _strategy(
    current: Run, population: Population, requests: pa.Table, course: dict[str, Any], collected: set[int]
) -> dict[str, Any]:
    keys, titles = current.config.strategy, titles_of(population)
    examples = examples_of(current)
    labels = {name: examples.attributes[name] for name in (*current.private, *current.tasks)}
    groups = [titles[kind] for kind in population.work.group.tolist()]
    settings = asdict(strategy_settings(keys, len(population.people)))
    return {
        "name": keys.name,
        "settings": settings
        | {"patience": keys.patience, "timeout": keys.timeout, "attempts": keys.attempts},
        "enough": course["enough"],
        "outcome": outcome_figures(
            requests, len(population.people), course["given_up"], course["never_came"]
        ),
        "modelled": cost_figures(requests, course["seconds"]),
        "timeline": timeline(requests),
        "participation": {
            "device": device_participation(requests, groups, titles),
            "attribute": attribute_participation(examples.people, labels, collected),
        },
    }
