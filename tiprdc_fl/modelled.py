"""The sections of report.json about devices, strategy and latency, from what stage 2 left in the run folder."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tiprdc_fl.federation.devices import Devices, describe
from tiprdc_fl.plan_checks import settings_of
from tiprdc_fl.planning import Population, examples_of, populate, shares_of, titles_of
from tiprdc_fl.report.course import (
    attribute_participation,
    cost_figures,
    device_participation,
    latency_cdf,
    measured_latency,
    modelled_latency,
    outcome_figures,
    timeline,
)
from tiprdc_fl.run import Run
from tiprdc_fl.storage import reading
from tiprdc_fl.withdrawal import withdrawn

MEASURED = {
    "throughput": "measured on this host, a contributor's share of the batches it shared: a cost, no latency",
    "latency": "measured on this host, one contributor at a time, one thread, after a warm-up",
}


def modelled_sections(current: Run, contributions: pa.Table) -> tuple[dict[str, Any], set[int], set[int]]:
    """Sections "devices", "strategy" and "latency"; ids of those who were asked, and whose answers count.

    Args:
        current: the run, with stage 2 done.
        contributions: a row for each stored contribution, see ``report.schema.per_contributor``.

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
    classes = [one | {"people": people} for one, people in zip(describe(devices.set), counts, strict=True)]
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
    settings = asdict(settings_of(keys, len(population.people)))
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
