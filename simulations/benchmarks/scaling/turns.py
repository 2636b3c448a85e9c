"""Times several ways to do the same work in turns, so that whatever slows the machine down slows all of them."""

from collections.abc import Callable, Mapping
from time import perf_counter, process_time

import numpy as np
import torch

from simulations.benchmarks.scaling.figures import Measured


def seconds_in_turns(ways: Mapping[str, Callable[[], object]], turns: int) -> dict[str, np.ndarray]:
    """Time of each way in each turn, in seconds, float [turns].

    A turn takes every way once, A B A B; one more turn before the first warms up and does not count. With one
    thread it is the processor's time for this process, which does not pass while others have the processor; with
    more it is wall time, because threads that wait for one another count as busy.
    """
    clock = process_time if torch.get_num_threads() == 1 else perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 + turns):
        for name, work in ways.items():
            start = clock()
            work()
            seconds[name].append(clock() - start)
    return {name: np.array(taken[1:]) for name, taken in seconds.items()}


def rate(part: str, what: str, against: str, images: int, ours: np.ndarray, baseline: np.ndarray) -> Measured:
    """Images a second: our median over the turns, and the baseline's rate by the median of the ratios.

    Args:
        part: see Measured.
        what: see Measured.
        against: see Measured.
        images: that were worked on in each turn, the same for both.
        ours: seconds of each turn.
        baseline: what it is compared with, seconds of the same turns.
    """
    value = images / float(np.median(ours))
    gain = float(np.median(baseline / ours))
    return Measured(part, what, value, "images/s", against, value / gain, None)
