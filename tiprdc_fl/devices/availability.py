"""When a device is available."""

import numpy as np
from scipy.special import ndtr, ndtri

from tiprdc_fl.devices.assign import Devices, normal
from tiprdc_fl.devices.sets import DeviceSet
from tiprdc_fl.seeding import uniforms

SEARCHED_DAYS = 14
_HOUR = 3600.0
_HOURS = np.int64(2**20)  # positions of a random stream reserved for an id: 119 years


def available(devices: Devices, ids: np.ndarray, slot: np.ndarray | int, seed: int) -> np.ndarray:
    """Whether each device is available throughout a slot.

    Args:
        devices: of n contributors.
        ids: of the contributors, int [n].
        slot: hours since midnight of the first day, int [n] or one for all; slot 25 is 1 o'clock of the next day.
            A device's slot starts up to half an hour before or after that (see ``slots``).
        seed: of the run.

    Returns:
        bool [n]. Over ids the share of an hour is that of the class, over hours a device keeps its inclination.
    """
    ids = np.asarray(ids, np.int64)
    slot = np.broadcast_to(np.asarray(slot, np.int64), ids.shape)
    return _available(devices.set, devices.kind, ids, slot, normal(seed, ids, "availability"), seed)


def _available(
    classes: DeviceSet, kind: np.ndarray, ids: np.ndarray, slot: np.ndarray, own: np.ndarray, seed: int
) -> np.ndarray:
    """As ``available``, with each device's inclination given: a normal number ``own``, float [n].

    A device is available where sqrt(b) * own + sqrt(1 - b) * z is below the quantile of its class's probability; b
    is ``availability_between``, z a normal number of the hour. Over ids the probability is the class's for every b.
    """
    between = np.array([device_class.availability_between for device_class in classes.classes])
    scale = np.sqrt(1 - between)
    thresholds = (
        ndtri(np.array([device_class.availability for device_class in classes.classes])) / scale[:, None]
    )
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
        ids: of the contributors, int [n].
        start_seconds: since midnight of the first day, local time; float [n] or one for all.
        seed: of the run.

    Returns:
        seconds on the same clock, float [n]: the start itself where the device is available then; inf where it
        is not within 14 days.
    """
    ids = np.asarray(ids, np.int64)
    start = np.broadcast_to(np.asarray(start_seconds, float), ids.shape)
    first, phases = slots(ids, start, seed), _phases(ids, seed)
    own = normal(seed, ids, "availability")
    result, waiting = np.full(ids.shape, np.inf), np.arange(len(ids))
    for hour in range(24 * SEARCHED_DAYS + 1):
        slot = first[waiting] + hour
        ready = _available(devices.set, devices.kind[waiting], ids[waiting], slot, own[waiting], seed)
        come = waiting[ready]
        result[come] = np.maximum(start[come], (slot[ready] + phases[come]) * _HOUR)
        waiting = waiting[~ready]
        if not len(waiting):
            break
    return result
