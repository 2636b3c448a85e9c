"""Ray: started, reached, watched and ended in order."""

import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Any

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import Collection

# A worker is a Ray actor with a CPU, started again as often as it dies.
ACTOR = {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": -1}
# For glibc: workers keep the memory of a batch for the next one. Else every layer's result is mapped anew and its
# pages are zeroed, a sixth of the time of a forward pass.
KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}


WATCH_SECONDS = 1.0
REACH_SECONDS = 10.0
RAY_SESSION = Path(tempfile.gettempdir()) / "ray" / "session_latest"


def start_ray(collection: Collection) -> int:
    """Starts Ray on this machine, or joins the cluster at ``collection.ray_address``; returns its CPUs.

    Raises:
        InputError: there is no such cluster.
    """
    import ray

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    # Ray's processes inherit the environment, not this one's sys.path.
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path), **KEPT_MEMORY}}
    if collection.ray_address is None:  # "local": one that happens to run here is not joined
        options = {"num_cpus": collection.workers, "include_dashboard": False}
        ray.init(address="local", runtime_env=environment, **options, **quiet)
        return collection.workers
    try:
        _reach(collection.ray_address)
        ray.init(address=collection.ray_address, runtime_env=environment, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"ray.address={collection.ray_address}: no Ray cluster answers there ({str(error).splitlines()[0]}); "
            "start one with ray start --head, or leave ray.address out"
        ) from error
    return int(ray.cluster_resources().get("CPU", 1))


def _reach(address: str) -> None:
    """Raises OSError where nobody listens at a host:port: Ray would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()


def watch_ray(stop: Event) -> list[str]:
    """Sets ``stop`` when a process of the Ray started here dies; the list that it returns then names it.

    Without it the contributors who are still to be asked would fail one after another, or wait.
    """
    from ray._private import worker

    dead: list[str] = []

    def watch() -> None:
        node: Any = worker._global_node
        while node is not None and node is worker._global_node and not stop.wait(WATCH_SECONDS):
            found = [kind for kind, _ in node.dead_processes() if kind in ("raylet", "gcs_server")]
            if found and node is worker._global_node:  # else it has been shut down meanwhile
                dead.extend(found)
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    return dead


@contextmanager
def interrupt_sets(stop: Event) -> Iterator[None]:
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
def logs_in(folder: Path) -> Iterator[None]:
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
