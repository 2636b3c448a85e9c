"""The discrepancy against chance, known shifts and the kernel's own formula."""

import math

import pytest
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.training.discrepancy import FREQUENCIES, _random_features, _squared, discrepancy

COUNT = 64


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeding.torch_generator(seed, "discrepancy"))


def labels(classes: int = 2) -> Tensor:
    return (torch.arange(COUNT) % classes)[:, None]


def mean_of(make, classes: int = 2, draws: int = 60) -> tuple[float, float]:
    """Mean over draws, and its standard error."""
    seeding.seed_torch(0, "discrepancy")
    values = torch.stack([discrepancy(make(seed), labels(classes)) for seed in range(draws)])
    return values.mean().item(), (values.std() / math.sqrt(draws)).item()


@pytest.mark.parametrize("classes", [2, 3])
def test_independent_features_have_none_on_average(classes):
    mean, error = mean_of(lambda seed: normal(COUNT, 3, 4, 4, seed=seed), classes)
    assert abs(mean) < 4 * error


def moved(seed: int) -> Tensor:
    z = normal(COUNT, 3, 4, 4, seed=seed)
    z[::2, 0, 1, 1] += 2.5
    return z


def widened(seed: int) -> Tensor:
    z = normal(COUNT, 3, 4, 4, seed=seed)
    z[::2] *= 2
    return z


def message(seed: int) -> Tensor:
    z = normal(COUNT, 5, 4, seed=seed)
    z[::2, :, 0] += 1
    z[:, 3:] = 0  # padding
    return z


@pytest.mark.parametrize("make", [moved, widened, message])
def test_a_difference_is_seen_whether_of_means_or_not(make):
    mean, error = mean_of(make)
    assert mean > 4 * error


def test_shrinking_or_shifting_channels_hides_nothing():
    z, scale, shift = moved(0), torch.tensor([1e-2, 5.0, 1.0]), torch.tensor([3.0, -1.0, 0.0])
    values = []
    for changed in (z, z * scale[:, None, None] + shift[:, None, None]):
        seeding.seed_torch(1, "discrepancy")
        values.append(discrepancy(changed, labels()).item())
    assert values[0] == pytest.approx(values[1], rel=0.05)


def test_random_features_estimate_the_gaussian_kernel():
    """E cos(wx + b) cos(wy + b) 2 = exp(-|x - y|^2 b^2 / 2 d), by Bochner's theorem."""
    seeding.seed_torch(0, "discrepancy")
    x, y = normal(1, 1, 6), normal(1, 1, 6, seed=1)
    products = [(f[0] * f[1]).sum() for f in (_random_features(torch.cat([x, y]), 2.0) for _ in range(400))]
    exact = torch.exp(-0.5 * (x - y).square().sum() * 4 / 6)
    assert torch.stack(products).mean().item() == pytest.approx(
        exact.item(), abs=4 / math.sqrt(400 * FREQUENCIES)
    )


def test_the_squared_distance_by_hand():
    """Without the products of a row with itself: (2*3 + 2*3) / 2 + (1*1 + 1*1) / 2 - 2 * 2.5 * 1."""
    first, second = torch.tensor([2.0, 3.0])[:, None, None], torch.tensor([1.0, 1.0])[:, None, None]
    assert _squared(first, second).item() == pytest.approx(6 + 1 - 5)


def test_a_batch_of_one_class_has_none():
    z = normal(COUNT, 3, 4, 4).requires_grad_()
    value = discrepancy(z, torch.zeros(COUNT, 1, dtype=torch.int64))
    assert value.item() == 0


def test_large_features_are_seen_in_part():
    """Features of the paper's size do not need its memory."""
    z = normal(8, 4, 54, 44)
    assert math.isfinite(discrepancy(z, labels()[:8]).item())


def test_it_has_a_gradient_towards_equal_distributions():
    z = moved(0).requires_grad_()
    seeding.seed_torch(2, "discrepancy")
    before = discrepancy(z, labels())
    before.backward()
    seeding.seed_torch(2, "discrepancy")
    assert z.grad is not None
    assert discrepancy(z - 0.5 * z.grad / z.grad.norm(), labels()).item() < before.item()
