"""A frozen extractor as files that run without this package: ONNX in float32 or int8, and torch.export.

An exported extractor takes what the extractor's network takes, preprocessed inputs (PREPROCESSING, and in words in
the file itself), in batches of any size, and computes in float32 whatever the extractor's own precision. Messages
are padded to max_tokens: their length is fixed. Noise is no part of it: a device adds its own.
"""

import copy
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
from torch import Tensor, nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import HEADER, Extractor, header_of
from tiprdc_fl.models.projection import Projection

if TYPE_CHECKING:
    from onnx import ModelProto

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
DIGEST = "tiprdc_fl.export"  # key of the extractor's digest in a file's metadata, beside HEADER
INPUT, OUTPUT = "inputs", "features"
# Features of a float32 file may differ by so much from torch's float32, as a share of the largest feature: sums
# are made in another order, and batch normalisation is folded into the convolutions.
TOLERANCE = 1e-5
# And by so much from a bfloat16 extractor's own features: its numbers have 8 bits, each off by up to 2**-9, and
# layers add up.
BFLOAT16_TOLERANCE = 0.03
CALIBRATION_BATCH = 16
# What has integers behind it; the rest, principal components and LSTM, stays in float32.
INTEGER_OPERATORS = ("Conv", "Relu", "MaxPool")


def check_packages(wanted_by: str) -> None:
    """Raises InputError when a package that export needs is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{wanted_by} needs the package{'s' * (len(missing) > 1)} {', '.join(missing)}: "
            "pip install -e '.[onnx]' (the extra onnx of this project)"
        )


def check_exportable(architecture: Architecture) -> None:
    """Raises InputError when the device runs no network, but passes its input on."""
    if architecture.transform == "pass":
        raise InputError(
            "nothing to export: this extractor passes images on as they are (protection.name=raw, noisy or dp)"
        )


def example_input(architecture: Architecture, count: int = 2) -> Tensor:
    """Inputs of zeros, shaped as the network takes them: nobody's data gets into a file."""
    if architecture.modality == "text":
        return torch.zeros(count, architecture.max_tokens, dtype=torch.int64)
    return torch.zeros(count, 3, *architecture.image_size)


def to_program(extractor: Extractor) -> bytes:
    """A file of torch.export, read by ``torch.export.load``.

    Raises:
        InputError: there is no network to export.
    """
    program, file = _traced(extractor), io.BytesIO()
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta.pop("stack_trace", None)  # paths of the machine that exported it
    program.example_inputs = None  # zeros, which would be most of the file
    extra = {DIGEST: extractor.digest, HEADER: header_of(extractor.architecture)}
    with _quiet():
        torch.export.save(program, file, extra_files=extra)
    return file.getvalue()


def to_onnx(extractor: Extractor) -> bytes:
    """A float32 ONNX file, weights inside; the same extractor gives the same bytes.

    Raises:
        InputError: there is no network to export, or a package is missing.
    """
    check_packages("exporting to ONNX")
    with _quiet():
        program = torch.onnx.export(
            _traced(extractor), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], verbose=False
        )
    assert program is not None  # it is for dynamo=True
    return _described(program.model_proto, extractor)  # pyright: ignore[reportArgumentType]


def to_int8(extractor: Extractor, model: bytes, examples: Tensor) -> bytes:
    """A float32 ONNX file with integers of 8 bits.

    Images: weights with a scale for each channel, and between layers values with a scale for each layer, from the
    range that examples have there. Messages: the table of word vectors, which is most of the file; the LSTM's
    values would need scales that depend on the batch, so it stays in float32.

    Args:
        extractor: that the file is of.
        model: as ``to_onnx`` makes it.
        examples: preprocessed inputs, to calibrate on.
    """
    from onnx import load_from_string
    from onnxruntime import quantization

    proto, images = load_from_string(model), extractor.architecture.modality == "image"
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        if images:
            quantization.quantize_static(
                *(proto, path, _Calibration(examples)),  # pyright: ignore[reportArgumentType]
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,  # after a ReLU there is nothing below 0
                weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=list(INTEGER_OPERATORS),
            )
        else:
            quantization.quantize_dynamic(proto, path, op_types_to_quantize=["Gather"])
        return _described(load_from_string(path.read_bytes()), extractor)


class _Calibration:
    """Examples in batches, as onnxruntime's calibration asks for them."""

    def __init__(self, examples: Tensor):
        self.batches = iter(examples.split(CALIBRATION_BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch; None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {INPUT: batch.contiguous().numpy()}

    def __len__(self) -> int:
        """Unknown to onnxruntime, which asks where memory is short."""
        return 0


def digest_of(model: bytes) -> str | None:
    """Digest of the extractor that an ONNX file is of; None where the file does not say."""
    from onnx import load_from_string

    try:
        return {one.key: one.value for one in load_from_string(model).metadata_props}.get(DIGEST)
    except Exception:  # protobuf's own: not an ONNX file
        return None


def _traced(extractor: Extractor) -> torch.export.ExportedProgram:
    check_exportable(extractor.architecture)
    inputs = example_input(extractor.architecture)
    batch = {0: torch.export.Dim("batch")}
    with _quiet():
        return torch.export.export(_whole(extractor.network), (inputs,), dynamic_shapes=(batch,))


def _whole(network: nn.Module) -> nn.Module:
    """The network; principal components in a product without the zeros that torch's kernels need."""
    if not isinstance(network, Projection):
        return network
    network = copy.deepcopy(network)
    basis = network.basis
    network._projected = lambda flat: flat @ basis.T
    return network


def _described(proto: "ModelProto", extractor: Extractor) -> bytes:
    """The file with the extractor's digest and architecture, without paths of the machine that exported it."""
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
    for dimension in (
        one for value in (*graph.input, *graph.output, *graph.value_info) for one in _shape(value)
    ):
        if dimension.dim_param == symbol:
            dimension.dim_param = "batch"
    for key, value in {DIGEST: extractor.digest, HEADER: header_of(extractor.architecture)}.items():
        proto.metadata_props.add(key=key, value=value)
    return proto.SerializeToString(deterministic=True)


def _shape(value: Any) -> Any:
    return value.type.tensor_type.shape.dim


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters have to say of themselves.

    The root logger has a handler meanwhile: else its first warning would install one that stays.
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
