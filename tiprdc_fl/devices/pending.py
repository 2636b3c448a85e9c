"""A request under way: its state, what its device will do and when, and what is left of it at the end.

    begin ------> WORKING --computed--> SENDING --arrived--> ANSWERED, or FAILED where the work fails in this run
      |              |                     |
      |              +------breaks off-----+--> DROPPED, or SILENT where the device does not say so
      |              +------timeout--------+--> LATE: the device goes on, its answer is not taken
      +-> UNABLE: the device lacks memory

The collector waits for an answer while a request is WORKING, SENDING, or SILENT before its timeout.
"""

import math
from dataclasses import dataclass
from enum import Enum

from tiprdc_fl.devices.requests import Request


class State(Enum):
    """What a request is doing, or how it has ended."""

    WORKING = "working"
    SENDING = "sending"
    ANSWERED = "answered"
    DROPPED = "dropped"
    SILENT = "silent"
    LATE = "late"
    UNABLE = "unable"
    FAILED = "failed"


UNDER_WAY = (State.WORKING, State.SENDING)
_OUTCOMES = {state: "cut" if state in UNDER_WAY else state.value for state in State}


@dataclass(slots=True, eq=False)
class PendingRequest:
    """A request with the moments that are planned so far; the end of the collection may come before them.

    Attributes:
        place: as all that has no entry here, see ``Request``.
        state: see the module.
        downloads: whether the device has to download the extractor.
        breaks_off: moment at which the device breaks off, inf if it does not.
        silent: whether the device would break off without saying so.
        twice: whether the answer would arrive twice.
    """

    place: int
    attempt: int
    wanted: float
    begun: float
    state: State = State.WORKING
    downloads: bool = False
    sending: float = math.nan
    downloaded: float = math.nan
    computed: float = math.nan
    receiving: float = math.nan
    ended: float = math.nan
    breaks_off: float = math.inf
    silent: bool = False
    twice: bool = False


def finished(request: PendingRequest, down_bytes: int, up_bytes: int, seconds: float) -> Request:
    """What had happened of a request when the collection was over.

    Args:
        request: in its last state.
        down_bytes: size of the extractor.
        up_bytes: size of the contribution.
        seconds: moment at which the collection was over.
    """
    stop = min(seconds, request.breaks_off)
    downloaded = _share(request.sending, request.downloaded, stop) if request.downloads else 0.0
    uploaded = _share(request.receiving, request.ended, stop)
    computing = min(request.computed, stop) - request.downloaded if request.downloaded <= stop else 0.0
    return Request(
        place=request.place,
        attempt=request.attempt,
        wanted=request.wanted,
        begun=request.begun,
        sending=_reached(request.sending, stop),
        downloaded=_reached(request.downloaded, stop),
        computed=_reached(request.computed, stop),
        receiving=_reached(request.receiving, stop),
        ended=_reached(request.ended, stop),
        stopped=_reached(request.breaks_off, seconds),
        outcome=_OUTCOMES[request.state],
        down_bytes=int(downloaded * down_bytes),
        up_bytes=int(uploaded * up_bytes),
        computing=max(0.0, computing),
        twice=request.twice and request.state is State.ANSWERED,
    )


def _reached(moment: float, stop: float) -> float:
    """A moment, NaN if it is later than ``stop``."""
    return math.nan if moment > stop else moment


def _share(start: float, end: float, stop: float) -> float:
    """The share of a transfer that had passed at ``stop``."""
    if math.isnan(start) or stop < start:
        return 0.0
    return 1.0 if stop >= end else (stop - start) / (end - start)
