"""RUNTIMES: what runs a frozen extractor on a device: torch, or onnxruntime on a file exported from it.

No bit of an example's features depends on the other examples of its batch, on their number, or on its place among
them. The number of rows decides which kernels run and in which order they sum, and so does, with some kernels, the
place of a row. Therefore every pass of an extractor has one shape: ``rows_of`` examples, messages as long as
max_tokens; what is missing is zeros, whose features are cut off. And a runner that starts fills one pass with
copies of one example: where a processor's kernels treat any place differently, its passes are of one example each.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor, forward
from tiprdc_fl.models.onnx import DIGEST, INPUT
from tiprdc_fl.models.text import UNKNOWN

# One thread everywhere: sums are then made in one order, whatever the number of workers.
EXTRACTION_THREADS = 1
# Most examples of a pass: more are hardly faster, and who has 20 and works alone pays for those that are missing.
ROWS = 24
# Most values of a pass behind the first convolution: 2 MB of float32. More leave a core's cache: at 218x178 and
# width 64, an image takes 1.8 times as long in passes of 12 as in passes of one.
PASS_VALUES = 2**19
# A batch of preprocessed inputs -> its features [n, *feature_shape], float32, or bfloat16 where torch computes so.
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


@contextmanager
def extraction_threads() -> Iterator[None]:
    """EXTRACTION_THREADS in torch, and afterwards as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(EXTRACTION_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def rows_of(architecture: Architecture) -> int:
    """How many examples a pass of an extractor has, on every machine whose kernels allow it."""
    if architecture.modality == "text":
        return ROWS
    height, breadth = architecture.image_size
    return max(1, min(ROWS, PASS_VALUES // (height * breadth * architecture.width)))


def in_passes(run: Runner, architecture: Architecture) -> Runner:
    """A runner of batches of any size, in passes of one shape.

    Args:
        run: makes one pass.
        architecture: of the extractor that it runs.
    """
    length = architecture.max_tokens if architecture.modality == "text" else 0
    rows = rows_of(architecture) if _is_the_same_in_every_row(run, architecture) else 1

    def run_all(prepared: Tensor) -> Tensor:
        passes = [run(_filled(part, rows, length))[: len(part)] for part in prepared.split(rows)]
        features = torch.cat(passes)
        return features[:, : prepared.shape[1]] if length else features

    return run_all


def _filled(part: Tensor, rows: int, length: int) -> Tensor:
    """A pass of some inputs: zeros behind them, and PAD, which is 0, behind each message.

    It is a copy even where nothing is missing: kernels may sum in another order at another address.
    """
    missing = (0, rows - len(part))
    if length:
        return torch.nn.functional.pad(part, (0, length - part.shape[1], *missing))
    return torch.nn.functional.pad(part, (0, 0, 0, 0, 0, 0, *missing))


def _is_the_same_in_every_row(run: Runner, architecture: Architecture) -> bool:
    """Whether a pass of copies of one example gives copies of its features, to the bit."""
    generator = seeding.torch_generator(0, "runtime")
    if architecture.modality == "text":
        size = (1, architecture.max_tokens)
        example = torch.randint(UNKNOWN, len(architecture.vocabulary), size, generator=generator)
    else:
        example = torch.rand(1, 3, *architecture.image_size, generator=generator)
        example = example.contiguous(memory_format=torch.channels_last)
    with extraction_threads():
        features = run(torch.cat([example] * rows_of(architecture)))
    return torch.equal(features, features[:1].expand_as(features))


def _torch(extractor: Extractor, model: bytes) -> Runner:
    return in_passes(lambda prepared: forward(extractor, prepared), extractor.architecture)


def _onnxruntime(extractor: Extractor, model: bytes) -> Runner:
    """On one thread, one operator after another.

    Raises:
        InputError: onnxruntime is missing, or the file is damaged or of another extractor.
    """
    session = open_session(model)
    found = session.get_modelmeta().custom_metadata_map.get(DIGEST)
    if found != extractor.digest:
        raise InputError(f"an exported extractor is of {found}, the one asked for is {extractor.digest}")

    def run(prepared: Tensor) -> Tensor:
        (features,) = session.run(None, {INPUT: prepared.contiguous().numpy()})
        return torch.from_numpy(features)

    return in_passes(run, extractor.architecture)


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
