"""The discrepancy against chance, known differences and the kernel's own formula."""

import math

import pytest
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.training.discrepancy import BANDWIDTHS, WEIGHT, _kernel, _neighbourhoods, discrepancy

COUNT = 64
STRANGERS = torch.arange(COUNT)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeding.torch_generator(seed, "discrepancy"))


def labels(classes: int = 2) -> Tensor:
    return (torch.arange(COUNT) % classes)[:, None]


def mean_of(make, u: Tensor, people: Tensor = STRANGERS, draws: int = 60) -> tuple[float, float]:
    """Mean over draws, and its standard error."""
    values = torch.stack([discrepancy(make(seed), u, people) for seed in range(draws)])
    return values.mean().item(), (values.std() / math.sqrt(draws)).item()


@pytest.mark.parametrize("u", [labels(2), labels(3), (torch.arange(COUNT) < 5).long()[:, None]])
def test_independent_features_have_none_on_average(u):
    mean, error = mean_of(lambda seed: normal(COUNT, 3, 4, 4, seed=seed), u)
    assert abs(mean) < 4 * error


def test_examples_of_one_person_are_alike_whatever_u_is():
    """Eight people with eight examples each, half of them with u: as strangers, they look like a leak."""
    people = torch.arange(COUNT) // 8
    u = (people % 2)[:, None]

    def clustered(seed: int) -> Tensor:
        own = normal(8, 3, 4, 4, seed=seed)[people]
        return own + 0.3 * normal(COUNT, 3, 4, 4, seed=1000 + seed)

    mean, error = mean_of(clustered, u, people)
    assert abs(mean) < 4 * error
    naive, error = mean_of(clustered, u)
    assert naive > 10 * error


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
    mean, error = mean_of(make, labels())
    assert mean > 4 * error


@pytest.mark.parametrize("scale", [1e-6, 1e3])
def test_neither_a_scale_nor_a_pattern_hides_anything(scale):
    z = moved(0)
    pattern = 100 * torch.linspace(-1, 1, 16).reshape(4, 4)
    plain, changed = (discrepancy(one, labels(), STRANGERS).item() for one in (z, scale * (z + pattern)))
    assert plain == pytest.approx(changed, rel=0.02)


def test_the_kernel_is_gaussian_in_the_distance_over_the_root_of_the_values():
    x = torch.tensor([[[0.0, 0.0]], [[1.0, 2.0]]])  # a squared distance of 5 at one position of two values
    expected = sum(math.exp(-5 / (2 * 2 * width**2)) for width in BANDWIDTHS) / len(BANDWIDTHS)
    kernel = _kernel(x)
    assert kernel[0, 1].item() == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(kernel.diagonal(), torch.ones(2))


def test_a_message_s_discrepancy_by_hand():
    """Two and two messages of one step and one value: standardised -1 and 1, so equal within a class."""
    z = torch.tensor([-2.0, 2.0, -2.0, 2.0])[:, None, None]
    across = sum(math.exp(-4 / (2 * width**2)) for width in BANDWIDTHS) / len(BANDWIDTHS)
    value = discrepancy(z, torch.tensor([[0], [1], [0], [1]]), torch.arange(4)).item()
    assert value == pytest.approx(WEIGHT * (1 + 1 - 2 * across), rel=1e-4)


def test_neighbourhoods_are_those_of_a_convolution():
    z = normal(2, 3, 5, 6)
    ours, theirs = _neighbourhoods(z, 0), torch.nn.functional.unfold(z, 3, padding=1).transpose(1, 2)
    channels_last = theirs.reshape(2, 30, 3, 9).transpose(2, 3).reshape(2, 30, 27)
    assert torch.equal(ours, channels_last)


def test_of_many_positions_some_are_seen():
    z = normal(2, 3, 20, 30)
    assert _neighbourhoods(z, 0).shape == (2, 64, 27)
    assert not torch.equal(_neighbourhoods(z, 0), _neighbourhoods(z, 1))
    assert math.isfinite(discrepancy(normal(8, 4, 54, 44), labels()[:8], STRANGERS[:8]).item())


@pytest.mark.parametrize("u", [torch.zeros(COUNT, 1, dtype=torch.int64), (STRANGERS == 0).long()[:, None]])
def test_a_batch_that_knows_one_class_has_none_and_can_be_trained_on(u):
    z = normal(COUNT, 3, 4, 4).requires_grad_()
    value = discrepancy(z, u, STRANGERS)
    value.backward()
    assert value.item() == 0
    assert z.grad is not None and not z.grad.any()


def test_it_has_a_gradient_towards_equal_distributions():
    z = moved(0).requires_grad_()
    before = discrepancy(z, labels(), STRANGERS)
    before.backward()
    assert z.grad is not None
    assert discrepancy(z - 0.5 * z.grad / z.grad.norm(), labels(), STRANGERS).item() < before.item()
