"""Several trainings at once, each in a process with few threads.

A small network makes little use of a second thread; two networks in two processes do. The processes are joblib's,
which maps large arrays into every process's memory and needs no guard in the user's script. LOKY_MAX_CPU_COUNT=1
in the environment keeps everything in one process.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

import joblib
import numpy as np
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from torch import Tensor

from tiprdc_fl.errors import InputError

T = TypeVar("T")

IDLE = 20  # seconds after which a process without work ends


class Held:
    """Rows in memory, as a ``Read`` that processes can share.

    Args:
        rows: [n, ...].
        padded: whether they are messages [n, steps, ...] with zeros after the end.
    """

    def __init__(self, rows: np.ndarray, padded: bool = False):
        self.rows, self.padded = rows, padded

    def __call__(self, chosen: np.ndarray) -> Tensor:
        """The rows of some numbers; messages are cut after the end of the longest."""
        rows = torch.from_numpy(self.rows[chosen])
        if not self.padded:
            return rows
        valid = rows.ne(0).transpose(0, 1).flatten(1).any(dim=1).nonzero()  # steps that a message has
        return rows[:, : int(valid.max()) + 1 if len(valid) else 1]


def cores() -> int:
    """How many cores this process may use."""
    return joblib.cpu_count()


def side_by_side(jobs: Iterable[Callable[[], T]], processes: int) -> Iterator[tuple[int, T]]:
    """Does every job, and yields its place and its result as soon as it is done.

    Args:
        jobs: functions that can be pickled (cloudpickle); what takes longest should come first.
        processes: how many jobs are done at once; 1: all here, with this process's threads.

    Raises:
        InputError: a process was killed.
    """
    if processes == 1:
        for place, job in enumerate(jobs):
            yield place, job()
        return
    threads = max(1, min(cores() // processes, torch.get_num_threads()))
    numbered = (joblib.delayed(_numbered)(place, job, os.getpid()) for place, job in enumerate(jobs))
    with joblib.parallel_config("loky", inner_max_num_threads=threads, idle_worker_timeout=IDLE):
        run = joblib.Parallel(n_jobs=processes, return_as="generator_unordered", mmap_mode="c")
        results = cast(Iterator[tuple[int, T]], run(numbered))
    try:
        yield from results
    except TerminatedWorkerError as error:
        raise InputError(
            "a process that trained probes was killed, probably for want of memory: lower evaluation.max_examples, "
            "or set LOKY_MAX_CPU_COUNT=1 in the environment"
        ) from error


def _numbered(place: int, job: Callable[[], T], parent: int) -> tuple[int, T]:
    if not any(thread.name == _end_with.__name__ for thread in threading.enumerate()):
        threading.Thread(target=_end_with, args=(parent,), name=_end_with.__name__, daemon=True).start()
    return place, job()


def _end_with(parent: int) -> None:
    """Ends this process once its parent is gone, which may have been killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
