"""A frozen extractor as files that run without this package: ONNX in float32 or int8, and torch.export.

An exported extractor takes preprocessed inputs (PREPROCESSING, which the file repeats) in batches of any size, and
computes in float32 at any precision of the extractor. Messages are padded to max_tokens. Noise is not part of the
file, because each device adds its own.
"""

import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import HEADER, Extractor, header_of

if TYPE_CHECKING:
    from onnx import ModelProto

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
DIGEST = "tiprdc_fl.export"  # key of the extractor's digest in a file's metadata, beside HEADER
INPUT, OUTPUT = "inputs", "features"
# Largest difference of a float32 file's features from torch's, as a share of the largest feature. They differ
# because sums have another order and batch normalisation is folded into the convolutions.
TOLERANCE = 1e-5
# The same where the device runs rounds of kernels: whitening and each round amplify what rounding makes different.
KERNEL_TOLERANCE = 1e-3
# Largest difference from a bfloat16 extractor's features. A bfloat16 number has 8 bits and an error of up to 2**-9,
# and the errors of the layers add up.
BFLOAT16_TOLERANCE = 0.03
CALIBRATION_BATCH = 16
# Operators that compute with integers; principal components and the LSTM stay in float32.
INTEGER_OPERATORS = ("Conv", "Relu", "MaxPool")


def check_packages(wanted_by: str) -> None:
    """Checks that the packages for export are installed.

    Args:
        wanted_by: what needs them, for the message.

    Raises:
        InputError: a package is missing.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{wanted_by} needs the package{'s' * (len(missing) > 1)} {', '.join(missing)}: "
            "pip install -e '.[onnx]' (the extra onnx of this project)"
        )


def check_exportable(architecture: Architecture) -> None:
    """Checks that the device runs a network, and sends what the network gives.

    Raises:
        InputError: the device passes its input on, or moves what the network gives by its private attributes.
    """
    if architecture.stated:
        raise InputError(
            f"nothing to export: what the device sends depends on its own {', '.join(architecture.stated)}, and a "
            "file of the network would give what must not be sent; use torch and tiprdc_fl"
        )
    if architecture.transform == "pass":
        raise InputError(
            "nothing to export: this extractor passes images on unchanged (protection.name=raw, noisy or dp)"
        )


def tolerance_of(architecture: Architecture) -> float:
    """Largest difference of a float32 file's features from torch's, as a share of the largest feature."""
    return KERNEL_TOLERANCE if architecture.transform == "kernel" else TOLERANCE


def example_input(architecture: Architecture, count: int = 2) -> Tensor:
    """Inputs of zeros in the shape that the network takes; with zeros, no person's data gets into a file."""
    if architecture.modality == "text":
        return torch.zeros(count, architecture.max_tokens, dtype=torch.int64)
    return torch.zeros(count, 3, *architecture.image_size)


def to_program(extractor: Extractor) -> bytes:
    """Exports to a file of torch.export, which ``torch.export.load`` reads.

    Raises:
        InputError: there is no network to export.
    """
    program, file = _traced(extractor), io.BytesIO()
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # it holds paths of this machine
    program.example_inputs = None  # zeros, which would be most of the file
    extra = {DIGEST: extractor.digest, HEADER: header_of(extractor.architecture)}
    with _quiet():
        torch.export.save(program, file, extra_files=extra)
    return file.getvalue()


def to_onnx(extractor: Extractor) -> bytes:
    """Exports to a float32 ONNX file with its weights; the same extractor gives the same bytes.

    Raises:
        InputError: there is no network to export, or a package is missing.
    """
    check_packages("exporting to ONNX")
    with _quiet():
        program = torch.onnx.export(
            _traced(extractor), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
        )
    assert program is not None  # it is None only without dynamo=True
    return _described(program.model_proto, extractor)  # pyright: ignore[reportArgumentType]


def to_int8(extractor: Extractor, model: bytes, examples: Tensor) -> bytes:
    """Quantises a float32 ONNX file to integers of 8 bits.

    For images, weights have a scale for each channel, and values between layers a scale for each layer, from the
    range of the examples there. For messages only the table of word vectors is quantised, which is most of the
    file. The LSTM stays in float32, because its scales would depend on the batch.

    Args:
        extractor: the extractor that was exported.
        model: bytes of the file, as ``to_onnx`` returns them.
        examples: preprocessed inputs for the calibration.
    """
    from onnx import load_from_string
    from onnxruntime import quantization

    proto, images = load_from_string(model), extractor.architecture.modality == "image"
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        if images:
            quantization.quantize_static(
                model_input=proto,
                model_output=path,
                calibration_data_reader=_Calibration(examples),  # pyright: ignore[reportArgumentType]
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,  # values after a ReLU are at least 0
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=list(INTEGER_OPERATORS),
            )
        else:
            quantization.quantize_dynamic(proto, path, op_types_to_quantize=["Gather"])
        return _described(load_from_string(path.read_bytes()), extractor)


class _Calibration:
    """Examples in batches, with the interface that onnxruntime's calibration expects."""

    def __init__(self, examples: Tensor):
        self.batches = iter(examples.split(CALIBRATION_BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch.contiguous().numpy()}

    def __len__(self) -> int:
        """0, which onnxruntime takes as unknown; it asks for the length only when memory is short."""
        return 0


def digest_of(model: bytes) -> str | None:
    """Digest of the extractor that an ONNX file was exported from; None if the file does not state it."""
    from onnx import load_from_string

    try:
        return {entry.key: entry.value for entry in load_from_string(model).metadata_props}.get(DIGEST)
    except Exception:  # protobuf raises its own classes for what is not an ONNX file
        return None


def _traced(extractor: Extractor) -> torch.export.ExportedProgram:
    check_exportable(extractor.architecture)
    inputs = example_input(extractor.architecture)
    batch = {0: torch.export.Dim("batch")}
    with _quiet():
        return torch.export.export(extractor.network, (inputs,), dynamic_shapes=(batch,))


def _described(proto: "ModelProto", extractor: Extractor) -> bytes:
    """Serialises a model with the extractor's digest and architecture, and without paths of this machine."""
    graph: Any = proto.graph
    for part in (
        proto,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.value_info,
        *graph.initializer,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    symbol = _shape(graph.input[0])[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in _shape(value):
            if dimension.dim_param == symbol:
                dimension.dim_param = "batch"
    for key, value in {DIGEST: extractor.digest, HEADER: header_of(extractor.architecture)}.items():
        proto.metadata_props.add(key=key, value=value)
    return proto.SerializeToString(deterministic=True)


def _shape(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


@contextmanager
def _quiet() -> Iterator[None]:
    """A block in which the exporters' warnings and log lines are dropped.

    The root logger has a handler meanwhile, because its first warning would otherwise install a permanent one.
    """
    root, handler, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(handler)
