"""Extractors as if they were trained, inputs for them, and their exported files, each made once."""

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.erasure import Erasure
from tiprdc_fl.models.extractor import Extractor, from_bytes, to_bytes
from tiprdc_fl.models.kernel_map import KernelMap, Round
from tiprdc_fl.models.onnx import to_int8, to_onnx
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.transport import Transport

WORDS = ("", "?", *(f"w{number}" for number in range(50)))
IMAGE = Architecture("image", 4, image_size=(32, 32))
TEXT = Architecture("text", 8, vocabulary=WORDS, max_tokens=12)
PROJECTED = {"transform": "project", "components": 7}
KERNELS = {"transform": "kernel", "components": 7, "inputs": 12, "fourier": 64, "rounds": 2, "hidden": 16}
ERASED = {"transform": "erase", "components": 3}
MOVED = {
    "transform": "transport",
    "components": 7,
    "stated": ("Smiling",),
    "stated_values": (2,),
}  # has no file
ARCHITECTURES = {
    "narrow": IMAGE,
    "wide": replace(IMAGE, width=24, image_size=(40, 34)),
    "components": replace(IMAGE, **PROJECTED),
    "erased": replace(IMAGE, **ERASED),
    "kernels": replace(IMAGE, **KERNELS),
    "a kernel": replace(IMAGE, **{**KERNELS, "rounds": 1, "hidden": 0}),
    "messages": TEXT,
    "messages' components": replace(TEXT, **PROJECTED),
    "messages' pooled components": replace(TEXT, pooled=True, **PROJECTED),
    "messages, erased": replace(TEXT, **ERASED),
    "messages, kernels": replace(TEXT, **KERNELS),
}


@cache
def extractor_of(architecture: Architecture) -> Extractor:
    """An extractor whose normalisation layers have seen something, and whose components have a range."""
    seeding.seed_torch(0, "test")
    network, generator = build_extractor(architecture), seeding.torch_generator(0, "test")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(generator=generator)  # pyright: ignore
                module.running_var.uniform_(0.5, 2, generator=generator)  # pyright: ignore
                module.weight.uniform_(0.5, 1.5, generator=generator)
        if isinstance(network, KernelMap):
            _randomise(network, generator)
        if isinstance(network, Erasure):
            network.into.normal_(std=0.1, generator=generator)
            network.back.normal_(std=0.1, generator=generator)
        if isinstance(network, Transport):
            network.basis.normal_(std=0.1, generator=generator)
            network.maps.normal_(std=0.1, generator=generator)
            network.offsets.uniform_(generator=generator)
            if network.centred:
                network.between.normal_(std=0.1, generator=generator)
                network.within.normal_(std=0.1, generator=generator)
                network.origins.uniform_(generator=generator)
            network.back.normal_(generator=generator)
            network.middle.normal_(generator=generator)
        if isinstance(network, Projection):
            network.basis.normal_(generator=generator)
            network.low.fill_(-50)
            network.high.fill_(50)
    return from_bytes(to_bytes(network, architecture))


def _randomise(network: KernelMap, generator: torch.Generator) -> None:
    """Constants as if they were fitted: whitened components and angles of about 1, and directions of length 1."""
    spread = 4.0 if network.shape[0] < 0 else 0.5  # values of messages are small
    network.basis.normal_(std=spread * network.basis.shape[1] ** -0.5, generator=generator)
    network.back.normal_(generator=generator)
    network.middle.normal_(generator=generator)
    for turn in network.rounds:
        assert isinstance(turn, Round)
        turn.frequencies.normal_(std=0.5, generator=generator)
        turn.basis.copy_(torch.linalg.qr(torch.randn(turn.basis.T.shape, generator=generator))[0].T)


def inputs_of(architecture: Architecture, count: int = 20) -> Tensor:
    """Preprocessed random inputs; messages have 1 to max_tokens tokens, the longest all of them."""
    generator = seeding.torch_generator(0, "inputs")
    if architecture.modality == "image":
        images = torch.rand(count, 3, *architecture.image_size, generator=generator)
        return images.contiguous(memory_format=torch.channels_last)
    most = architecture.max_tokens
    tokens = torch.randint(1, len(WORDS), (count, most), generator=generator)
    lengths = torch.arange(count) % most + 1
    return tokens.where(torch.arange(most) < lengths[:, None], 0)


@cache
def onnx_of(architecture: Architecture) -> bytes:
    """A float32 file."""
    return to_onnx(extractor_of(architecture))


@cache
def int8_of(architecture: Architecture) -> bytes:
    """An int8 file, calibrated on its inputs."""
    return to_int8(extractor_of(architecture), onnx_of(architecture), inputs_of(architecture))
