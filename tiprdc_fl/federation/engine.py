"""ENGINES: who carries out a collection, Flower on Ray or this process alone; the functions are the same."""

import logging
import os
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import FrameType

from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collector import Collected, Collection, collect, open_collection
from tiprdc_fl.federation.contributor import contribute_each
from tiprdc_fl.models.extractor import load_extractor

COMMIT_SECONDS = 60.0  # for what has arrived to be committed after an interrupt
RAY_SESSION = Path(tempfile.gettempdir()) / "ray" / "session_latest"


def run_inline(
    collection: Collection, on_answer: Callable[[int], None], dataset: Dataset | None = None
) -> Collected:
    """Every contributor one after another in this process; from ``dataset`` when it is already open."""
    request = collection.request
    extractor = load_extractor(Path(request.extractor))
    dataset = dataset or open_dataset(request.source)
    store, asked = open_collection(collection)
    seed = request.source.seed
    answers = contribute_each(extractor, dataset, asked, request.tasks, request.codec, seed)
    return collect(len(asked), answers, store, Path(collection.folder) / "quarantine", on_answer)


def run_flower(collection: Collection, on_answer: Callable[[int], None]) -> Collected:
    """A Flower simulation on Ray: ``contributors_per_node`` contributors a node, one actor a worker."""
    _, asked = open_collection(collection)
    if not asked:
        return Collected(0, 0, ())
    # Imported here, so that an inline run does not wait for Flower and Ray.
    from flwr.simulation import run_simulation

    from tiprdc_fl.federation.client_app import app
    from tiprdc_fl.federation.server_app import server_app

    ended: list[Collected] = []
    stop, idle = Event(), Event()
    idle.set()
    nodes = -(-len(asked) // collection.contributors_per_node)
    with _logs_in(Path(collection.folder) / "logs"), _interrupt_sets(stop):
        try:
            run_simulation(
                server_app(collection, on_answer, ended.append, stop, idle),
                app,
                num_supernodes=nodes,
                backend_config=_backend(collection.workers),
            )
        finally:
            stopped = stop.is_set()
            stop.set()  # Flower's server thread outlives an exception in the main one
            idle.wait(COMMIT_SECONDS)
    if not ended and stopped:
        raise KeyboardInterrupt
    if not ended:
        raise InputError(f"Flower ended before the collection did; see {collection.folder}/logs/flower.log")
    return ended[0]


ENGINES: dict[str, Callable[[Collection, Callable[[int], None]], Collected]] = {
    "flower": run_flower,
    "inline": run_inline,
}


def _backend(workers: int) -> dict:
    """Ray's settings: an actor for each worker, restarted when it dies, nothing on the terminal."""
    return {
        "init_args": {
            "num_cpus": workers,
            "include_dashboard": False,
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        },
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": 3},
    }


@contextmanager
def _interrupt_sets(stop: Event) -> Iterator[None]:
    """The first SIGINT only sets ``stop``: what has arrived is committed, what is under way ends, then Ray.

    Raised in the midst of Flower's main loop it would end Ray under threads that still wait for its answers, and
    Ray then ends this process with status 1, before the commit. A second SIGINT interrupts at once.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are not this thread's affair
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    if callable(before):  # else a shell's background job, which ignores it
        signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _logs_in(folder: Path) -> Iterator[None]:
    """Sends what Flower logs, and everything written to standard error, to the folder.

    Ray's processes write to the file descriptor, so that is what is redirected. Ray's own log files are
    copied when it ends: its socket paths are too long for it to work in any folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("flwr")
    handlers, kept, earlier = list(logger.handlers), os.dup(2), RAY_SESSION.resolve()
    with (folder / "flower.log").open("a", encoding="utf-8") as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.handlers = [handler]
        os.dup2(file.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Flower's and Ray's own, in code that is not ours
                yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            logger.handlers = handlers
            if RAY_SESSION.resolve() != earlier:
                with suppress(OSError):  # a log that cannot be copied must not hide why the run ended
                    shutil.copytree(RAY_SESSION / "logs", folder / "ray", dirs_exist_ok=True)
