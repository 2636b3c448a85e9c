"""What an extractor's file costs on one thread, one example at a time, in a process of its own.

``measure`` starts ``python -m tiprdc_fl.models.cost FILE PRECISION INPUTS.npy``, which imports only what the file
needs: so the memory is that of a device that has nothing else to do.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from tiprdc_fl.errors import InputError

WARM_UP = 10  # examples that do not count
CALLS = 200
SECONDS = 5.0  # no call begins later
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """Of a file.

    Attributes:
        seconds: of each call with one example, warm-up excluded, float [calls].
        peak_bytes: peak resident memory of the process.
        idle_bytes: resident memory once what the file needs was imported, before it was read.
    """

    seconds: np.ndarray
    peak_bytes: int
    idle_bytes: int


def measure(path: Path, inputs: np.ndarray, precision: str = "float32") -> Cost:
    """The cost of an extractor's file.

    Args:
        path: ``.safetensors`` and ``.pt2`` run in torch, ``.onnx`` in onnxruntime.
        inputs: preprocessed, float32 [n, 3, h, w] or int64 [n, length]; taken in turn, one a call.
        precision: that torch runs a ``.safetensors`` file in.

    Raises:
        InputError: the process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "inputs.npy", inputs)
        command = [sys.executable, "-m", __name__, str(path), precision, f"{folder}/inputs.npy"]
        environment = {**os.environ, **THREADS, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"measuring {path} failed: {last[:200]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Cost(np.array(found["seconds"]), found["peak_bytes"], found["idle_bytes"])


def main(path: Path, precision: str, inputs: str) -> dict[str, Any]:
    """What the process of ``measure`` prints."""
    start = _torch if path.suffix in (".safetensors", ".pt2") else _onnxruntime
    load = start(path, precision)
    idle = memory("VmRSS")
    run = load()
    examples, seconds = np.load(inputs), []
    until = perf_counter() + SECONDS
    while len(seconds) < WARM_UP + CALLS and (perf_counter() < until or len(seconds) <= WARM_UP):
        number = len(seconds) % len(examples)
        example = np.ascontiguousarray(examples[number : number + 1])
        before = perf_counter()
        run(example)
        seconds.append(perf_counter() - before)
    return {"seconds": seconds[WARM_UP:], "peak_bytes": memory("VmHWM"), "idle_bytes": idle}


Load = Callable[[], Callable[[np.ndarray], Any]]


def _onnxruntime(path: Path, precision: str) -> Load:
    import onnxruntime

    def load() -> Callable[[np.ndarray], Any]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda example: session.run(None, {name: example})

    return load


def _torch(path: Path, precision: str) -> Load:
    import torch

    from tiprdc_fl.models.extractor import autocast, load_extractor

    torch.set_num_threads(1)

    def load() -> Callable[[np.ndarray], Any]:
        network = torch.export.load(path).module() if path.suffix == ".pt2" else load_extractor(path).network

        def run(example: np.ndarray) -> torch.Tensor:
            given = torch.from_numpy(example)
            if given.ndim == 4:
                given = given.to(memory_format=torch.channels_last)  # as preprocess leaves images
            with torch.inference_mode(), autocast(precision, "cpu"):
                return network(given)

        return run

    return load


def memory(field: str) -> int:
    """VmRSS or VmHWM of this process in bytes.

    ``ru_maxrss`` is only for where there is no /proc: Linux hands it on from the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:])))
