"""Ray: starting or joining a cluster, watching its processes, and handling interrupts and logs meanwhile."""

import logging
import os
import shutil
import signal
import socket
import sys
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

# A worker is a Ray actor with one CPU; Ray restarts it whenever it dies.
ACTOR = {"num_cpus": 1, "num_gpus": 0.0, "max_restarts": -1}
# glibc settings: a worker reuses the memory of one batch for the next. By default glibc maps and zeroes new pages
# for every layer's output, which takes a sixth of a forward pass.
MALLOC_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**26),
}
WATCH_SECONDS = 1.0
CONNECT_SECONDS = 10.0


def start_ray(collection: Collection) -> int:
    """Starts Ray on this machine, or joins the cluster at ``collection.ray_address``.

    Returns:
        The number of CPUs, and thus of workers, of the cluster.

    Raises:
        InputError: no cluster answers at that address.
    """
    import ray

    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    # Ray's processes inherit the environment but not sys.path.
    environment = {"env_vars": {"PYTHONPATH": os.pathsep.join(sys.path), **MALLOC_SETTINGS}}
    if collection.ray_address is None:  # "local": does not join a cluster that runs here already
        options = {"num_cpus": collection.workers, "include_dashboard": False}
        ray.init(address="local", runtime_env=environment, **options, **quiet)
        return collection.workers
    try:
        _check_listening(collection.ray_address)
        ray.init(address=collection.ray_address, runtime_env=environment, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"ray.address={collection.ray_address}: no Ray cluster answers there ({str(error).splitlines()[0]}); "
            "start one with ray start --head, or leave ray.address out"
        ) from error
    return int(ray.cluster_resources().get("CPU", 1))


def session_logs() -> Path:
    """Folder of the logs of the Ray session that this process started or joined.

    Ray's link ``session_latest`` is no substitute: it may lead to another process's session.
    """
    from ray._private import worker

    node: Any = worker._global_node
    return Path(node.get_session_dir_path()) / "logs"


def _check_listening(address: str) -> None:
    """Connects to a ``host:port`` once, because Ray itself would retry for minutes.

    Raises:
        OSError: nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()


def watch_ray(stop: Event) -> list[str]:
    """Starts a thread that sets ``stop`` when a process of the Ray cluster started here dies.

    Without it the remaining contributors would fail one after another, or the collection would wait for ever.

    Returns:
        A list that is empty until then, and afterwards names the dead processes.
    """
    from ray._private import worker

    dead: list[str] = []

    def watch() -> None:
        node: Any = worker._global_node
        while node is not None and node is worker._global_node and not stop.wait(WATCH_SECONDS):
            died = [kind for kind, _ in node.dead_processes() if kind in ("raylet", "gcs_server")]
            if died and node is worker._global_node:  # else Ray was shut down on purpose in between
                dead.extend(died)
                stop.set()

    threading.Thread(target=watch, daemon=True).start()
    return dead


@contextmanager
def interrupt_sets(stop: Event) -> Iterator[None]:
    """Makes the first SIGINT set ``stop`` only; the second one interrupts at once.

    A KeyboardInterrupt in Flower's main loop would shut Ray down while other threads wait for its results. Ray then
    ends this process with status 1 before the collector commits what has arrived.
    """
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only the main thread may set signal handlers
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handler(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    if callable(before):  # else SIGINT is ignored, as in a shell's background job, and stays ignored
        signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def logs_in(folder: Path) -> Iterator[list[Path]]:
    """Redirects Flower's log and the standard error of all processes to ``flower.log`` in the folder.

    The file descriptor itself is redirected because Ray's processes write to it.

    Yields:
        A list of folders: what is appended to it is copied to ``ray`` at the end. Ray cannot write its log files
        here, because its socket paths would become too long.
    """
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("flwr")
    handlers, stderr = list(logger.handlers), os.dup(2)
    copied: list[Path] = []
    with (folder / "flower.log").open("a", encoding="utf-8") as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.handlers = [handler]
        os.dup2(file.fileno(), 2)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # raised inside Flower and Ray
                yield copied
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            logger.handlers = handlers
            for logs in copied:
                with suppress(OSError):  # a failing copy must not hide why the run ended
                    shutil.copytree(logs, folder / "ray", dirs_exist_ok=True)
