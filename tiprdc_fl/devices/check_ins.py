"""Which contributors can be asked, and when their devices check in.

The collector cannot wake a device up: it waits until the device checks in (Bonawitz et al., MLSys 2019). A device
that checked in a while ago may be away again, so that its availability is looked up once more when it is wanted.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_BATCH = 32  # devices looked up at once, at least: one look-up costs about as much as many


@dataclass(eq=False)
class CheckIns:
    """Queues of the contributors who can be asked, one for each group.

    Attributes:
        available: places and a moment -> moments from which on the devices are available, as in ``Conditions``.
        group: group of each contributor.
        tie: number of each contributor; the lower goes first where two devices check in together.
        queues: for each group a heap of (moment of the last check-in, tie, place).
        never: for each group, the number of contributors whose devices never check in again.
    """

    available: Callable[[np.ndarray, float], np.ndarray]
    group: list[int]
    tie: list[float]
    queues: list[list[tuple[float, float, int]]]
    never: list[int]

    def expect(self, places: np.ndarray, now: float) -> None:
        """From now on the contributors at these places can be asked as soon as they check in."""
        self._enter(places.tolist(), self.available(places, now).tolist())

    def next_moment(self, group: int) -> float:
        """Moment of a group's next check-in, inf without any."""
        queue = self.queues[group]
        return queue[0][0] if queue else math.inf

    def left(self, group: int) -> int:
        """Number of a group's contributors who can be asked, available or not."""
        return len(self.queues[group]) + self.never[group]

    def take(self, group: int, number: int, now: float) -> list[int]:
        """Removes contributors of a group who are available now.

        Returns:
            places of at most ``number`` contributors, the longest checked in first.
        """
        queue, taken = self.queues[group], list[int]()
        while queue and queue[0][0] <= now and len(taken) < number:
            if queue[0][0] == now:
                taken.append(heapq.heappop(queue)[2])
            else:
                taken += self._still_here(group, number - len(taken), now)
        return taken

    def _still_here(self, group: int, number: int, now: float) -> list[int]:
        """Looks up a batch of those who checked in earlier: removes at most ``number`` who are available now."""
        places = self._earlier(group, max(_BATCH, number), now)
        moments = self.available(np.array(places), now).tolist()
        here = [place for place, moment in zip(places, moments, strict=True) if moment <= now]
        away = [(place, moment) for place, moment in zip(places, moments, strict=True) if moment > now]
        others = here[number:]
        self._enter(others, [now] * len(others))
        self._enter([place for place, _ in away], [moment for _, moment in away])
        return here[:number]

    def _earlier(self, group: int, number: int, now: float) -> list[int]:
        """Removes the first contributors of a queue, at most ``number``, who checked in before now."""
        queue, places = self.queues[group], list[int]()
        while queue and queue[0][0] < now and len(places) < number:
            places.append(heapq.heappop(queue)[2])
        return places

    def _enter(self, places: list[int], moments: list[float]) -> None:
        """Puts contributors into their queues, who check in at the given moments."""
        for place, moment in zip(places, moments, strict=True):
            group = self.group[place]
            if moment == math.inf:
                self.never[group] += 1
            else:
                heapq.heappush(self.queues[group], (moment, self.tie[place], place))
