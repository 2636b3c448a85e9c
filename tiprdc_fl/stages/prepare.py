"""Before stage 1: opens dataset and run folder, and tries everything that a wrong configuration can break."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console

from tiprdc_fl.config.choices import defaults_of, resolved, unused
from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.data import DATASETS
from tiprdc_fl.data.examples import Dataset, labels_of
from tiprdc_fl.data.partition.partitioners import PARTITIONERS
from tiprdc_fl.data.proxies import known
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.data.split import Split, split_people
from tiprdc_fl.devices.sets import load_devices
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.results import Metric
from tiprdc_fl.models.architecture import Architecture, Precision, seen_shape
from tiprdc_fl.protections import PROTECTIONS, check_protection
from tiprdc_fl.stages.beside import configs_beside, names_beside
from tiprdc_fl.stages.callbacks import Callback
from tiprdc_fl.stages.partition import attributes_of, deal_out, note_partition, open_partition
from tiprdc_fl.stages.plan import check_strategy
from tiprdc_fl.stages.probing import chosen_attacks
from tiprdc_fl.stages.registries import choices, load_config
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.run_folder import open_run_folder
from tiprdc_fl.stages.runtime import check_runtime
from tiprdc_fl.stages.train import check_given, protection_settings
from tiprdc_fl.store.paths import RunFolder


def unused_keys(config: Config) -> list[str]:
    """Keys that were changed and change nothing: of names not chosen, of what is not modelled or not measured."""
    devices = [f"devices.{name}" for name in vars(config.devices) if name != "name"]
    idle = devices if config.devices.name is None else []
    if config.devices.correlated_with is None:
        idle.append("devices.correlation")
    if "informed" not in config.evaluation.adversaries:
        idle.append("evaluation.augmentations")
    if not config.evaluation.reconstruction:
        idle.append("evaluation.reconstruction_steps")
    if config.training.hiding == "mmd" and config.training.pretraining != "private":
        idle += ["training.adversaries", "training.restarts"]
    if config.protection.encoder != "proxies" and not PROTECTIONS[config.protection.name].states:
        idle.append("data.proxies")
    changed = flatten(config)
    default = flatten(Config()) | defaults_of(changed, choices())
    idle = [name for name in idle if changed[name] != default[name]]
    read_beside = {key for name in names_beside(config) for key in PROTECTIONS[name].reads}
    return [name for name in dict.fromkeys([*unused(config, choices()), *idle]) if name not in read_beside]


class Opened(NamedTuple):
    """The data of a configuration, against which its sections are checked.

    Attributes:
        source: of the people's own examples.
        dataset: the opened source.
        people: collector, contributors, holdout.
    """

    source: DataSource
    dataset: Dataset
    people: Split


def prepare(
    config: Config,
    console: Console,
    callbacks: Sequence[Callback] = (),
    metrics: Mapping[str, Metric] | None = None,
) -> Run:
    """Opens data and run folder; the folder is made after every check, so a wrong configuration leaves none.

    Args:
        config: the run.
        console: for progress.
        callbacks: follow the run.
        metrics: of the caller, by name.

    Raises:
        InputError: the configuration does not fit the data or the machine, or the run folder holds another run.
    """
    check_metrics(metrics or {})
    device = choose_device(config.device)
    precision = choose_precision(config.training.precision, config.device)
    opened = open_data(config)
    config = replace(config, data=replace(config.data, proxies=known_proxies(config, opened.dataset)))
    for check in CHECKS:
        check(config, opened)
    source, dataset, people = opened
    table, seconds = deal_out(config, dataset, people)  # may fail too, and the folder keeps its result
    folder, config = open_run_folder(config)
    source, dataset = open_partition(config, folder, source, dataset, people, table)
    note_partition(folder, table, seconds)
    return Run(
        config=config,
        folder=folder,
        source=source,
        dataset=dataset,
        people=people,
        device=device,
        precision=precision,
        console=console,
        callbacks=tuple(callbacks),
        metrics=dict(metrics or {}),
    )


def open_data(config: Config) -> Opened:
    """The configuration's examples and groups of people; this checks the section ``data``.

    Raises:
        InputError: the data is missing or malformed, lacks an attribute, or has too few people.
    """
    data = config.data
    source = DataSource(
        name=data.name,
        root=data.root,
        image_size=data.image_size,
        seed=config.seed,
        most=data.max_examples_per_person,
        contributor=data.contributor,
    )
    dataset = open_dataset(source)
    opened = Opened(source, dataset, _people_of(config, dataset))
    check_attributes(dataset, [*(data.private or ()), *(data.tasks or ())])
    check_attributes(dataset, known_proxies(config, dataset) or (), "data.proxies: ")
    for name, others in (("private", data.private), ("tasks", data.tasks)):
        both = sorted(set(data.proxies or ()) & set(others or ()))
        if both:
            raise InputError(
                f"data.proxies and data.{name} both name {', '.join(both)}: proxies are known when the extractor "
                "is trained, tasks are not, and private attributes are to be hidden; leave it out of one"
            )
    return opened


def known_proxies(config: Config, dataset: Dataset) -> list[str] | None:
    """The proxies of a configuration; of the dataset's own list only those that its files have."""
    usual = resolved(DATASETS[config.data.name].defaults, flatten(config)).get("data.proxies")
    return known(config.data.proxies, usual, dataset.attributes)


def _people_of(config: Config, dataset: Dataset) -> Split:
    """The groups of people, official or drawn at random."""
    data = config.data
    official = dataset.test_people if data.split == "official" else None
    if data.split == "official" and official is None:
        raise InputError(
            f"data.split=official: data.root={data.root} has no list_eval_partition.txt; add it or use random"
        )
    return split_people(
        dataset.people,
        config.clients,
        data.collector_people,
        data.holdout_people,
        config.seed,
        official=official,
    )


def _check_protection(config: Config, opened: Opened) -> None:
    """Raises InputError when a protection does not work on the modality, or its settings on the data."""
    _check_one_protection(config, opened)
    for other in configs_beside(config):
        with _in_controls(other):
            _check_one_protection(other, opened)


@contextmanager
def _in_controls(other: Config) -> Iterator[None]:
    """Says of a mistake that it is of a protection in evaluation.controls."""
    try:
        yield
    except InputError as error:
        raise InputError(f"evaluation.controls, {other.protection.name}: {error}") from error


def _check_one_protection(config: Config, opened: Opened) -> None:
    protection, dataset = config.protection.name, opened.dataset
    check_protection(protection, dataset.modality)
    reads = PROTECTIONS[protection].reads
    if config.protection.encoder == "proxies" and "protection.encoder" in reads and not config.data.proxies:
        raise InputError("protection.encoder=proxies needs data.proxies, a list of attributes to train on")
    if config.protection.per == "person" and PARTITIONERS[config.partition.name].deal is not None:
        raise InputError(
            f"protection.per=person: partition.name={config.partition.name} deals one person's examples to several "
            "contributors, who would send several items of that person; leave one of the two out"
        )
    check = PROTECTIONS[protection].check
    if check is not None:
        shape = seen_shape(Architecture(dataset.modality, config.model.width, config.data.image_size))
        labels = dataset.labels(opened.people.collector)
        check(protection_settings(config), shape, labels_of(labels, config.data.private or ()))


def _check_partition(config: Config, opened: Opened) -> None:
    """Raises InputError when the dataset lacks an attribute whose values the partition deals out by."""
    check_attributes(opened.dataset, attributes_of(config))


def _check_devices(config: Config, opened: Opened) -> None:
    """Raises InputError when the device set cannot be read, or the dataset lacks the attribute it goes with."""
    settings = config.devices
    if settings.name is not None:
        load_devices(settings.name)
    elif settings.correlated_with is not None:
        raise InputError("devices.correlated_with needs devices: leave it out, or set devices.name")
    if settings.correlated_with is not None:
        check_attributes(opened.dataset, [settings.correlated_with], "devices.correlated_with: ")


def _check_strategy(config: Config, opened: Opened) -> None:
    """Raises InputError when the strategy needs devices that are not modelled, or wants more than there is."""
    check_strategy(config, opened.dataset, opened.people.contributors)


def _check_federation(config: Config, opened: Opened) -> None:
    """Raises InputError when the runtime's packages are missing, or the protection runs no network."""
    check_runtime(config.federation.runtime, config.protection.name)
    for other in configs_beside(config):
        with _in_controls(other):
            check_runtime(config.federation.runtime, other.protection.name)


def _check_evaluation(config: Config, opened: Opened) -> None:
    """Raises InputError when an attack or a probe is for another modality."""
    chosen_attacks(config, opened.dataset.modality)


def _check_extractor(config: Config, opened: Opened) -> None:
    """Raises InputError when the extractor given is for other data, or was trained on people held out now."""
    rebuilt = config.evaluation.reconstruction
    check_given(config.training.extractor, opened.source, opened.dataset.modality, rebuilt)
    _check_unseen(config, opened.people)


def _check_unseen(config: Config, people: Split) -> None:
    """Raises InputError when the extractor given was trained on people who are held out now.

    It is known where the extractor lies in its run folder; one that was moved elsewhere is taken on trust.
    """
    path = RunFolder(Path(config.training.extractor or "").parent).config
    if config.training.extractor is None or not path.is_file():
        return
    theirs = load_config(str(path), [])
    same = (theirs.data.name, theirs.data.root) == (config.data.name, config.data.root)
    if not same or (DATASETS[config.data.name].generated and theirs.seed != config.seed):
        return
    seen = np.intersect1d(open_data(theirs).people.collector, people.holdout)
    if len(seen):
        raise InputError(
            f"training.extractor={config.training.extractor} was trained on {len(seen)} of the "
            f"{len(people.holdout)} people held out here: set clients, seed and data.*_people as in {path}"
        )


# Each section against the data. ``open_data`` has checked the section data, which all of them read; none reads what
# another has checked, so their order decides only which of several mistakes is reported.
CHECKS: tuple[Callable[[Config, Opened], None], ...] = (
    _check_protection,
    _check_partition,
    _check_devices,
    _check_strategy,
    _check_federation,
    _check_evaluation,
    _check_extractor,
)


def check_metrics(metrics: Mapping[str, Metric]) -> None:
    """Raises InputError unless every metric of the caller is a function with a name."""
    for name, metric in metrics.items():
        if not isinstance(name, str) or not name or not callable(metric):
            raise InputError(
                f"metrics: expected a function(labels, logits, people) by its name, got {name!r}: {metric!r}"
            )


def choose_device(device: str) -> str:
    """The device to train on.

    Raises:
        InputError: CUDA is asked for and not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "device=cuda: this machine has no CUDA that torch can use; use device=cpu or device=auto"
        )
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def choose_precision(precision: str, device: str) -> Precision:
    """bfloat16 where the machine computes it faster than float32, unless the user has chosen."""
    if precision == "float32" or precision == "bfloat16":
        return precision
    if choose_device(device) == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"


def check_attributes(dataset: Dataset, names: Sequence[str], key: str = "") -> None:
    """Raises InputError when the dataset lacks an attribute; ``key`` begins the message."""
    for name in names:
        if name in dataset.refused:
            reason = dataset.refused[name]
            raise InputError(f"{key}data.name={dataset.name}: column {name!r} holds no labels: {reason}")
        if name not in dataset.attributes:
            near = get_close_matches(name, dataset.attributes, n=3, cutoff=0.4) or dataset.attributes
            raise InputError(
                f"{key}data.name={dataset.name} has no attribute {name!r}; nearest: {', '.join(near)}"
            )
        if "." in name:  # the store's columns
            raise InputError(f"attribute {name!r}: a name must not hold a dot; rename the column")
