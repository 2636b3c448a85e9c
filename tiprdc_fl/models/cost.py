"""Seconds and memory of an extractor's file on one thread, one example at a time, in a process of its own.

``measure`` starts ``python -m tiprdc_fl.models.cost FILE PRECISION INPUTS.npy``, which imports only what the file
needs. Its memory is therefore that of a device that does nothing else.
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

WARM_UP = 10  # calls that are not timed
CALLS = 200
SECONDS = 5.0  # after which no further call begins
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Cost:
    """What running an extractor's file costs.

    Attributes:
        seconds: duration of each call with one example, without the warm-up, float [calls].
        peak_bytes: peak resident memory of the process.
        idle_bytes: resident memory after the imports and before the file is read.
    """

    seconds: np.ndarray
    peak_bytes: int
    idle_bytes: int


def measure(path: Path, inputs: np.ndarray, precision: str = "float32") -> Cost:
    """Measures the cost of an extractor's file in a new process.

    Args:
        path: the file; ``.safetensors`` and ``.pt2`` run in torch, ``.onnx`` in onnxruntime.
        inputs: preprocessed inputs, float32 [n, 3, h, w] or int64 [n, length]; each call takes the next one.
        precision: precision in which torch runs a ``.safetensors`` file.

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
    figures = json.loads(done.stdout.splitlines()[-1])
    return Cost(np.array(figures["seconds"]), figures["peak_bytes"], figures["idle_bytes"])


def main(path: Path, precision: str, inputs: str) -> dict[str, Any]:
    """Measures in this process; returns the fields of ``Cost``, which the process prints."""
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
            x = torch.from_numpy(example)
            if x.ndim == 4:
                x = x.to(memory_format=torch.channels_last)  # the layout that preprocess returns
            with torch.inference_mode(), autocast(precision, "cpu"):
                return network(x)

        return run

    return load


def memory(field: str) -> int:
    """VmRSS or VmHWM of this process in bytes.

    ``ru_maxrss`` is used only where /proc is missing, because Linux inherits it from the parent process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS: in bytes


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), *sys.argv[2:])))
