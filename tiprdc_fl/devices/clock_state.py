"""The state of a collection on the virtual clock: of the contributors, the collector's link, and the agenda."""

import heapq
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from strategies import Progress, Strategy
from tiprdc_fl.devices.check_ins import CheckIns
from tiprdc_fl.devices.links import Link
from tiprdc_fl.devices.pending import PendingRequest
from tiprdc_fl.devices.requests import Conditions, Work
from tiprdc_fl.seeding import uniforms


@dataclass(eq=False)
class Contributors:
    """Columns with an entry for each contributor: what does not change, then what does.

    Attributes:
        group: index of the device class, or 0 where the strategy does not tell them apart.
        seconds: to download, to compute and to upload, without queues.
        upload_bytes: of the contribution.
        failure_rate: probability that the device breaks off.
        able: whether the device has the memory.
        failing: whether the work fails in this run.
        attempts_left: requests that the contributor can still get.
        has_extractor: whether the device has the extractor from an earlier request.
    """

    group: list[int]
    seconds: list[tuple[float, float, float]]
    upload_bytes: list[int]
    failure_rate: list[float]
    able: list[bool]
    failing: list[bool]
    attempts_left: list[int]
    has_extractor: list[bool]


@dataclass(eq=False)
class Clock:
    """The state of a collection at one moment.

    Attributes:
        work, conditions: what ``follow`` was given.
        progress: what the collector knows.
        contributors: their states.
        check_ins: who can be asked.
        downlink, uplink: the collector's link, to devices and from them.
        agenda: heap of what is going to happen: (moment, number, transition, request).
        numbers: number of the next entry; of two at the same moment, the earlier entry happens first.
        requests: in the order in which they began.
        given_up: places of the contributors who were asked in vain as often as allowed.
        returning: late requests whose contributors can be asked again when their devices are done.
        now: moment in seconds.
    """

    work: Work
    conditions: Conditions
    progress: Progress
    contributors: Contributors
    check_ins: CheckIns
    downlink: Link
    uplink: Link
    agenda: list[tuple[float, int, "Transition", PendingRequest]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)
    requests: list[PendingRequest] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)
    returning: int = 0
    now: float = 0.0

    def plan(self, moment: float, transition: "Transition", request: PendingRequest) -> None:
        """Puts a transition on the agenda."""
        heapq.heappush(self.agenda, (moment, next(self.numbers), transition, request))


Transition = Callable[[Clock, PendingRequest], bool]


def new_clock(strategy: Strategy, work: Work, conditions: Conditions, failing: Collection[int]) -> Clock:
    """The clock at 0: nobody has been asked, and the contributors that the strategy draws can be asked.

    ``failing``: ids of contributors whose work fails.
    """
    size, groups = len(work.contributor), work.groups if strategy.by_device else 1
    group = work.group.tolist() if strategy.by_device else [0] * size
    tie = uniforms(conditions.seed, work.contributor, "clock", "order")
    drawn = np.argsort(tie, kind="stable")[: math.ceil(strategy.share * size - 1e-9)]
    clock = Clock(
        work=work,
        conditions=conditions,
        progress=_no_progress(np.array(group, np.int64)[drawn], groups, work.labels.shape[1]),
        contributors=_contributors(work, group, conditions.attempts, failing),
        check_ins=CheckIns(
            conditions.available, group, tie.tolist(), [[] for _ in range(groups)], [0] * groups
        ),
        downlink=Link(conditions.bytes_per_second),
        uplink=Link(conditions.bytes_per_second),
    )
    clock.check_ins.expect(drawn, 0.0)
    return clock


def _no_progress(group: np.ndarray, groups: int, values: int) -> Progress:
    """Progress before the first request; ``group``: of each contributor drawn, int [n]."""
    return Progress(
        people=np.bincount(group, minlength=groups).tolist(),
        pending=[0] * groups,
        answered=[0] * groups,
        given_up=[0] * groups,
        examples=[0] * groups,
        labels=[0] * values,
    )


def _contributors(work: Work, group: list[int], attempts: int, failing: Collection[int]) -> Contributors:
    """The contributors before the first request."""
    size = len(work.contributor)
    seconds = (work.download_seconds, work.compute_seconds, work.upload_seconds)
    return Contributors(
        group=group,
        seconds=list(zip(*(column.tolist() for column in seconds), strict=True)),
        upload_bytes=work.upload_bytes.tolist(),
        failure_rate=work.failure_rate.tolist(),
        able=work.able.tolist(),
        failing=np.isin(work.contributor, list(failing)).tolist(),
        attempts_left=[attempts] * size,
        has_extractor=[False] * size,
    )
