"""What goes into the virtual clock, the work and its conditions, and what comes out, the course of a collection."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# answered: the answer counts; dropped: the device broke off and said so; silent: it broke off and did not say so;
# late: it had not answered by its timeout; cut: it was under way when the collection was over; unable: it lacks
# memory; failed: its work fails in this run.
OUTCOMES = ("answered", "dropped", "silent", "late", "cut", "unable", "failed")


@dataclass(frozen=True, eq=False)
class Work:
    """The work of each of n contributors, and the time that it takes their devices.

    Attributes:
        contributor: ids, int64 [n].
        group: index of the device class, int64 [n].
        groups: number of classes.
        examples: int64 [n].
        labels: examples with each value of each task, int64 [n, values].
        download_bytes: size of the extractor.
        upload_bytes: size of the contribution, int64 [n].
        download_seconds: on the device's own link, float64 [n], as the two below.
        compute_seconds: on the device.
        upload_seconds: on the device's own link.
        failure_rate: probability that a device breaks off once it has begun, float64 [n].
        able: whether the device has the memory, bool [n].
    """

    contributor: np.ndarray
    group: np.ndarray
    groups: int
    examples: np.ndarray
    labels: np.ndarray
    download_bytes: int
    upload_bytes: np.ndarray
    download_seconds: np.ndarray
    compute_seconds: np.ndarray
    upload_seconds: np.ndarray
    failure_rate: np.ndarray
    able: np.ndarray


@dataclass(frozen=True)
class Conditions:
    """The conditions of a collection, the same for all contributors.

    Attributes:
        seed: decides which contributors are drawn, which of two goes first, and which devices break off.
        available: function of places in ``Work`` and a moment; returns the moments from which on these devices are
            available: the moment itself if they are available then, inf if they never are again.
        patience: seconds after which any collection is over.
        bytes_per_second: capacity of the collector's link in each direction; devices queue for it.
        timeout: seconds after the begin of a request at which the collector stops waiting for the answer.
        attempts: requests that a contributor gets before it is given up.
        silent_share: share of the devices that break off without saying so.
        duplicate_rate: share of the answers that arrive twice.
    """

    seed: int
    available: Callable[[np.ndarray, float], np.ndarray]
    patience: float = math.inf
    bytes_per_second: float = math.inf
    timeout: float = math.inf
    attempts: int = 1
    silent_share: float = 0.0
    duplicate_rate: float = 0.0


class Request(NamedTuple):
    """One request and what became of it until the collection was over.

    Moments are seconds from the beginning of the collection, NaN where the request did not get that far.

    Attributes:
        place: of the contributor in ``Work``.
        attempt: number of this contributor's earlier requests.
        wanted: the strategy wanted a contributor.
        begun: this contributor's device had checked in and began.
        sending: the collector's link began to send the extractor.
        downloaded: the device had the extractor.
        computed: the device had the features.
        receiving: the collector's link began to receive the contribution.
        ended: the contribution had arrived.
        stopped: the device broke off.
        outcome: one of OUTCOMES.
        down_bytes: sent to the device.
        up_bytes: received from the device.
        computing: seconds that the device computed.
        twice: whether the answer arrived twice.
    """

    place: int
    attempt: int
    wanted: float
    begun: float
    sending: float = math.nan
    downloaded: float = math.nan
    computed: float = math.nan
    receiving: float = math.nan
    ended: float = math.nan
    stopped: float = math.nan
    outcome: str = "cut"
    down_bytes: int = 0
    up_bytes: int = 0
    computing: float = 0.0
    twice: bool = False


@dataclass(frozen=True, eq=False)
class Course:
    """The course of a collection.

    Attributes:
        requests: in the order in which they began.
        seconds: moment at which it was over: the strategy had enough, no contributor was left to ask, or patience
            or deadline had passed.
        given_up: places of the contributors who were asked in vain as often as allowed.
        enough: whether the strategy had enough; None for a strategy without such a condition.
        never_came: contributors who were wanted until the end and were not available in time.
    """

    requests: list[Request]
    seconds: float
    given_up: list[int]
    enough: bool | None
    never_came: int = 0

    @property
    def answered(self) -> list[int]:
        """Places of the contributors whose answers count, in the order of arrival."""
        answers = [request for request in self.requests if request.outcome == "answered"]
        return [request.place for request in sorted(answers, key=lambda request: request.ended)]
