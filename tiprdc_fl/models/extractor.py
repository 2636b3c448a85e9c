"""A frozen extractor: its file, its inputs and its features."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import RESTORED, Architecture, build_extractor
from tiprdc_fl.models.text import PAD, tokenise

HEADER = "tiprdc_fl.architecture"
PREPROCESSING = {
    "image": "RGB, centre-cropped to the aspect of image_size, resized with antialiasing, [3, h, w] / 255",
    "text": "lower case, tokens \\w+|[^\\w\\s], ids of vocabulary (else 1), cut to max_tokens, padded with 0",
}


class Images(Protocol):
    """Images uint8 [n, 3, h, w], in memory (a tensor) or not."""

    def __getitem__(self, index: Any, /) -> Tensor:
        """The images at some indices, as a tensor."""
        ...


@dataclass(frozen=True)
class Extractor:
    """A frozen feature extractor, with what is needed to preprocess its inputs.

    Attributes:
        network: inputs -> features, in evaluation mode and without gradients.
        architecture: architecture and preprocessing.
        digest: SHA-256 of the extractor's file, which identifies it.
    """

    network: nn.Module
    architecture: Architecture
    digest: str


def preprocess(architecture: Architecture, inputs: Images | list[str]) -> Tensor:
    """Converts raw inputs to inputs of the network.

    Args:
        architecture: architecture of the extractor, which has the vocabulary.
        inputs: images uint8 [n, 3, h, w], or n messages.

    Returns:
        Images float [n, 3, h, w] in [0, 1], channels last in memory; or tokens int64 [n, length].
    """
    if isinstance(inputs, list):
        return tokenise(inputs, architecture.token_ids, architecture.max_tokens)
    images = inputs[:]
    prepared = torch.empty(images.shape, memory_format=torch.channels_last)
    return prepared.copy_(images).div_(255)


def batch_reader(architecture: Architecture, inputs: Images | list[str]) -> Callable[[np.ndarray], Tensor]:
    """Returns a function from indices to preprocessed batches; messages are tokenised only once."""
    if not isinstance(inputs, list):
        return lambda indices: preprocess(architecture, inputs[torch.from_numpy(indices)])
    tokens = preprocess(architecture, inputs)
    lengths = (tokens != PAD).sum(dim=1)

    def read(indices: np.ndarray) -> Tensor:
        chosen = torch.from_numpy(indices)
        return tokens[chosen, : int(lengths[chosen].max())]

    return read


@contextmanager
def autocast(precision: str, device: str) -> Iterator[None]:
    """A block under bfloat16 autocast if ``precision`` is "bfloat16", else in float32."""
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def freeze(network: nn.Module) -> nn.Module:
    """Puts the network into evaluation mode, without gradients and with channels last; returns it."""
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def forward(extractor: Extractor, prepared: Tensor) -> Tensor:
    """Features of one batch of preprocessed inputs, in the architecture's precision, [n, *feature_shape]."""
    with autocast(extractor.architecture.precision, prepared.device.type):
        return extractor.network(prepared)


@torch.inference_mode()
def restore(extractor: Extractor, z: Tensor) -> Tensor:
    """Converts what was sent to what probes see, [n, *seen_shape]: components become features again."""
    return extractor.network.restore(z) if extractor.architecture.transform in RESTORED else z  # pyright: ignore


def to_bytes(network: nn.Module, architecture: Architecture) -> bytes:
    """Encodes the extractor as a safetensors file with its architecture in the header."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    # A single key, because safetensors writes several keys in a different order in each process.
    return save_tensors(state, metadata={HEADER: header_of(architecture)})


def header_of(architecture: Architecture) -> str:
    """The architecture as JSON, with a description of its preprocessing."""
    return json.dumps(asdict(architecture) | {"preprocessing": PREPROCESSING[architecture.modality]})


def from_bytes(data: bytes) -> Extractor:
    """Decodes the extractor in a safetensors file.

    Raises:
        InputError: the bytes are not a safetensors file, lack an architecture, or hold weights that do not fit it.
    """
    try:
        state = load_tensors(data)
        architecture = _architecture(_header(data))
        network = build_extractor(architecture)
        network.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"not an extractor file of tiprdc_fl ({len(data)} bytes): {reason}") from error
    return Extractor(freeze(network), architecture, hashlib.sha256(data).hexdigest())


def load_extractor(path: str | Path) -> Extractor:
    """Loads an extractor from its file, which holds everything that is needed.

    Raises:
        InputError: the file is missing or is not that of an extractor.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"extractor {path}: cannot be read ({error.strerror})") from error
    try:
        return from_bytes(data)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _header(data: bytes) -> str:
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size])["__metadata__"][HEADER]


def _architecture(header: str) -> Architecture:
    fields = json.loads(header)
    del fields["preprocessing"]  # a description for readers without this package
    fields["image_size"] = tuple(fields["image_size"])
    for name in ("vocabulary", "stated", "stated_values"):
        fields[name] = tuple(fields.get(name, ()))  # an older file lacks the newer ones
    return Architecture(**fields)
