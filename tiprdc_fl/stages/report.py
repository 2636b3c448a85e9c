"""Stage 4: the report, from what the other stages have left in the run folder."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

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
from tiprdc_fl.report.schema import (
    CAVEAT,
    SCHEMA_VERSION,
    CalibrationFigures,
    Correlated,
    DeviceClassFigures,
    DeviceFigures,
    Environment,
    Epoch,
    Figures,
    Group,
    LatencyFigures,
    Memory,
    Origin,
    Participation,
    PartitionFigures,
    People,
    Report,
    StrategyFigures,
)
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
from tiprdc_fl.stages.registries import chosen_labels
from tiprdc_fl.stages.run import Run, collection_of
from tiprdc_fl.stages.run_folder import stage_seconds
from tiprdc_fl.store.withdrawal import withdrawn

_HISTORY = TypeAdapter(tuple[Epoch, ...])
MEASURED = {
    "throughput": "measured on this host, a contributor's share of the batches it shared: a cost, no latency",
    "latency": "measured on this host, one contributor at a time, one thread, after a warm-up",
}


def report_on(current: Run, collected: Collected, figures: Figures, origin: Origin | None) -> Report:
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

    report = build_report(current, collected, figures, origin)
    write_json(current.folder / "report.json", report.model_dump(mode="json"))
    text = page(report, pictures(current.folder))
    write_text(current.folder / "report.html", text)
    write_report(report, current.folder / "tensorboard", current.folder / "reconstruction.png")
    return report


def build_report(current: Run, collected: Collected, figures: Figures, origin: Origin | None) -> Report:
    """The report, see ``report_on``."""
    store, _ = open_collection(collection_of(current, current.folder, current.asked))
    own, federation = current.contributed, current.config.federation
    contributions = per_contributor(store.keys)
    course = read_course(current)
    history = _HISTORY.validate_json((current.folder / "training.json").read_bytes())
    return Report(
        schema_version=SCHEMA_VERSION,
        name=current.config.name or current.config.data.name,
        run_dir=str(current.folder),
        configuration=current.config,
        protection=protection_text(current.config),
        names=chosen_labels(current.config, attacks_of(current)),
        environment=Environment.model_validate_json((current.folder / "environment.json").read_bytes()),
        people=count_people(current, len(own)),
        partition=partition_section(current, own),
        **dict(figures),
        co_trained_adversary=co_trained(current, history),
        training_from=origin,
        training=history,
        federation=federation_figures(
            contributions,
            course.asked,
            course.answered,
            collected,
            withdrawn(current.folder),
            federation.engine,
            federation.mode,
        ),
        latency=latency_section(current, course.population, contributions),
        strategy=strategy_section(current, course),
        devices=device_section(current, course.population),
        seconds=stage_seconds(current.folder),
        memory=Memory(
            collector_peak_bytes=peak_memory_bytes(), worker_peak_bytes=collected.worker_memory_bytes
        ),
        caveat=CAVEAT,
    )


def protection_text(config: Config) -> str:
    """What the devices did before they sent, such as "hybrid, epsilon 0.5, 64 components"."""
    if config.training.extractor is not None:
        return f"the extractor given as {config.training.extractor}"
    name = config.protection.name
    return ", ".join(filter(None, (name, PROTECTIONS[name].describe(flatten(config)))))


def co_trained(current: Run, history: Sequence[Epoch]) -> dict[str, float | None]:
    """Balanced accuracy of the adversary that took part in training, where one did."""
    last = history[-1].adversary_balanced_accuracy if history else {}
    return {name: value for name, value in last.items() if name in current.private}


def count_people(current: Run, examples: int) -> People:
    """People and examples of each group; ``examples`` are the contributors'."""
    people, labels = current.people, current.dataset.labels
    return People(
        collector=Group(people=len(people.collector), examples=len(labels(people.collector))),
        contributors=Group(people=len(people.contributors), examples=examples),
        holdout=Group(people=len(people.holdout), examples=len(labels(people.holdout))),
    )


def partition_section(current: Run, own: Examples) -> PartitionFigures:
    """The partition as it came out, without contributors who have withdrawn.

    Args:
        current: the run.
        own: the contributors' examples, with the truth about their attributes.
    """
    section, gone = current.config.partition, withdrawn(current.folder)
    here = ~np.isin(own.people, list(gone))
    names = dict.fromkeys((*current.private, *current.tasks, *attributes_of(current.config)))
    path = current.source.partition
    return describe(
        name=section.name,
        label=PARTITIONERS[section.name].label,
        persons=PARTITIONERS[section.name].deal is None,
        settings=partition_settings(
            section.name, asdict(section) | {"partition_by": attributes_of(current.config)}
        ),
        contributors=len(current.people.contributors) - len(gone),
        topped_up=0 if path is None else read_deal(Path(path)).topped_up,
        owner=own.people[here],
        labels={name: own.attributes[name][here] for name in names},
        private=current.private,
        rng=seeding.generator(current.config.seed, "partition", "by chance"),
    )


@dataclass(frozen=True)
class Course:
    """What stage 2 left of the collection on the virtual clock.

    Attributes:
        population: contributors with their devices and work.
        requests: a row for each request, see ``stages.collect.requests_table``.
        enough: whether the strategy reached its goal; None for a strategy without one.
        given_up: contributors asked in vain as often as allowed.
        never_came: contributors wanted until the end who were not available in time.
        seconds: until the collection was over, modelled.
    """

    population: Population
    requests: pa.Table
    enough: bool | None
    given_up: int
    never_came: int
    seconds: float

    @property
    def asked(self) -> set[int]:
        """Ids of the contributors who were asked."""
        return set(self.requests.column("contributor").to_pylist())

    @property
    def answered(self) -> set[int]:
        """Ids of the contributors whose answers count."""
        taken = np.array(self.requests.column("outcome").to_pylist(), object) == "answered"
        return set(self.requests.column("contributor").to_numpy()[taken].tolist())

    @property
    def groups(self) -> list[str]:
        """Title of each contributor's device class."""
        titles = titles_of(self.population)
        return [titles[kind] for kind in self.population.work.group.tolist()]


def read_course(current: Run) -> Course:
    """The collection's course.

    Raises:
        InputError: a file of stage 2 is damaged.
    """
    folder = current.folder
    with reading(folder / "requests.parquet"):
        requests = pq.read_table(folder / "requests.parquet")
        course = json.loads((folder / "course.json").read_text(encoding="utf-8"))
        return Course(
            population=populate(current),
            requests=requests,
            enough=course["enough"],
            given_up=course["given_up"],
            never_came=course["never_came"],
            seconds=course["seconds"],
        )


def latency_section(current: Run, population: Population, contributions: pa.Table) -> LatencyFigures:
    """Latency measured on this host, and modelled where devices are.

    Args:
        current: the run.
        population: contributors with their devices and work.
        contributions: a row for each stored contribution, see ``report.figures.federation.per_contributor``.
    """
    titles, work = titles_of(population), population.work
    modelled = population.devices is not None
    groups = [titles[kind] for kind in work.group.tolist()]
    stages = {name: getattr(work, f"{name}_seconds") for name in ("download", "compute", "upload")}
    return LatencyFigures(
        measured=measured_latency(contributions),
        measured_note=MEASURED[current.config.federation.mode],
        modelled=modelled_latency(stages, groups, titles) if modelled else {},
        cdf=latency_cdf(np.sum(list(stages.values()), axis=0), groups, titles) if modelled else {},
    )


def device_section(current: Run, population: Population) -> DeviceFigures | None:
    """The contributors' devices; None where no device is modelled."""
    devices, calibration, keys = population.devices, population.calibration, current.config.devices
    if devices is None or calibration is None:
        return None
    counts = np.bincount(devices.kind, minlength=len(devices.set.classes)).tolist()
    measured = sum(seconds for stage, seconds in calibration.seconds_per_example.items() if stage != "load")
    return DeviceFigures(
        set=devices.set.name,
        title=devices.set.title,
        reference=devices.set.reference,
        start_hour=keys.start_hour,
        seconds_per_example=keys.seconds_per_example or measured,
        calibration=CalibrationFigures.model_validate(calibration),
        classes=tuple(
            DeviceClassFigures(**described, people=people)
            for described, people in zip(describe_devices(devices.set), counts, strict=True)
        ),
        correlated=_correlated(current, devices),
    )


def _correlated(current: Run, devices: Devices) -> Correlated | None:
    """What came of ``devices.correlated_with``: the attribute's mean over the contributors of each class."""
    keys = current.config.devices
    if keys.correlated_with is None:
        return None
    shares = shares_of(examples_of(current), current.asked, keys.correlated_with)
    means = {
        device.title: float(np.nanmean(shares[devices.kind == kind]))
        if (devices.kind == kind).any()
        else None
        for kind, device in enumerate(devices.set.classes)
    }
    return Correlated(attribute=keys.correlated_with, correlation=keys.correlation, mean=means)


def strategy_section(current: Run, course: Course) -> StrategyFigures:
    """Outcome, cost and participation on the virtual clock."""
    keys, people, requests = current.config.strategy, len(course.population.people), course.requests
    examples, groups = examples_of(current), course.groups
    labels = {name: examples.attributes[name] for name in (*current.private, *current.tasks)}
    limits = {"patience": keys.patience, "timeout": keys.timeout, "attempts": keys.attempts}
    collected = course.answered - withdrawn(current.folder)
    return StrategyFigures(
        name=keys.name,
        settings=asdict(strategy_settings(keys, people)) | limits,
        enough=course.enough,
        outcome=outcome_figures(requests, people, course.given_up, course.never_came),
        modelled=cost_figures(requests, course.seconds),
        timeline=timeline(requests),
        participation=Participation(
            device=device_participation(requests, groups, titles_of(course.population)),
            attribute=attribute_participation(examples.people, labels, collected),
        ),
    )
