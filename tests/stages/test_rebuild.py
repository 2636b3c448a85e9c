"""What the inversion looks through: the frozen extractor as the adversary sees its features."""

from dataclasses import replace

import pytest
import torch

from tests.models.exported import KERNELS
from tests.models.exported import extractor_of as exported
from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture, build_extractor, seen_shape
from tiprdc_fl.models.extractor import Extractor, forward, freeze, restore
from tiprdc_fl.stages.rebuild import encoding

PLAIN = Architecture("image", 4, image_size=(32, 32))
PROJECTED = replace(PLAIN, transform="project", components=5, noise="laplace", noise_scale=2.0)


KERNEL = replace(PLAIN, **KERNELS)


def extractor_of(architecture: Architecture) -> Extractor:
    if architecture.transform == "kernel":
        return exported(architecture)
    seeding.seed_torch(0, "test")
    network = build_extractor(architecture)
    if architecture.transform == "project":
        network.basis.data.normal_(generator=seeding.torch_generator(0, "basis"))  # pyright: ignore
        network.low.data.fill_(-1e4), network.high.data.fill_(1e4)  # pyright: ignore
    return Extractor(freeze(network), architecture, digest="")


def images() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=seeding.torch_generator(0, "images"))


@pytest.mark.parametrize("architecture", [PLAIN, PROJECTED, KERNEL])
def test_it_gives_what_the_adversary_sees_with_gradients(architecture):
    extractor, x = extractor_of(architecture), images().requires_grad_()
    encode = encoding(extractor)
    assert encode is not None
    z = encode(x)
    assert z.shape == (3, *seen_shape(architecture))
    assert torch.allclose(z, restore(extractor, forward(extractor, x)), rtol=1e-3, atol=1e-3)
    z.square().sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


@pytest.mark.parametrize("noise", ["none", "gaussian", "laplace"])
def test_where_the_image_itself_is_sent_there_is_nothing_to_invert(noise):
    sent = replace(PLAIN, transform="pass", noise=noise, noise_scale=0.5)
    assert encoding(extractor_of(sent)) is None
