"""RUNTIMES: what runs a frozen extractor on a device: torch, or onnxruntime on a file exported from it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import Extractor, forward
from tiprdc_fl.models.onnx import DIGEST, INPUT

# A batch of preprocessed inputs -> its features [n, *feature_shape], float32, or bfloat16 where torch computes so.
# No bit of an example's features depends on its neighbours in the batch (tests/test_contributor.py).
Runner = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Runtime:
    """One way to run an extractor.

    Attributes:
        start: extractor, and the bytes of the file that it runs -> a runner.
        ending: of that file, beside the extractor's; "" where the extractor is enough.
    """

    start: Callable[[Extractor, bytes], Runner]
    ending: str = ""


def _torch(extractor: Extractor, model: bytes) -> Runner:
    def run(prepared: Tensor) -> Tensor:
        if len(prepared) == 1:  # one alone takes other kernels than two do: other last bits
            return forward(extractor, torch.cat([prepared, prepared]))[:1]
        return forward(extractor, prepared)

    return run


def _onnxruntime(extractor: Extractor, model: bytes) -> Runner:
    """On one thread, one operator after another.

    Raises:
        InputError: onnxruntime is missing, or the file is damaged or of another extractor.
    """
    session = open_session(model)
    found = session.get_modelmeta().custom_metadata_map.get(DIGEST)
    if found != extractor.digest:
        raise InputError(f"an exported extractor is of {found}, the one asked for is {extractor.digest}")
    length = extractor.architecture.max_tokens if extractor.architecture.modality == "text" else 0

    def run(prepared: Tensor) -> Tensor:
        given = prepared.shape[1]
        if length:  # of messages it is fixed: padding behind a message changes nothing in it
            prepared = torch.nn.functional.pad(prepared, (0, length - given))
        (features,) = session.run(None, {INPUT: prepared.contiguous().numpy()})
        return torch.from_numpy(features)[:, :given] if length else torch.from_numpy(features)

    return run


RUNTIMES: dict[str, Runtime] = {
    "torch": Runtime(_torch),
    "onnxruntime": Runtime(_onnxruntime, ".onnx"),
    "onnxruntime-int8": Runtime(_onnxruntime, ".int8.onnx"),
}


def model_path(extractor: Path, runtime: str) -> Path | None:
    """Where the file lies that a runtime runs, beside the extractor's; None where the extractor is enough."""
    ending = RUNTIMES[runtime].ending
    return extractor.with_suffix(ending) if ending else None


def read_model(extractor: Path, runtime: str) -> bytes:
    """The file that a runtime runs; empty where the extractor is enough.

    Raises:
        InputError: it is not there.
    """
    path = model_path(extractor, runtime)
    try:
        return b"" if path is None else path.read_bytes()
    except OSError as error:
        raise InputError(
            f"federation.runtime={runtime} needs {path}, which cannot be read ({error.strerror}): make it with "
            f"python -m tiprdc_fl.export {extractor.parent}"
        ) from error


def open_session(model: bytes) -> Any:
    """An ``onnxruntime.InferenceSession`` of one thread.

    Raises:
        InputError: onnxruntime is missing, or it cannot read the file.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            "the package onnxruntime is missing: pip install onnxruntime (the extra onnx), or set "
            "federation.runtime=torch"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of classes of its own, which say nothing more
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"not an ONNX file that onnxruntime can run ({len(model)} bytes): {reason}"
        ) from error
