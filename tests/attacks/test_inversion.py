"""Inversion: what is inverted exactly, what cannot be, and the prior's arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.inversion import (
    FEWEST,
    MEASURED,
    SMOOTH,
    STRENGTHS,
    TOLERANCE,
    channel_scales,
    invert,
    invert_rows,
    variation,
)
from tiprdc_fl.attacks.reconstruction import Images
from tiprdc_fl.models.architecture import Architecture, build_extractor

FIT = Fit(steps=1000, batch_size=32, learning_rate=1e-3, seed=0, device="cpu", precision="float32")
SIZE = 12  # pixels
GREY = torch.full((3, SIZE, SIZE), 0.5)


def pictures(seed: int, count: int, size: int = SIZE) -> Tensor:
    """Smooth random images: each colour a plane wave of its own direction and phase."""
    generator = np.random.default_rng(seed)
    place = np.linspace(0, 1, size)
    tilt, phase = generator.normal(0, 2, (2, count, 3, 1, 1)), generator.uniform(0, 6, (count, 3, 1, 1))
    waves = np.sin(tilt[0] * place[:, None] + tilt[1] * place + phase)
    return torch.from_numpy((waves + 1) / 2).float()


def error(images: Tensor, originals: Tensor) -> float:
    return float((images - originals).abs().mean())


def test_an_identity_is_inverted_nearly_exactly():
    x = pictures(0, 5)
    images, course = invert(nn.Identity(), x, GREY, torch.ones(3, 1, 1), torch.zeros(5), FIT)
    assert error(images, x) < 0.01
    assert course.steps <= FIT.steps and images.shape == x.shape


def test_an_invertible_linear_map_is_inverted():
    matrix = torch.linalg.qr(torch.randn(3, 3, generator=seeding.torch_generator(0, "test")))[0]
    x = pictures(0, 5)

    def turn(images: Tensor) -> Tensor:
        return torch.einsum("ij,njhw->nihw", matrix, images)

    images, _ = invert(turn, turn(x), GREY, torch.ones(3, 1, 1), torch.zeros(5), FIT)
    assert error(images, x) < 0.01


def test_features_that_hold_nothing_leave_the_start():
    x = pictures(0, 3)
    images, course = invert(
        lambda images: 0 * images, torch.zeros_like(x), GREY, torch.ones(3, 1, 1), torch.zeros(3), FIT
    )
    assert error(images, GREY.expand_as(x)) < 1e-6
    assert course.converged and course.steps == FEWEST


def test_only_what_the_features_hold_is_had():
    """The map keeps red alone: red is found, the others stay at the start."""
    x = pictures(0, 4)
    images, _ = invert(lambda images: images[:, :1], x[:, :1], GREY, torch.ones(1, 1, 1), torch.zeros(4), FIT)
    assert error(images[:, :1], x[:, :1]) < 0.01
    assert torch.allclose(images[:, 1:], GREY[1:].expand(4, -1, -1, -1))


def test_images_do_not_influence_one_another():
    x = pictures(0, 40)  # two passes through the map
    fit, ones = replace(FIT, steps=64), torch.ones(3, 1, 1)
    together, _ = invert(nn.Identity(), x, GREY, ones, torch.full((40,), 0.1), fit)
    alone, _ = invert(nn.Identity(), x[37:38], GREY, ones, torch.full((1,), 0.1), fit)
    assert torch.allclose(together[37:38], alone, atol=1e-5)


def test_the_prior_smooths():
    x = pictures(0, 4)
    noisy = x + 0.2 * torch.randn(x.shape, generator=seeding.torch_generator(0, "test"))
    ones = torch.ones(3, 1, 1)
    plain, _ = invert(nn.Identity(), noisy, GREY, ones, torch.zeros(4), FIT)
    smooth, course = invert(nn.Identity(), noisy, GREY, ones, torch.full((4,), 0.3), FIT)
    assert variation(smooth).mean() < variation(plain).mean() / 2
    assert error(smooth, x) < error(plain, x)
    assert course.converged and (course.last_doubling or 0) < TOLERANCE


def test_total_variation_by_hand():
    flat = torch.full((1, 3, 4, 4), 0.3)
    assert variation(flat).item() == pytest.approx(SMOOTH**0.5, abs=1e-6)
    ramp = (torch.arange(4.0) * 3).expand(1, 3, 4, 4) + (torch.arange(4.0) * 4)[:, None]
    assert variation(ramp).item() == pytest.approx(5, abs=1e-4)  # 3 to the right, 4 down


def test_channels_are_divided_by_their_deviation_and_constant_ones_are_left_out():
    z = torch.randn(200, 3, 4, 4, generator=seeding.torch_generator(0, "test"))
    z[:, 1] *= 50
    z[:, 2] = 7
    scales = channel_scales(z).flatten()
    assert scales[:2].tolist() == pytest.approx([1, 50], rel=0.05) and torch.isinf(scales[2])


def test_an_extractor_that_was_never_trained_is_inverted_and_the_first_example_of_each_person_is_taken():
    architecture = Architecture("image", 16, image_size=(32, 32))
    seeding.seed_torch(0, "test")
    network = build_extractor(architecture).eval().requires_grad_(False)

    def rows(seed: int, count: int, each: int, first: int) -> Images:
        images = pictures(seed, count, 32)
        z = network(images)
        people = first + np.arange(count) // each
        return Images(lambda chosen: z[chosen], lambda chosen: images[chosen], people)

    own, measured = rows(0, 120, 4, 0), rows(1, 12, 3, 1000)
    start = own.target(np.arange(120)).mean(dim=0)
    grey = torch.full((3, 32, 32), 0.5)
    told = []
    inversion = invert_rows(
        encode=network,
        own=own,
        measured=measured,
        rebuild=lambda chosen: grey.expand(len(chosen), -1, -1, -1),
        start=start,
        fit=replace(FIT, steps=256),
        on_step=lambda: told.append(1),
    )
    assert inversion.rows.tolist() == [0, 3, 6, 9] and len(inversion.rows) <= MEASURED
    assert inversion.strength in STRENGTHS and len(told) <= 2 * 256
    assert inversion.inverted.psnr.mean() > inversion.decoder.psnr.mean() + 3  # which paints grey here
    originals = measured.target(inversion.rows)
    assert inversion.pictures.dtype == torch.uint8 and inversion.pictures.shape == originals.shape
    assert error(inversion.pictures / 255, originals) < error(start.expand_as(originals), originals) / 2
