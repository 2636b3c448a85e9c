"""Devices of contributors: which class each has, how fast it is, and when it is available.

Everything is a pure function of (seed, id), so an id's device depends neither on other ids nor on what was asked
before; all functions take arrays. Time is in seconds since midnight of the devices' local time, the same for all.
A device is available for whole hours that start at a moment of its own within half an hour of the clock's, so
that a crowd does not come and go at once.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from tiprdc_fl.federation.device_sets import DeviceClass, DeviceSet, describe, device_sets, load_devices
from tiprdc_fl.seeding import uniforms

__all__ = [
    "DeviceClass",
    "DeviceSet",
    "Devices",
    "assign",
    "available",
    "describe",
    "device_sets",
    "load_devices",
    "next_available",
    "ranks",
    "slots",
]

SEARCHED_DAYS = 14
_HOUR = 3600.0
_HOURS = np.int64(2**20)  # places in a stream that belong to one id: 119 years


@dataclass(frozen=True)
class Devices:
    """Devices of n contributors, a row each.

    Attributes:
        set: their classes.
        kind: the place of each one's class in ``set.classes``, int [n].
        slowdown: as in DeviceClass, as all columns below; float [n].
        downlink_mbps: float [n].
        uplink_mbps: float [n].
        latency_ms: float [n].
        memory_mb: float [n].
        failure_rate: float [n].
    """

    set: DeviceSet
    kind: np.ndarray
    slowdown: np.ndarray
    downlink_mbps: np.ndarray
    uplink_mbps: np.ndarray
    latency_ms: np.ndarray
    memory_mb: np.ndarray
    failure_rate: np.ndarray

    def take(self, rows: np.ndarray) -> "Devices":
        """The devices at ``rows``: places, or truth values [n]."""
        columns = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "set"}
        return Devices(self.set, **{name: column[rows] for name, column in columns.items()})


def assign(
    devices: DeviceSet, ids: np.ndarray, seed: int, rank: np.ndarray | None = None, correlation: float = 0.0
) -> Devices:
    """A device for each id.

    Args:
        devices: the classes to choose from, by their shares.
        ids: of contributors, int [n].
        seed: of the run.
        rank: of each id's attribute, within (0, 1) and evenly spread over ids, float [n] (see ``ranks``); None:
            devices have nothing to do with attributes.
        correlation: of rank and device in a Gaussian copula, from -1 to 1: above 0 a higher rank goes with a
            class that is faster. At 0 everyone's device is the same as without ranks.

    Returns:
        the devices. Within a class, slowdown, links and latency vary by its sigmas.
    """
    kind = _kinds(devices, ids, seed, rank, correlation)

    def column(name: str, sigma: str = "", sign: float = 1.0) -> np.ndarray:
        values = np.array([getattr(one, name) for one in devices.classes], float)[kind]
        if not sigma:
            return values
        spread = np.array([getattr(one, sigma) for one in devices.classes])[kind]
        return values * np.exp(sign * spread * _normal(seed, ids, sigma))

    return Devices(
        devices,
        kind,
        slowdown=column("slowdown", "slowdown_sigma"),
        downlink_mbps=column("downlink_mbps", "network_sigma"),
        uplink_mbps=column("uplink_mbps", "network_sigma"),
        latency_ms=column("latency_ms", "latency_sigma"),
        memory_mb=column("memory_mb"),
        failure_rate=column("failure_rate"),
    )


def _kinds(
    devices: DeviceSet, ids: np.ndarray, seed: int, rank: np.ndarray | None, correlation: float
) -> np.ndarray:
    """The place of each id's class, int [n]."""
    quantile = _inside(uniforms(seed, ids, "devices", "class"))
    if rank is not None and correlation:
        own = np.sqrt(1 - correlation**2) * ndtri(quantile)
        quantile = ndtr(own + correlation * ndtri(_inside(np.asarray(rank, float))))
    ends = np.cumsum([kind.share for kind in devices.classes])
    return np.minimum(np.searchsorted(ends, 1 - quantile, side="right"), len(ends) - 1)


def ranks(shares: np.ndarray, ids: np.ndarray, seed: int) -> np.ndarray:
    """Ranks of contributors by an attribute, evenly spread over (0, 1).

    Args:
        shares: of the attribute in each contributor's examples, float [n]; nan where there are no examples.
        ids: int [n]; they decide, by chance, between equal shares.
        seed: of the run.

    Returns:
        float [n]: near 1 for the highest share. Who has no examples gets a rank by chance.
    """
    ties = uniforms(seed, ids, "devices", "ties")
    known = ~np.isnan(shares)
    result = _inside(ties)
    order = np.lexsort((ties[known], np.asarray(shares)[known]))
    places = np.empty(len(order))
    places[order] = (np.arange(len(order)) + 0.5) / max(len(order), 1)
    result[known] = places
    return result


def available(devices: Devices, ids: np.ndarray, slot: np.ndarray | int, seed: int) -> np.ndarray:
    """Whether each device is available throughout a slot.

    Args:
        devices: of n contributors.
        ids: theirs, int [n].
        slot: hours since midnight of the first day, int [n] or one for all; slot 25 is 1 o'clock of the next day.
            A device's slot starts up to half an hour before or after that (see ``slots``).
        seed: of the run.

    Returns:
        bool [n]. Over ids the share of an hour is that of the class, over hours a device keeps its inclination.
    """
    ids = np.asarray(ids, np.int64)
    slot = np.broadcast_to(np.asarray(slot, np.int64), ids.shape)
    return _available(devices.set, devices.kind, ids, slot, _normal(seed, ids, "availability"), seed)


def _available(
    classes: DeviceSet, kind: np.ndarray, ids: np.ndarray, slot: np.ndarray, own: np.ndarray, seed: int
) -> np.ndarray:
    """As ``available``, with each device's inclination given: a normal number ``own``, float [n].

    Available is whose sqrt(b) * own + sqrt(1 - b) * hour's normal number is below the quantile of the class's
    probability, b being ``availability_between``; so over ids the probability is the class's, whatever b is.
    """
    between = np.array([one.availability_between for one in classes.classes])
    scale = np.sqrt(1 - between)
    thresholds = ndtri(np.array([one.availability for one in classes.classes])) / scale[:, None]
    drawn = uniforms(seed, ids * _HOURS + slot, "devices", "hours")
    return drawn < ndtr(thresholds[kind, slot % 24] - (np.sqrt(between) / scale)[kind] * own)


def slots(ids: np.ndarray, seconds: np.ndarray | float, seed: int) -> np.ndarray:
    """The slot that each device is in at a moment, int [n]; -1 is the last one of the day before."""
    return np.floor(np.asarray(seconds) / _HOUR - _phases(ids, seed)).astype(np.int64)


def _phases(ids: np.ndarray, seed: int) -> np.ndarray:
    """Hours by which a device's slots start after the clock's, from -0.5 to 0.5, float [n]."""
    return uniforms(seed, ids, "devices", "phase") - 0.5


def next_available(
    devices: Devices, ids: np.ndarray, start_seconds: np.ndarray | float, seed: int
) -> np.ndarray:
    """The first moment from ``start_seconds`` on at which each device is available.

    Args:
        devices: of n contributors.
        ids: theirs, int [n].
        start_seconds: since midnight of the first day, local time; float [n] or one for all.
        seed: of the run.

    Returns:
        seconds on the same clock, float [n]: the start itself where the device is available then; inf where it
        is not within 14 days.
    """
    ids = np.asarray(ids, np.int64)
    start = np.broadcast_to(np.asarray(start_seconds, float), ids.shape)
    first, phases = slots(ids, start, seed), _phases(ids, seed)
    own = _normal(seed, ids, "availability")
    result, waiting = np.full(ids.shape, np.inf), np.arange(len(ids))
    for hour in range(24 * SEARCHED_DAYS + 1):
        slot = first[waiting] + hour
        found = _available(devices.set, devices.kind[waiting], ids[waiting], slot, own[waiting], seed)
        come = waiting[found]
        result[come] = np.maximum(start[come], (slot[found] + phases[come]) * _HOUR)
        waiting = waiting[~found]
        if not len(waiting):
            break
    return result


def _normal(seed: int, ids: np.ndarray, purpose: str) -> np.ndarray:
    """A number of the standard normal distribution for each id, float [n]."""
    return ndtri(_inside(uniforms(seed, ids, "devices", purpose)))


def _inside(numbers: np.ndarray) -> np.ndarray:
    """Numbers kept away from 0 and 1, where the normal quantile is infinite."""
    return np.clip(numbers, 2.0**-53, 1 - 2.0**-53)
