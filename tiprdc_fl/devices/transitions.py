"""What happens to requests on the virtual clock: small transitions from one state to the next (see ``pending``).

A transition changes the states of one request and of its contributor, puts what follows on the agenda, and returns
whether the collector learns something from it.
"""

import math
from collections.abc import Sequence

import numpy as np

from tiprdc_fl.devices.clock_state import Clock
from tiprdc_fl.devices.pending import UNDER_WAY, PendingRequest, State


def begin(clock: Clock, request: PendingRequest, chances: Sequence[float]) -> None:
    """A device that has checked in is asked: it begins, or lacks the memory.

    Args:
        clock: at the moment of the request.
        request: new.
        chances: four numbers within [0, 1), which decide whether the device breaks off, when, whether silently, and
            whether its answer arrives twice.
    """
    place, contributors = request.place, clock.contributors
    contributors.attempts_left[place] -= 1
    clock.requests.append(request)
    clock.progress.pending[contributors.group[place]] += 1
    if not contributors.able[place]:
        request.state, contributors.attempts_left[place] = State.UNABLE, 0
        clock.plan(clock.now, _declined, request)
        return
    breaks_off, when, silent, twice = chances
    request.silent = silent < clock.conditions.silent_share
    request.twice = twice < clock.conditions.duplicate_rate
    _plan_work(clock, request, when if breaks_off < contributors.failure_rate[place] else None)
    if clock.conditions.timeout < math.inf:
        clock.plan(clock.now + clock.conditions.timeout, _timed_out, request)


def _plan_work(clock: Clock, request: PendingRequest, breaks_off: float | None) -> None:
    """The device downloads the extractor, unless it has it, and computes.

    Args:
        clock: at the moment of the request.
        request: new.
        breaks_off: the share of its work, without queuing for the upload, after which the device breaks off.
    """
    now, place, size = clock.now, request.place, clock.work.download_bytes
    download, compute, upload = clock.contributors.seconds[place]
    request.downloads = not clock.contributors.has_extractor[place]
    request.sending = request.downloaded = now
    if request.downloads:
        request.sending, request.downloaded = clock.downlink.schedule(now, size, download)
    request.computed = request.downloaded + compute
    if breaks_off is not None:
        request.breaks_off = now + breaks_off * (request.computed + upload - now)
    if request.downloads:
        clock.downlink.reserve(request.sending, size, request.breaks_off)
    if request.computed < request.breaks_off:
        clock.plan(request.computed, _computed, request)
    else:
        clock.plan(request.breaks_off, _broke_off, request)


def _declined(clock: Clock, request: PendingRequest) -> bool:
    """The collector hears that a device lacks the memory."""
    _lose(clock, request.place, device_is_free=True)
    return True


def _computed(clock: Clock, request: PendingRequest) -> bool:
    """The device has the features and queues for the collector's link."""
    if request.state is State.WORKING:
        request.state = State.SENDING
    size, upload = (
        clock.contributors.upload_bytes[request.place],
        clock.contributors.seconds[request.place][2],
    )
    request.receiving, request.ended = clock.uplink.schedule(clock.now, size, upload)
    clock.uplink.reserve(request.receiving, size, request.breaks_off)
    if request.ended <= request.breaks_off:
        request.breaks_off = math.inf
        clock.plan(request.ended, _arrived, request)
    else:
        clock.plan(request.breaks_off, _broke_off, request)
    return False


def _arrived(clock: Clock, request: PendingRequest) -> bool:
    """The contribution has arrived; it counts if the collector still waits for it."""
    place = request.place
    clock.contributors.has_extractor[place] = True
    if request.state is State.LATE:
        return _return(clock, place)
    if clock.contributors.failing[place]:
        request.state, clock.contributors.attempts_left[place] = State.FAILED, 0
        _lose(clock, place, device_is_free=True)
    else:
        request.state = State.ANSWERED
        if request.twice:
            clock.uplink.repeat(clock.now, clock.contributors.upload_bytes[place])
        _count(clock, place)
    return True


def _broke_off(clock: Clock, request: PendingRequest) -> bool:
    """The device breaks off; the collector hears of it unless the device is silent."""
    if request.downloaded <= clock.now:
        clock.contributors.has_extractor[request.place] = True
    if request.state is State.LATE:
        return _return(clock, request.place)
    if request.silent:
        request.state = State.SILENT
        return False
    request.state = State.DROPPED
    _lose(clock, request.place, device_is_free=True)
    return True


def _timed_out(clock: Clock, request: PendingRequest) -> bool:
    """The collector stops waiting for an answer; a device that still works goes on."""
    if request.state is State.SILENT:
        _lose(clock, request.place, device_is_free=True)
        return True
    if request.state in UNDER_WAY:
        request.state = State.LATE
        _lose(clock, request.place, device_is_free=False)
        return True
    return False


def _lose(clock: Clock, place: int, device_is_free: bool) -> None:
    """An answer is lost; the contributor can be asked again as long as it has attempts left."""
    group = clock.contributors.group[place]
    clock.progress.pending[group] -= 1
    if not clock.contributors.attempts_left[place]:
        clock.progress.given_up[group] += 1
        clock.given_up.append(place)
    elif device_is_free:
        clock.check_ins.expect(np.array([place]), clock.now)
    else:
        clock.returning += 1


def _return(clock: Clock, place: int) -> bool:
    """The device of a late request is done, and the contributor can be asked again if it has attempts left."""
    if not clock.contributors.attempts_left[place]:
        return False
    clock.returning -= 1
    clock.check_ins.expect(np.array([place]), clock.now)
    return True


def _count(clock: Clock, place: int) -> None:
    """The collector counts an answer."""
    progress, group = clock.progress, clock.contributors.group[place]
    progress.pending[group] -= 1
    progress.answered[group] += 1
    progress.examples[group] += int(clock.work.examples[place])
    for value, number in enumerate(clock.work.labels[place].tolist()):
        progress.labels[value] += number
