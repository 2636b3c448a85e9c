"""The plan of a collection: which contributors are asked, and which answers count, on the virtual clock.

The plan is made before an engine starts, and is the same for Flower and inline. It depends on configuration, data
and calibration alone; the calibration stays in the run folder.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass

import numpy as np

from strategies import STRATEGIES, Settings, Supply
from tiprdc_fl.config.keys import Config
from tiprdc_fl.config.keys import Strategy as Keys
from tiprdc_fl.data.examples import Dataset, Examples, select
from tiprdc_fl.devices.assign import Devices, assign, ranks
from tiprdc_fl.devices.clock import follow
from tiprdc_fl.devices.fleet import BITS, availability_of, work_of
from tiprdc_fl.devices.requests import Conditions, Course, Work
from tiprdc_fl.devices.sets import load_devices
from tiprdc_fl.disk import reading, write_json
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import layout_of
from tiprdc_fl.models.runtime import RUNTIMES, model_path, read_model
from tiprdc_fl.stages.calibrate import Calibration, calibrate
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.train import Trained


@dataclass(frozen=True, eq=False)
class Population:
    """The contributors with their devices.

    Attributes:
        people: ids, int64 [n].
        devices: a row for each contributor; None where no devices are modelled.
        calibration: seconds and bytes of their work on this host; None without devices.
        work: bytes, seconds and examples of each contributor's work.
        conditions: of the collection.
    """

    people: np.ndarray
    devices: Devices | None
    calibration: Calibration | None
    work: Work
    conditions: Conditions


def populate(current: Run, trained: Trained) -> Population:
    """The contributors, their devices, and what a collection asks of them.

    The calibration is measured once and stays in the run folder, so that a run that is resumed keeps its plan.

    Args:
        current: the run.
        trained: what the contributors run.

    Raises:
        InputError: the device set cannot be read, nobody has an example, or nobody's work can be measured.
    """
    config, people = current.config, current.asked
    settings, strategy = config.devices, config.strategy
    examples, labels = counts_of(examples_of(current), people, current.tasks)
    if not examples.any():
        raise InputError(
            "no contributor sent features; the first reason: nobody has an example, or all have withdrawn"
        )
    if settings.name is None:
        work = _instant(people, examples, labels)
        return Population(people, None, None, work, Conditions(config.seed, _at_once))
    devices = devices_of(current, people)
    calibration = _calibration(current, trained, people[examples > 0])
    work = _work(current, trained, devices, calibration, examples, labels)
    conditions = Conditions(
        seed=config.seed,
        available=availability_of(devices, people, settings.start_hour, config.seed),
        bytes_per_second=settings.collector_mbps / BITS,
        patience=strategy.patience,
        timeout=strategy.timeout,
        attempts=strategy.attempts,
        silent_share=settings.silent_share,
        duplicate_rate=settings.duplicate_rate,
    )
    return Population(people, devices, calibration, work, conditions)


def examples_of(current: Run) -> Examples:
    """The examples, without inputs, of the contributors who may be asked."""
    everybody = current.contributed
    if len(current.asked) == len(current.people.contributors):
        return everybody
    return select(everybody, np.isin(everybody.people, current.asked))


def devices_of(current: Run, people: np.ndarray) -> Devices:
    """The devices of some people, contributors or not.

    Raises:
        InputError: the device set cannot be read.
    """
    settings, seed = current.config.devices, current.config.seed
    rank = None
    if settings.correlated_with is not None:
        examples = current.dataset.labels(people)
        rank = ranks(shares_of(examples, people, settings.correlated_with), people, seed)
    return assign(load_devices(settings.name or ""), people, seed, rank, settings.correlation)


def plan(current: Run, population: Population, failing: Collection[int] = frozenset()) -> Course:
    """The course of the collection under the run's strategy; ``failing``: ids of contributors whose work fails."""
    keys = current.config.strategy
    strategy = STRATEGIES[keys.name].make(strategy_settings(keys, len(population.people)))
    return follow(strategy, population.work, population.conditions, failing)


def counts_of(
    examples: Examples, people: np.ndarray, tasks: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Examples of each person, int64 [n], and those with each occurring value of each task, int64 [n, values]."""
    owner, size = _owners(examples, people), len(people)
    columns = [np.zeros((size, 0), np.int64)]
    for task in tasks:
        present, value = np.unique(examples.attributes[task], return_inverse=True)
        cells = owner * len(present) + value
        columns.append(np.bincount(cells, minlength=size * len(present)).reshape(size, len(present)))
    return np.bincount(owner, minlength=size), np.concatenate(columns, axis=1)


def _owners(examples: Examples, people: np.ndarray) -> np.ndarray:
    """The position in ``people`` of each example's person, int64 [examples]."""
    order = np.argsort(people)
    return order[np.searchsorted(people[order], examples.people)]


def shares_of(examples: Examples, people: np.ndarray, attribute: str) -> np.ndarray:
    """The mean of an attribute's labels in each person's examples, float [n]; nan without examples."""
    owner = _owners(examples, people)
    counts = np.bincount(owner, minlength=len(people))
    sums = np.bincount(owner, examples.attributes[attribute], len(people))
    return np.where(counts > 0, sums / np.maximum(1, counts), np.nan)


def _instant(people: np.ndarray, examples: np.ndarray, labels: np.ndarray) -> Work:
    """The work where no device is modelled: 0 bytes and 0 seconds."""
    none, zero = np.zeros(len(people)), np.zeros(len(people), np.int64)
    able = np.ones(len(people), bool)
    return Work(people, zero, 1, examples, labels, 0, zero, none, none, none, none, able)


def _work(
    current: Run,
    trained: Trained,
    devices: Devices,
    calibration: Calibration,
    examples: np.ndarray,
    labels: np.ndarray,
) -> Work:
    """The work of each contributor, with the bytes and seconds on its device."""
    people, contributed = current.asked, examples_of(current)
    raw = np.bincount(_owners(contributed, people), contributed.raw_bytes, len(people))
    file = model_path(trained.path, current.config.federation.runtime) or trained.path
    down = file.stat().st_size
    up = calibration.upload_bytes(examples, raw)
    given = current.config.devices.seconds_per_example
    seconds = calibration.device_seconds(examples, raw) if given is None else given * examples
    return work_of(
        devices,
        people=people,
        examples=examples,
        labels=labels,
        seconds=seconds,
        download_bytes=down,
        upload_bytes=up,
        memory_bytes=calibration.memory_bytes,
    )


def _at_once(places: np.ndarray, now: float) -> np.ndarray:
    """Every device is available at once: ``now`` for each place, float [places]."""
    return np.full(len(places), now)


def _calibration(current: Run, trained: Trained, people: np.ndarray) -> Calibration:
    path = current.folder.calibration
    if path.exists():
        with reading(path):
            return Calibration(**json.loads(path.read_text(encoding="utf-8")))
    extractor, federation = trained.extractor, current.config.federation
    run, runtime = None, federation.runtime
    if runtime != "torch":
        run = RUNTIMES[runtime].start(extractor, read_model(trained.path, runtime))
    calibration = calibrate(
        extractor=extractor,
        dataset=current.dataset,
        contributors=people.tolist(),
        layout=layout_of(extractor, federation.codec, current.tasks),
        seed=current.config.seed,
        run=run,
    )
    write_json(path, asdict(calibration))
    return calibration


def titles_of(population: Population) -> list[str]:
    """Titles of the device classes."""
    devices = population.devices
    return ["no device modelled"] if devices is None else [kind.title for kind in devices.set.classes]


def device_titles(current: Run) -> Callable[[np.ndarray], list[str]] | None:
    """A function from people to the titles of their device classes; None where no devices are modelled."""
    if current.config.devices.name is None:
        return None

    def titles(people: np.ndarray) -> list[str]:
        devices = devices_of(current, people)
        return [devices.set.classes[kind].title for kind in devices.kind.tolist()]

    return titles


def strategy_settings(keys: Keys, people: int) -> Settings:
    """The settings of a strategy for a number of contributors, ``people``."""
    wanted = {name: getattr(keys, name) for name in vars(Settings())}
    return Settings(**{**wanted, "target": keys.target or max(1, people // 2)})


def check_strategy(config: Config, dataset: Dataset, people: np.ndarray) -> None:
    """Raises InputError when the strategy needs devices that are not modelled, or more examples than exist."""
    keys, settings = config.strategy, strategy_settings(config.strategy, len(people))
    record = STRATEGIES[keys.name]
    if config.devices.name is None and record.make(settings).needs_devices:
        raise InputError(
            f"strategy.name={keys.name} needs devices, and devices.name=null models none: name a set of devices"
        )
    tasks = tuple(config.data.tasks or ())
    complaint = record.check(settings, Supply(len(people), lambda: values_of(dataset.labels(people), tasks)))
    if complaint is not None:
        raise InputError(complaint)


def values_of(examples: Examples, tasks: tuple[str, ...]) -> dict[str, int]:
    """Examples with each value of each task that occurs, such as "Smiling=1"."""
    counts: dict[str, int] = {}
    for task in tasks:
        values, numbers = np.unique(examples.attributes[task], return_counts=True)
        counts |= {f"{task}={value}": number for value, number in zip(values, numbers.tolist(), strict=True)}
    return counts
