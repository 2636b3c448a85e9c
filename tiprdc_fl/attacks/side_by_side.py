"""Several trainings at once, each in a process with few threads.

A small network leaves a second thread idle for half of the time; two networks in two processes do not. The
processes are joblib's, which maps large arrays into every process's memory and needs no guard in the user's script.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, cast

import joblib
import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")


class Held:
    """Rows in memory, as a ``Read`` that processes can share.

    Args:
        rows: [n, ...].
    """

    def __init__(self, rows: np.ndarray):
        self.rows = rows

    def __call__(self, chosen: np.ndarray) -> Tensor:
        """The rows of some numbers."""
        return torch.from_numpy(self.rows[chosen])


def cores() -> int:
    """How many cores this process may use."""
    return joblib.cpu_count()


def side_by_side(jobs: Sequence[Callable[[], T]], processes: int) -> Iterator[tuple[int, T]]:
    """Does every job, and yields its place and its result as soon as it is done.

    Args:
        jobs: functions that can be pickled (cloudpickle); what takes longest should come first.
        processes: how many jobs are done at once; 1: all here, with this process's threads.
    """
    if processes == 1:
        for place, job in enumerate(jobs):
            yield place, job()
        return
    threads = max(1, cores() // processes)
    with joblib.parallel_config("loky", inner_max_num_threads=threads, mmap_mode="c"):
        run = joblib.Parallel(n_jobs=processes, return_as="generator_unordered")
        numbered = (joblib.delayed(_numbered)(place, job) for place, job in enumerate(jobs))
        yield from cast(Iterator[tuple[int, T]], run(numbered))


def _numbered(place: int, job: Callable[[], T]) -> tuple[int, T]:
    return place, job()
