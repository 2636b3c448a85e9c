"""The average of weights: what it covers, and that it takes away the noise of a constant rate."""

import pytest
import torch
from torch import nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.averaging import SHARE, WeightAverage


class Number(nn.Module):
    """A network of one weight."""

    def __init__(self, value: float = 0.0):
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


def averaged(values: list[float], horizon: float = float("inf")) -> float:
    """Average after a training whose weight had these values."""
    network = Number()
    average = WeightAverage(network, horizon)
    for step, value in enumerate(values):
        network.value.data.fill_(value)
        average.update(network, step)
    return float(average.network.value)  # pyright: ignore[reportArgumentType]


def test_the_first_step_replaces_the_start_and_equal_weights_are_their_average():
    assert averaged([7.0]) == 7
    assert averaged([7.0] * 50) == pytest.approx(7, abs=1e-5)


def test_two_steps_by_hand():
    assert averaged([1.0, 2.0]) == pytest.approx(1 + 1 / (1 + SHARE), abs=1e-6)


@pytest.mark.parametrize("steps", [200, 2000])
def test_it_lags_by_a_fixed_share_of_the_steps(steps):
    """Weights t at step t average to t / (1 + SHARE) whatever the length: it forgets the beginning."""
    assert averaged([float(step) for step in range(steps)]) == pytest.approx(steps / (1 + SHARE), rel=0.02)


def test_it_covers_no_more_than_the_horizon():
    """Weights t at step t lag by (horizon - 1) steps under an exponential average."""
    assert averaged([float(step) for step in range(2000)], horizon=10) == pytest.approx(1999 - 9, abs=0.5)


def test_noise_of_a_constant_rate_averages_out():
    """Noisy gradient descent on a square: the weight keeps a variance of about rate / 2, its average does not."""
    generator, network = seeding.torch_generator(0, "test"), Number(3.0)
    average = WeightAverage(network)
    last, mean = [], []
    for step in range(4000):
        with torch.no_grad():
            noise = torch.randn((), generator=generator)
            network.value.sub_(0.2 * (network.value + noise))
        average.update(network, step)
        if step >= 2000:
            last.append(network.value.item())
            mean.append(float(average.network.value))  # pyright: ignore[reportArgumentType]
    variance, left = torch.tensor(last).square().mean(), torch.tensor(mean).square().mean()
    assert variance == pytest.approx(0.2 / (2 - 0.2), rel=0.2)
    assert left < variance / 10


def test_statistics_are_averaged_and_counters_copied():
    network = nn.Sequential(nn.BatchNorm1d(2))
    average = WeightAverage(network)
    for step, value in enumerate((1.0, 2.0)):
        network.train()(torch.full((4, 2), value))
        average.update(network, step)
    layer = average.network[0]  # pyright: ignore[reportIndexIssue]
    first, second = 0.1, 0.9 * 0.1 + 0.1 * 2
    assert layer.running_mean.tolist() == pytest.approx([first + (second - first) / (1 + SHARE)] * 2)
    assert int(layer.num_batches_tracked) == 2 and not layer.training
    average.load_into(network)
    assert torch.equal(network[0].running_mean, layer.running_mean)  # pyright: ignore


def test_the_network_in_training_is_left_alone():
    network = Number(1.0)
    average = WeightAverage(network)
    average.update(network, 0)
    network.value.data.fill_(5.0)
    average.update(network, 1)
    assert network.value.item() == 5 and network.value.requires_grad
    assert not average.network.value.requires_grad  # pyright: ignore
