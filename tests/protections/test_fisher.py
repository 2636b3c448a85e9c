"""The bounds on reconstructions against numbers by hand, closed forms and autograd's Jacobian."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.protections.test_baselines import IMAGES, SETTINGS, SOURCE, TEXTS, WORDS, collected_of, protected
from tiprdc_fl import seeding
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.models.extractor import Extractor, batch_reader, preprocess
from tiprdc_fl.protections import PROTECTIONS, ReconstructionBound
from tiprdc_fl.protections.fisher import bound_reconstruction, information_of, informed_error, jacobian


def linear(rows: list[list[float]]) -> nn.Module:
    """x -> the products of its values with some rows."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(len(rows[0]), len(rows), bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor(rows))  # pyright: ignore
    return network.requires_grad_(False)


def bound_of(extractor: Extractor, people: int = 20) -> ReconstructionBound:
    images = open_dataset(SOURCE).load(range(people)).loaded
    read = batch_reader(extractor.architecture, images)
    found = bound_reconstruction(extractor, collected_of(None, read, np.zeros(len(images), np.int64)))
    assert found is not None
    return found


def test_the_information_of_a_linear_map_by_hand():
    """Tr(J^T J) = 1 + 4 + 9 + 16 = 30, of d = 2 values, with sigma^2 = 25: 0.6. The bound is 5 / 3."""
    information, seen = information_of(linear([[1, 2], [3, 4]]), torch.rand(3, 1, 2), torch.eye(2), 5.0)
    assert information.tolist() == pytest.approx(3 * [0.6])
    assert seen.reshape(3, 2, 2)[2] * 5 == pytest.approx(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


def test_the_error_of_who_knows_the_covariance_by_hand():
    """Variances 4 and 1; the first value is seen with variance 4: 1 / (1/4 + 1/4) + 1 = 3 of 5."""
    deviations = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    _, seen = information_of(linear([[1, 0]]), torch.rand(6, 2), deviations, 2.0)
    assert informed_error(seen, deviations, 6) == pytest.approx((3.0, 5.0))


def test_of_normal_inputs_and_a_linear_map_the_best_reconstruction_attains_it():
    generator = seeding.torch_generator(0, "test")
    deviations, rows = (torch.randn(size, 6, generator=generator) for size in (4, 2))
    x = torch.randn(200_000, 4, generator=generator) @ deviations
    z = x @ rows.T + 3 * torch.randn(len(x), 2, generator=generator)
    best = z @ torch.linalg.lstsq(z, x).solution
    _, seen = information_of(linear(rows.tolist()), x[:20], deviations, 3.0)
    least, blind = informed_error(seen, deviations, 20)
    assert float((best - x).pow(2).sum(dim=1).mean()) == pytest.approx(least, rel=0.01)
    assert least < 0.9 * blind


def test_the_jacobian_is_autograds():
    extractor = protected("gaussian")
    images = preprocess(IMAGES, open_dataset(SOURCE).load([7]).loaded)[:3]
    found = jacobian(extractor.network, images)
    assert found.shape == (3, SETTINGS.components, 3 * 32 * 32)
    for row, image in zip(found, images, strict=True):
        whole = torch.autograd.functional.jacobian(extractor.network, image[None])
        assert torch.allclose(row, whole.reshape(SETTINGS.components, -1), atol=1e-6)  # pyright: ignore
    assert found.abs().max() > 1e-3
    assert not any(weight.requires_grad for weight in extractor.network.parameters())


def test_noise_decides_how_near_anyone_comes():
    """Errors of the unbiased grow with the noise; of the informed they end at the mean image's."""
    bounds = [
        bound_of(protected("gaussian", settings=replace(SETTINGS, noise_multiplier=noise)))
        for noise in (1e-3, 1.0, 1e3)
    ]
    assert bounds[1].information == pytest.approx(1e6 * bounds[2].information)
    assert bounds[0].unbiased is not None and bounds[1].unbiased is not None
    assert bounds[1].unbiased == pytest.approx(1e3 * bounds[0].unbiased)
    assert bounds[0].informed < bounds[1].informed <= bounds[2].informed
    assert bounds[2].informed == pytest.approx(bounds[2].mean_image, rel=1e-4)
    assert bounds[0].informed < 0.95 * bounds[0].mean_image
    assert (bounds[0].examples, bounds[0].values) == (64, 3072)


def test_the_mean_image_errs_as_the_pixels_vary():
    images = open_dataset(SOURCE).load(range(20)).loaded
    pixels = images[:].double().flatten(1)
    spread = float(pixels.var(dim=0).mean()) ** 0.5
    assert bound_of(protected("gaussian")).mean_image == pytest.approx(spread, rel=1e-4)


def test_where_every_component_is_clipped_nothing_depends_on_the_image():
    extractor = protected("gaussian")
    extractor.network.low.fill_(1e6)  # pyright: ignore
    extractor.network.high.fill_(2e6)  # pyright: ignore
    bound = bound_of(extractor)
    assert (bound.unbiased, bound.information) == (None, 0.0)
    assert bound.informed == pytest.approx(bound.mean_image)


def test_it_is_computed_in_float32_whatever_the_device_does():
    extractor = protected("gaussian")
    other = replace(extractor, architecture=replace(extractor.architecture, precision="bfloat16"))
    assert bound_of(other) == bound_of(extractor)


def test_large_images_are_seen_at_fewer_places():
    extractor = protected("gaussian")
    wide = replace(extractor, architecture=replace(extractor.architecture, width=4096))
    assert bound_of(wide).examples == 8
    assert bound_of(extractor, people=2).examples == 12  # of two people


def test_messages_have_none():
    extractor = protected("gaussian", WORDS)
    collected = collected_of(None, batch_reader(WORDS, TEXTS), np.zeros(len(TEXTS), np.int64))
    assert bound_reconstruction(extractor, collected) is None


def test_means_of_several_images_have_none():
    images = open_dataset(SOURCE).load(range(20)).loaded
    extractor = protected("gaussian", settings=replace(SETTINGS, per="person"))
    collected = collected_of(None, batch_reader(IMAGES, images), np.zeros(len(images), np.int64))
    assert bound_reconstruction(extractor, collected) is None


def test_only_gaussian_has_a_bound():
    assert [name for name, protection in PROTECTIONS.items() if protection.certify] == ["gaussian"]
