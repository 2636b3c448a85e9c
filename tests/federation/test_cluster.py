"""A running Ray cluster of two nodes does the contributors' work."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.federation.killed import PEOPLE, check_whole, collection_in, ended, started
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.collection import write_collection
from tiprdc_fl.federation.engine import run_flower

RAY = str(Path(sys.executable).with_name("ray"))
HEAD = ("--head", "--include-dashboard=false")
ONE_CPU = ("--num-cpus=1", "--disable-usage-stats", "--block")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def node(folder: Path, *arguments: str) -> Iterator[subprocess.Popen]:
    """A Ray node in the foreground, on loopback; it ends with its process."""
    command = [RAY, "start", "--node-ip-address=127.0.0.1", *arguments, *ONE_CPU]
    folder.mkdir()
    with (folder / "ray.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 120
        while "Ray runtime started" not in (folder / "ray.log").read_text():
            assert process.poll() is None and time.monotonic() < until, (folder / "ray.log").read_text()
            time.sleep(0.2)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        forget(folder)


def forget(folder: Path) -> None:
    """Ray leaves the address of a cluster that has ended where others look for a running one."""
    path = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"
    if path.exists() and path.read_text().strip() in (folder / "ray.log").read_text():
        path.unlink()


@pytest.mark.flower
@pytest.mark.slow
def test_a_cluster_of_two_nodes_collects_the_same_features(tmp_path, undisturbed):
    address = f"127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    folder = tmp_path / "run"
    write_collection(replace(collection_in(folder), ray_address=address))
    with (
        node(tmp_path / "head", *HEAD, f"--port={port}"),
        node(tmp_path / "second", f"--address={address}"),
    ):
        status, lines, error = ended(started("flower", folder))
        assert (status, error) == (0, "")
        assert json.loads(lines[-1]) == [len(PEOPLE), len(PEOPLE), 0]
    check_whole(folder, undisturbed)


def test_no_cluster_at_the_address(tmp_path):
    collection = replace(collection_in(tmp_path / "run"), ray_address=f"127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match=r"ray\.address=127.*no Ray cluster answers there.*ray start --head"):
        run_flower(collection, lambda contributors, examples: None)
