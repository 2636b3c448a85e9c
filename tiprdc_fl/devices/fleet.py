"""Work and conditions of a collection from its devices; ``simulate_course`` follows one without a run."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from strategies import STRATEGIES, Settings, Strategy, Supply
from tiprdc_fl.devices.assign import Devices, assign
from tiprdc_fl.devices.availability import next_available
from tiprdc_fl.devices.clock import follow
from tiprdc_fl.devices.requests import Conditions, Course, Work
from tiprdc_fl.devices.sets import load_devices
from tiprdc_fl.errors import InputError

BITS = 8e-6  # megabits of a byte
HOUR = 3600.0


def simulate_course(
    strategy: str = "everyone",
    settings: dict[str, Any] | None = None,
    devices: str = "phones",
    contributors: int = 1000,
    examples: int | np.ndarray = 20,
    seconds_per_example: float = 0.003,
    upload_bytes_per_example: float = 4096.0,
    download_bytes: int = 100_000,
    patience: float = 7 * 24 * HOUR,
    timeout: float = HOUR,
    attempts: int = 3,
    collector_mbps: float = 1000.0,
    silent_share: float = 0.1,
    duplicate_rate: float = 0.01,
    start_hour: float = 12.0,
    seed: int = 0,
) -> Course:
    """Follows a collection strategy on the virtual clock, without data, extractor or engine.

    Args:
        strategy: key of STRATEGIES.
        settings: the strategy's own, such as ``{"target": 500}``; see ``strategies.Settings``.
        devices: name of a device set, or the path of one's YAML file.
        contributors: how many there are; their ids are 0, 1, ...
        examples: of each contributor; one number, or int [contributors].
        seconds_per_example: on the reference device of the set.
        upload_bytes_per_example: of features.
        download_bytes: size of the extractor.
        patience: seconds after which any collection is over.
        timeout: seconds after which the collector stops waiting for an answer.
        attempts: requests that a contributor gets before it is given up.
        collector_mbps: megabits a second of the collector's link, each way.
        silent_share: share of the devices that break off without saying so.
        duplicate_rate: share of the answers that arrive twice.
        start_hour: local time at which the collection starts.
        seed: decides devices, availability, draws and failures.

    Raises:
        InputError: the strategy, one of its settings or the device set does not exist.
    """
    counts = np.asarray(examples, np.int64)
    if contributors < 1 or counts.shape not in ((), (contributors,)) or counts.min() < 0:
        raise InputError(
            f"contributors={contributors}, examples of shape {list(counts.shape)}: expected a contributor or more, "
            "and one number of examples, from 0, or one for each contributor"
        )
    if attempts < 1 or collector_mbps <= 0 or not 0 <= start_hour <= 24:
        raise InputError(
            f"attempts={attempts}, collector_mbps={collector_mbps}, start_hour={start_hour}: expected an attempt "
            "or more, a link above 0, and an hour from 0 to 24"
        )
    chosen = _strategy(strategy, settings or {}, contributors)
    people = np.arange(contributors, dtype=np.int64)
    counts = np.broadcast_to(counts, (contributors,))
    fleet = assign(load_devices(devices), people, seed)
    work = work_of(
        fleet,
        people=people,
        examples=counts,
        labels=np.zeros((contributors, 0), np.int64),
        seconds=seconds_per_example * counts,
        download_bytes=download_bytes,
        upload_bytes=np.round(upload_bytes_per_example * counts).astype(np.int64),
        memory_bytes=0,
    )
    conditions = Conditions(
        seed=seed,
        available=availability_of(fleet, people, start_hour, seed),
        bytes_per_second=collector_mbps / BITS,
        patience=patience,
        timeout=timeout,
        attempts=attempts,
        silent_share=silent_share,
        duplicate_rate=duplicate_rate,
    )
    return follow(chosen, work, conditions)


def _strategy(name: str, settings: dict[str, Any], contributors: int) -> Strategy:
    if name not in STRATEGIES:
        raise InputError(f"strategy={name!r}: there is none of this name; there are {', '.join(STRATEGIES)}")
    offered = vars(Settings())
    unknown = sorted(set(settings) - set(offered))
    if unknown:
        raise InputError(f"settings: no {', '.join(unknown)}; a strategy reads some of {', '.join(offered)}")
    wrong = [key for key, value in settings.items() if type(value) is not type(offered[key]) or not value]
    wrong += [key for key in ("fraction",) if not wrong and settings.get(key, 1.0) > 1]
    wrong += [key for key in ("per",) if settings.get(key, "label") not in ("label", "device")]
    if wrong:
        given = ", ".join(f"{key}={settings[key]!r}" for key in wrong)
        raise InputError(
            f"settings: {given}: expected numbers above 0 of the default's kind (fraction at most 1), and "
            "per=label or device"
        )
    chosen = Settings(**{"target": max(1, contributors // 2), **settings})
    complaint = STRATEGIES[name].check(chosen, Supply(contributors, dict))
    if complaint is not None:
        raise InputError(complaint)
    return STRATEGIES[name].make(chosen)


def work_of(
    devices: Devices,
    people: np.ndarray,
    examples: np.ndarray,
    labels: np.ndarray,
    seconds: np.ndarray,
    download_bytes: int,
    upload_bytes: np.ndarray,
    memory_bytes: float,
) -> Work:
    """The contributors' work, with the seconds that it takes each device.

    Args:
        devices: of n contributors.
        people: ids, int64 [n].
        examples: of each contributor, int64 [n].
        labels: examples with each value of each task, int64 [n, values].
        seconds: of computing on the reference device, float64 [n].
        download_bytes: size of the extractor.
        upload_bytes: of each contribution, int64 [n].
        memory_bytes: that the work needs; devices with less do not take part.
    """
    trip = devices.latency_ms / 1000
    return Work(
        contributor=people,
        group=devices.kind.astype(np.int64),
        groups=len(devices.set.classes),
        examples=examples,
        labels=labels,
        download_bytes=download_bytes,
        upload_bytes=upload_bytes,
        download_seconds=trip + download_bytes * BITS / devices.downlink_mbps,
        compute_seconds=seconds * devices.slowdown,
        upload_seconds=trip + upload_bytes * BITS / devices.uplink_mbps,
        failure_rate=devices.failure_rate,
        able=devices.memory_mb * 1e6 >= memory_bytes,
    )


def availability_of(
    devices: Devices, people: np.ndarray, start_hour: float, seed: int
) -> Callable[[np.ndarray, float], np.ndarray]:
    """``Conditions.available`` of these devices, for a collection that starts at a local time."""
    return partial(_available, devices, people, start_hour * HOUR, seed)


def _available(
    devices: Devices, people: np.ndarray, start: float, seed: int, places: np.ndarray, now: float
) -> np.ndarray:
    """When the devices at some places can begin, in seconds from the beginning of the collection."""
    moments = next_available(devices.take(places), people[places], start + now, seed)
    return np.where(moments <= start + now, now, moments - start)  # a difference would be rounded
