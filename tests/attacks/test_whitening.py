"""Whitening of channels."""

import torch

from tiprdc_fl import seeding
from tiprdc_fl.attacks.whitening import ChannelWhitening


def features(channels: int = 4) -> torch.Tensor:
    """Correlated channels of very different scales, with means."""
    generator = seeding.torch_generator(0, "test")
    z = torch.randn(50, channels, 6, 6, generator=generator)
    mixed = torch.einsum("ij,njhw->nihw", torch.randn(channels, channels, generator=generator), z)
    return mixed * torch.logspace(-1, 1, channels)[:, None, None] + 5


def covariance(z: torch.Tensor) -> torch.Tensor:
    return torch.cov(z.transpose(0, 1).flatten(1))


def test_channels_come_out_with_variance_one_and_without_correlation():
    z = features()
    white = ChannelWhitening(z)(z)
    assert white.shape == z.shape
    assert torch.allclose(covariance(white), torch.eye(4), atol=1e-2)
    assert white.mean(dim=(0, 2, 3)).abs().max() < 1e-3


def test_any_invertible_mixture_of_the_channels_gives_the_same_up_to_a_rotation():
    z = features()
    mixture = torch.tensor([[1.0, 2, 0, 0], [0, 1, 0, 3], [0, 0, 1, 0], [1, 0, 0, 1]])
    mixed = torch.einsum("ij,njhw->nihw", mixture, z)
    lengths = [ChannelWhitening(x)(x).square().sum(dim=1) for x in (z, mixed)]
    assert torch.allclose(*lengths, rtol=2e-2, atol=1e-2)


def test_channels_that_are_constant_or_copies_stay_finite():
    z = features()
    z[:, 1], z[:, 2] = 3, z[:, 0]
    white = ChannelWhitening(z)(z)
    assert white.isfinite().all() and white.abs().max() < 100
    assert (ChannelWhitening(torch.full((5, 3, 2, 2), 7.0))(torch.full((5, 3, 2, 2), 7.0)) == 0).all()
