"""RUNTIMES: run a frozen extractor on a device, with torch, or with onnxruntime on an exported file.

The features of an example are equal to the bit in every batch: they do not depend on the other examples, on their
number, or on the example's place. The number of rows decides which kernels run and in which order they sum; with
some kernels the place of a row does so too. Therefore every pass of an extractor has one shape: ``rows_of``
examples, and messages of max_tokens. Zeros fill a pass, and their features are dropped. A runner that starts also
fills one pass with copies of one example. If their features differ, the processor's kernels treat places
differently, and every pass then has one example.
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

# One thread everywhere, so that the order of sums does not depend on the number of workers.
EXTRACTION_THREADS = 1
# Largest number of examples in a pass. More are hardly faster, and a contributor that works alone pays for the
# zeros.
ROWS = 24
# Largest number of values in a pass after the first convolution: 2 MB of float32. More do not fit into a core's
# cache: at 218x178 and width 64, an image takes 1.8 times as long in passes of 12 as in passes of one.
PASS_VALUES = 2**19
# A batch of preprocessed inputs -> its features [n, *feature_shape], float32 or bfloat16.
Runner = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Runtime:
    """One way to run an extractor.

    Attributes:
        start: extractor, and bytes of the runtime's own file -> a runner.
        ending: ending of that file, which lies beside the extractor's; "" if the runtime needs no file of its own.
    """

    start: Callable[[Extractor, bytes], Runner]
    ending: str = ""


@contextmanager
def extraction_threads() -> Iterator[None]:
    """A block in which torch uses EXTRACTION_THREADS threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(EXTRACTION_THREADS)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def rows_of(architecture: Architecture) -> int:
    """Number of examples in a pass of an extractor, on machines whose kernels treat all places alike."""
    if architecture.modality == "text":
        return ROWS
    height, breadth = architecture.image_size
    return max(1, min(ROWS, PASS_VALUES // (height * breadth * architecture.width)))


@dataclass(frozen=True)
class PassRunner:
    """A runner that takes batches of any size and divides them into passes of one shape.

    Attributes:
        run: runs one pass.
        rows: number of examples in a pass; 1 where the kernels of this machine do not treat all places alike.
        length: tokens of a message; 0 for images. No message is longer.
    """

    run: Runner
    rows: int
    length: int

    def __call__(self, prepared: Tensor) -> Tensor:
        """Features of a batch."""
        parts = prepared.split(self.rows)
        features = torch.cat([self.run(_filled(part, self.rows, self.length))[: len(part)] for part in parts])
        return features[:, : prepared.shape[1]] if self.length else features


def in_passes(run: Runner, architecture: Architecture) -> PassRunner:
    """The runner of whole passes of one extractor.

    Args:
        run: runs one pass.
        architecture: architecture of the extractor that ``run`` runs.
    """
    rows = rows_of(architecture) if _is_the_same_in_every_row(run, architecture) else 1
    return PassRunner(run, rows, architecture.max_tokens if architecture.modality == "text" else 0)


def _filled(part: Tensor, rows: int, length: int) -> Tensor:
    """Fills a pass: zeros after the inputs, and PAD, which is 0, after each message.

    The result is a copy even of a full pass, because kernels may sum in another order at another address.
    """
    missing = (0, rows - len(part))
    if length:
        return torch.nn.functional.pad(part, (0, length - part.shape[1], *missing))
    return torch.nn.functional.pad(part, (0, 0, 0, 0, 0, 0, *missing))


def _is_the_same_in_every_row(run: Runner, architecture: Architecture) -> bool:
    """Whether all features of a pass of copies of one example are equal to the bit."""
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
    """Starts onnxruntime on one thread.

    Raises:
        InputError: onnxruntime is missing, or the file is damaged or was exported from another extractor.
    """
    session = open_session(model)
    digest = session.get_modelmeta().custom_metadata_map.get(DIGEST)
    if digest != extractor.digest:
        raise InputError(
            f"the exported file is of the extractor {digest}, but the request names {extractor.digest}: export it "
            "again with python -m tiprdc_fl.export"
        )

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
    """Path of the file that a runtime runs, beside the extractor's; None if it runs the extractor's own file."""
    ending = RUNTIMES[runtime].ending
    return extractor.with_suffix(ending) if ending else None


def read_model(extractor: Path, runtime: str) -> bytes:
    """Reads the file that a runtime runs; empty if it runs the extractor's own file.

    Raises:
        InputError: the file is missing.
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
    """Opens an ``onnxruntime.InferenceSession`` with one thread.

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
    except Exception as error:  # onnxruntime's own classes of errors add no information
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"not an ONNX file that onnxruntime can run ({len(model)} bytes): {reason}"
        ) from error
