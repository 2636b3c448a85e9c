"""One measurement in a process of its own, whose peak memory is then its alone."""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiprdc_fl.errors import InputError


def engine(folder: Path, contributors: int, workers: int, heavy: bool = False) -> dict[str, float]:
    """See ``noop.ask_engine``."""
    from simulations.benchmarks.scaling.noop import HEAVY, LIGHT, ask_engine

    return {"seconds": ask_engine(folder, contributors, workers, HEAVY if heavy else LIGHT)}


def plain(folder: Path, nodes: int, workers: int) -> dict[str, float]:
    """See ``noop.ask_plainly``."""
    from simulations.benchmarks.scaling.noop import ask_plainly

    logging.getLogger("flwr").setLevel(logging.ERROR)
    return {"seconds": ask_plainly(nodes, workers)}


def extraction(
    folder: Path, contributors: int, image_size: list[int], width: int, bare: int, workers: int
) -> dict[str, float]:
    """See ``extraction.extract``."""
    from simulations.benchmarks.scaling.extraction import Size, extract
    from simulations.benchmarks.scaling.setting import chosen_precision

    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    height, breadth = image_size
    size = Size(contributors, (height, breadth), width, bare)
    return extract(folder, size, chosen_precision(), workers)


KINDS: dict[str, Callable[..., dict[str, float]]] = {
    "engine": engine,
    "plain": plain,
    "extraction": extraction,
}


def measure_apart(kind: str, **arguments: Any) -> dict[str, float]:
    """What one of KINDS returns in a new process, and the "peak_bytes" of its resident memory.

    Raises:
        InputError: the process failed.
    """
    command = [sys.executable, "-m", "simulations.benchmarks.scaling.child", kind, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"measuring {kind} {arguments} failed: {reason}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints what one of KINDS measures, as a line of JSON."""
    from tiprdc_fl.federation.contributor import peak_memory_bytes

    kind, arguments = sys.argv[1], json.loads(sys.argv[2])
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        figures = KINDS[kind](Path(folder), **arguments)
    print(json.dumps(figures | {"peak_bytes": peak_memory_bytes()}))


if __name__ == "__main__":
    main()
