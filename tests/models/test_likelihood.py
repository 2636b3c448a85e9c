"""The decoders' information, against values that are known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.models.likelihood import FLOOR, PATCH, ImageLikelihood, TextLikelihood

WIDTH = 24  # 48 channels of features, as many as a patch has values
U = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 32)


def images(spread: float = 0.2) -> Tensor:
    """Images whose pixels are independent and uniform, with a standard deviation of ``spread``."""
    generator = seeding.torch_generator(0, "likelihood")
    return 0.5 + spread * math.sqrt(12) * (torch.rand(64, 3, 16, 16, generator=generator) - 0.5)


def silence(network: nn.Module) -> None:
    for weight in network.parameters():
        nn.init.zeros_(weight)


def trained(likelihood: ImageLikelihood | TextLikelihood, x: Tensor, z: Tensor, u: Tensor, **fit) -> float:
    """The information about the second half of a batch after some steps on the first, nats."""
    optimiser = torch.optim.Adam(likelihood.parameters(), fit["rate"])
    for _ in range(fit["steps"]):
        optimiser.zero_grad()
        (-likelihood.information(x[:32], z[:32], u[:32])).backward()
        optimiser.step()
    return likelihood.information(x[32:], z[32:], u[32:]).item()


def test_a_silent_decoder_knows_nothing_of_its_sample():
    x = images()
    likelihood = ImageLikelihood(WIDTH, 2, x)
    silence(likelihood)
    assert likelihood.information(x, torch.rand(64, 2 * WIDTH, 4, 4), U).item() == pytest.approx(0, abs=1e-5)


def test_pixels_seen_in_noise_have_the_information_of_a_gaussian_channel():
    """log(1 + signal / noise) / 2 for each of a pixel's three values; the floor counts as noise on both sides."""
    x, noise = images(), 0.1
    patches = F.pixel_unshuffle(x, PATCH)
    z = patches + noise * torch.randn(patches.shape, generator=seeding.torch_generator(1, "likelihood"))
    likelihood = ImageLikelihood(WIDTH, 2, x)
    silence(likelihood)
    signal, least = 0.2**2, noise**2 * 0.2**2 / (noise**2 + 0.2**2)
    expected = 1.5 * math.log((signal + FLOOR**2) / (least + FLOOR**2))
    # The best predictor: the basis, shrunk, from the position itself.
    shrunk = likelihood.basis.T * (signal / (signal + noise**2)) / likelihood.scale[:, None]
    with torch.no_grad():
        likelihood.linear.weight[:, :48, 1, 1] = shrunk
        likelihood.linear.bias.copy_(-shrunk @ likelihood.mean)
    assert likelihood.information(x, z, U).item() == pytest.approx(expected, rel=0.05)


def test_training_tells_features_that_keep_the_image_from_others():
    x = images()
    kept, lost = F.pixel_unshuffle(x, PATCH), torch.rand(64, 2 * WIDTH, 4, 4)
    values = [trained(ImageLikelihood(WIDTH, 2, x), x, z, U, steps=100, rate=5e-3) for z in (kept, lost)]
    assert values[0] > 0.5
    assert values[1] < 0


def test_the_private_attribute_needs_no_place_in_the_features():
    """Where brightness is u, the decoder knows it without features."""
    x = images(0.05) + 0.3 * (U[:, :1, None, None] - 0.5)
    z = torch.zeros(64, 2 * WIDTH, 4, 4)
    assert trained(ImageLikelihood(WIDTH, 2, x), x, z, U, steps=100, rate=1e-2) > 0.1
    assert trained(ImageLikelihood(WIDTH, 2, x), x, z, 0 * U, steps=100, rate=1e-2) < 0.01


def test_rows_beyond_the_last_whole_patch_are_cut():
    x = torch.rand(4, 3, 38, 35)
    likelihood = ImageLikelihood(2, 2, x)
    assert math.isfinite(likelihood.information(x, torch.rand(4, 4, 9, 8), U[:4]).item())


def tokens() -> Tensor:
    """Messages of 3 to 6 tokens among 2 to 9, padded."""
    generator = seeding.torch_generator(2, "likelihood")
    x = torch.randint(2, 10, (64, 6), generator=generator)
    return x * (torch.arange(6) < torch.randint(3, 7, (64, 1), generator=generator))


def test_features_that_name_the_token_have_the_tokens_entropy():
    x = tokens()
    z = F.one_hot(x, 10).float() * (x != 0)[:, :, None]
    counts = torch.bincount(x[x != 0]).float()
    shares = counts[counts > 0] / counts.sum()
    entropy = -(shares * shares.log()).sum().item()
    likelihood = TextLikelihood(width=2, vocabulary_size=10, classes=2, sample=x)  # d = 9
    likelihood.linear = nn.Linear(12, 10)
    silence(likelihood)
    assert likelihood.information(x, z, U).item() == pytest.approx(0, abs=1e-6)
    assert trained(likelihood, x, z, U, steps=300, rate=0.1) == pytest.approx(entropy, abs=0.1)


def test_padding_is_no_token():
    x = tokens()
    likelihood = TextLikelihood(width=2, vocabulary_size=10, classes=2, sample=x)
    nn.init.normal_(likelihood.linear.weight, generator=seeding.torch_generator(3, "likelihood"))
    z = torch.rand(64, 6, 9) * (x != 0)[:, :, None]
    longer_x, longer_z = (F.pad(part, place) for part, place in ((x, (0, 3)), (z, (0, 0, 0, 3))))
    assert likelihood.information(longer_x, longer_z, U).item() == pytest.approx(
        likelihood.information(x, z, U).item(), abs=1e-5
    )
