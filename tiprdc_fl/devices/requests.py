"""What is asked of contributors on the virtual clock, under which conditions, and what became of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# What became of a request: "answered": its answer was taken; "dropped": the device broke off and said so; "silent":
# it broke off without a word; "late": it had not answered by its timeout; "cut": it was under way when the
# collection was over; "unable": the device lacks memory; "failed": its work fails in this run, too.
OUTCOMES = ("answered", "dropped", "silent", "late", "cut", "unable", "failed")


@dataclass(frozen=True, eq=False)
class Work:
    """What is asked of each of n contributors, and how long it takes their devices.

    Attributes:
        contributor: ids, int64 [n].
        group: index of the device class, int64 [n].
        groups: number of classes.
        examples: int64 [n].
        labels: examples with each value of each task, int64 [n, values].
        download_bytes: of the extractor.
        upload_bytes: of the contribution, int64 [n].
        download_seconds, compute_seconds, upload_seconds: on the device and its own link, float64 [n].
        failure_rate: share of requests that break off once they have begun, float64 [n].
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
    """What holds for everybody.

    Attributes:
        seed: of the order of those who check in together, of who is drawn, and of who breaks off.
        available: places in ``Work`` and a moment -> the moments from which on these devices are available; the
            moment itself where they are; inf: never again.
        patience: seconds after which the collection is over, come what may.
        bytes_per_second: of the collector's link, each way; devices queue for it, first come, first served.
        timeout: seconds from its begin after which a request counts as lost.
        attempts: requests a contributor gets before it is given up.
        silent_share: of the devices that break off, who never say so.
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


@dataclass(slots=True)
class Ask:
    """A request and what became of it; moments are NaN where it did not come to that.

    Attributes:
        place: of the contributor in ``Work``.
        attempt: which of its requests this is, from 0.
        wanted: since when the strategy wanted somebody.
        begun: when a device had checked in that was asked, which is this one.
        chances: within [0, 1): whether it breaks off, when, whether silently, and whether it answers twice.
        sending: from when on the collector's link sends it the extractor. downloaded: it has the extractor.
        computed: it has the features. receiving: from when on the link takes them. ended: they have arrived.
        stopped: it breaks off.
        outcome: of OUTCOMES.
        down_bytes, up_bytes: that passed. computing: seconds it computed.
        twice: whether the answer arrived twice.
        downloads: whether it has to, because it does not have the extractor from an earlier request.
        closed: whether the collector has stopped waiting for it. done: whether the device has stopped working.
    """

    place: int
    attempt: int
    wanted: float
    begun: float
    chances: tuple[float, float, float, float]
    sending: float = math.nan
    downloaded: float = math.nan
    computed: float = math.nan
    receiving: float = math.nan
    ended: float = math.nan
    stopped: float = math.inf
    outcome: str = "cut"
    down_bytes: int = 0
    up_bytes: int = 0
    computing: float = 0.0
    twice: bool = False
    downloads: bool = True
    closed: bool = False
    done: bool = False


@dataclass(frozen=True, eq=False)
class Course:
    """The course of a collection.

    Attributes:
        requests: in the order in which they began.
        seconds: after which it was over: it was enough, nobody was left to ask, or patience or deadline ended.
        given_up: places of the contributors who were asked in vain as often as allowed.
        enough: whether the strategy had enough; None where it wants whoever comes.
        never_came: how many were wanted until the end and were not available in time.
    """

    requests: list[Ask]
    seconds: float
    given_up: list[int]
    enough: bool | None
    never_came: int = 0

    @property
    def answered(self) -> list[int]:
        """Places of those whose answer was taken, in the order of arrival."""
        taken = [one for one in self.requests if one.outcome == "answered"]
        return [one.place for one in sorted(taken, key=lambda one: one.ended)]
