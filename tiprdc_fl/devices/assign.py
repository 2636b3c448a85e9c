"""Devices of contributors: which class each has, how fast it is, and when it is available.

Every value is a pure function of (seed, id), whatever other ids are passed; all functions take arrays. Time is in
seconds since midnight of the devices' local time, the same for all.
A device is available for whole hours that start at a moment of its own within half an hour of the clock's, so
that a crowd does not come and go at once.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from tiprdc_fl.devices.sets import DeviceSet
from tiprdc_fl.seeding import uniforms


@dataclass(frozen=True)
class Devices:
    """Devices of n contributors, a row each.

    Attributes:
        set: their classes.
        kind: position in ``set.classes`` of each contributor's class, int [n].
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
        """The devices at ``rows``: positions int [m], or bool [n]."""
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
            devices are independent of attributes.
        correlation: of rank and device in a Gaussian copula, from -1 to 1: above 0 a higher rank goes with a
            class that is faster. At 0 everyone's device is the same as without ranks.

    Returns:
        the devices. Within a class, slowdown, links and latency vary by its sigmas.
    """
    kind = _kinds(devices, ids, seed, rank, correlation)

    def column(name: str, sigma: str = "", sign: float = 1.0) -> np.ndarray:
        values = np.array([getattr(device_class, name) for device_class in devices.classes], float)[kind]
        if not sigma:
            return values
        spread = np.array([getattr(device_class, sigma) for device_class in devices.classes])[kind]
        return values * np.exp(sign * spread * normal(seed, ids, sigma))

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
    """The position of each id's class in ``devices.classes``, int [n]."""
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
        ids: int [n]; ties between equal shares are broken by (seed, id).
        seed: of the run.

    Returns:
        float [n]: near 1 for the highest share. A contributor without examples gets a random rank.
    """
    ties = uniforms(seed, ids, "devices", "ties")
    known = ~np.isnan(shares)
    result = _inside(ties)
    order = np.lexsort((ties[known], np.asarray(shares)[known]))
    places = np.empty(len(order))
    places[order] = (np.arange(len(order)) + 0.5) / max(len(order), 1)
    result[known] = places
    return result


def normal(seed: int, ids: np.ndarray, purpose: str) -> np.ndarray:
    """A number of the standard normal distribution for each id, float [n]."""
    return ndtri(_inside(uniforms(seed, ids, "devices", purpose)))


def _inside(numbers: np.ndarray) -> np.ndarray:
    """Numbers kept away from 0 and 1, where the normal quantile is infinite."""
    return np.clip(numbers, 2.0**-53, 1 - 2.0**-53)
