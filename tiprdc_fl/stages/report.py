"""Stage 4: the report, from what the other stages have left in the run folder."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.data.partition.partitioners import PARTITIONERS, partition_settings
from tiprdc_fl.data.partition.table import read_deal
from tiprdc_fl.devices.assign import Devices
from tiprdc_fl.devices.sets import describe as describe_devices
from tiprdc_fl.disk import write_json, write_text
from tiprdc_fl.federation.contributor import peak_memory_bytes
from tiprdc_fl.models.architecture import Per
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.report.figures.federation import federation_figures
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
    Participation,
    PartitionFigures,
    People,
    Report,
    StrategyFigures,
)
from tiprdc_fl.stages.beside import labels_beside, names_beside
from tiprdc_fl.stages.collect import CollectionResult
from tiprdc_fl.stages.partition import attributes_of
from tiprdc_fl.stages.plan import (
    Population,
    examples_of,
    shares_of,
    strategy_settings,
    titles_of,
)
from tiprdc_fl.stages.probing import chosen_attacks
from tiprdc_fl.stages.registries import chosen_labels
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import stage_seconds
from tiprdc_fl.stages.train import Trained
from tiprdc_fl.store.withdrawal import nobody_withdraws, while_nobody_withdraws

MEASURED = {
    "throughput": "measured on this host, a contributor's share of the batches it shared: a cost, no latency",
    "latency": "measured on this host, one contributor at a time, one thread, after a warm-up",
}


def report_on(current: Run, trained: Trained, collected: CollectionResult, figures: Figures) -> Report:
    """Stage 4: ``report.json``, ``report.html`` and what TensorBoard shows.

    Args:
        current: the run.
        trained: what stage 1 handed on.
        collected: what stage 2 handed on.
        figures: of stage 3.

    Raises:
        InputError: a contributor has withdrawn since the features were read, or a file cannot be written.
    """
    from tiprdc_fl.report.html.document import page
    from tiprdc_fl.report.html.reconstruction import pictures
    from tiprdc_fl.report.tensorboard import write_report

    folder = current.folder
    with nobody_withdraws(folder.path, collected.withdrawn):
        report = build_report(current, trained, collected, figures)
    with while_nobody_withdraws(folder.path, collected.withdrawn):
        write_json(folder.report_json, report.model_dump(mode="json"))
        write_text(folder.report_html, page(report, pictures(folder.path)))
        write_report(report, folder.tensorboard, folder.reconstruction_picture)
    return report


def build_report(current: Run, trained: Trained, collected: CollectionResult, figures: Figures) -> Report:
    """The report, see ``report_on``."""
    own, federation = current.contributed, current.config.federation
    return Report(
        schema_version=SCHEMA_VERSION,
        name=current.config.name or current.config.data.name,
        run_dir=str(current.folder),
        configuration=current.config,
        protection=protection_text(current.config, trained.extractor.architecture.per),
        public=PROTECTIONS[current.config.protection.name].public,
        reconstruction_bound=trained.bound,
        names=names_section(current),
        environment=Environment.model_validate_json(current.folder.environment.read_bytes()),
        people=count_people(current, len(own)),
        partition=partition_section(current, own, collected.withdrawn),
        **dict(figures),
        co_trained_adversary=co_trained(current, trained.history),
        training_from=trained.origin,
        training=trained.history,
        federation=federation_figures(
            collected.contributions,
            collected.asked,
            collected.answered,
            collected.outcome,
            collected.withdrawn,
            federation.engine,
            federation.mode,
        ),
        latency=latency_section(current, collected),
        strategy=strategy_section(current, collected),
        devices=device_section(current, collected.population),
        seconds=stage_seconds(current.folder),
        memory=Memory(
            collector_peak_bytes=peak_memory_bytes(), worker_peak_bytes=collected.outcome.worker_memory_bytes
        ),
        caveat=CAVEAT,
    )


def names_section(current: Run) -> dict[str, dict[str, str]]:
    """What each name chosen stands for, by key."""
    config = current.config
    names = chosen_labels(config, chosen_attacks(config, current.dataset.modality))
    if "informed" in config.evaluation.adversaries:
        records = (PROTECTIONS[name].informed for name in (config.protection.name, *names_beside(config)))
        names["probe"] |= {f"{informed.name}-": informed.label for informed in records if informed}
    beside = labels_beside(config)
    return names | ({"evaluation.controls": beside} if beside else {})


def protection_text(config: Config, per: Per) -> str:
    """What the devices did before they sent, such as "noisy, sigma 40".

    Args:
        config: of the run.
        per: what the extractor sends an item for.
    """
    name, given = config.protection.name, config.training.extractor
    parts = [name, PROTECTIONS[name].describe(flatten(config))]
    if given is not None:
        parts = [f"the extractor given as {given}"]
    return ", ".join(filter(None, (*parts, "one item a person" if per == "person" else "")))


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


def partition_section(current: Run, own: Examples, departed: frozenset[int]) -> PartitionFigures:
    """The partition as it came out, without contributors who have withdrawn.

    Args:
        current: the run.
        own: the contributors' examples, with the truth about their attributes.
        departed: ids of the contributors who have withdrawn.
    """
    section = current.config.partition
    here = ~np.isin(own.people, list(departed))
    names = dict.fromkeys((*current.private, *current.tasks, *attributes_of(current.config)))
    path = current.source.partition
    return describe(
        name=section.name,
        label=PARTITIONERS[section.name].label,
        persons=PARTITIONERS[section.name].deal is None,
        settings=partition_settings(
            section.name, asdict(section) | {"partition_by": attributes_of(current.config)}
        ),
        contributors=len(current.people.contributors) - len(departed),
        topped_up=0 if path is None else read_deal(Path(path)).topped_up,
        owner=own.people[here],
        labels={name: own.attributes[name][here] for name in names},
        private=current.private,
        rng=seeding.generator(current.config.seed, "partition", "by chance"),
    )


def latency_section(current: Run, collected: CollectionResult) -> LatencyFigures:
    """Latency measured on this host, and modelled where devices are."""
    population = collected.population
    titles, work = titles_of(population), population.work
    modelled, groups = population.devices is not None, _device_classes(population)
    stages = {name: getattr(work, f"{name}_seconds") for name in ("download", "compute", "upload")}
    return LatencyFigures(
        measured=measured_latency(collected.contributions),
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


def strategy_section(current: Run, collected: CollectionResult) -> StrategyFigures:
    """Outcome, cost and participation on the virtual clock."""
    keys, population, requests = current.config.strategy, collected.population, collected.requests
    examples, course, people = examples_of(current), collected.course, len(population.people)
    labels = {name: examples.attributes[name] for name in (*current.private, *current.tasks)}
    limits = {"patience": keys.patience, "timeout": keys.timeout, "attempts": keys.attempts}
    return StrategyFigures(
        name=keys.name,
        settings=asdict(strategy_settings(keys, people)) | limits,
        enough=course.enough,
        outcome=outcome_figures(requests, people, course.given_up, course.never_came),
        modelled=cost_figures(requests, course.seconds),
        timeline=timeline(requests),
        participation=Participation(
            device=device_participation(requests, _device_classes(population), titles_of(population)),
            attribute=attribute_participation(
                examples.people, labels, collected.answered - collected.withdrawn
            ),
        ),
    )


def _device_classes(population: Population) -> list[str]:
    """The title of each contributor's device class."""
    titles = titles_of(population)
    return [titles[kind] for kind in population.work.group.tolist()]
