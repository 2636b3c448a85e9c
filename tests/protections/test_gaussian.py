"""The mechanism's guarantees against numbers from elsewhere, and its noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.protections.test_baselines import IMAGES, SETTINGS, protected, sent
from tiprdc_fl.errors import InputError
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.protections.gaussian import DELTA, epsilon_of, guarantee


@pytest.mark.parametrize(("mu", "epsilon"), [(1.0, 4.377), (0.5, 1.993), (2.0, 9.997)])
def test_epsilon_is_that_of_dp_accounting(mu, epsilon):
    """dp_accounting 0.6.0, PLD accountant, GaussianDpEvent(1 / mu), delta 1e-5."""
    assert epsilon_of(mu, 1e-5) == pytest.approx(epsilon, abs=2e-3)


def test_epsilon_solves_its_equation():
    """Balle and Wang 2018, Equation 6."""
    mu, epsilon = 0.7, epsilon_of(0.7, 1e-4)
    delta = norm.cdf(mu / 2 - epsilon / mu) - np.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu)
    assert delta == pytest.approx(1e-4, rel=1e-3)


def test_a_large_delta_needs_no_epsilon():
    assert epsilon_of(0.01, 0.5) == 0


def test_examples_compose_as_one_mechanism_of_their_root():
    assert guarantee(2.0, 16).epsilon == pytest.approx(guarantee(0.5, 1).epsilon)
    assert guarantee(2.0, 16).accuracy == pytest.approx(norm.cdf(1.0))
    assert guarantee(1e9, 1).accuracy == pytest.approx(0.5)


def test_nobody_tells_the_two_furthest_examples_apart_better_than_is_guaranteed():
    """The best test, along the diagonal of the components' cube."""
    settings, count = replace(SETTINGS, noise_multiplier=0.7), 200_000
    noise, furthest = PROTECTIONS["gaussian"].apply(IMAGES, settings).noise_scale, SETTINGS.components**0.5
    generator = np.random.default_rng(0)
    low, high = (start + noise * generator.normal(size=count) for start in (0, furthest))
    accuracy = 0.5 * ((low < furthest / 2).mean() + (high > furthest / 2).mean())
    assert accuracy == pytest.approx(guarantee(0.7, 1).accuracy, abs=3e-3)


def test_the_noise_is_that_many_times_the_sensitivity():
    extractor = protected("gaussian")
    assert extractor.architecture.noise == "gaussian"
    assert extractor.architecture.noise_scale == pytest.approx(SETTINGS.components**0.5)
    first, second = sent(extractor, 7), sent(extractor, 7, seed=1)
    spread = (first - second).std() / 2**0.5
    assert spread == pytest.approx(SETTINGS.components**0.5, rel=6 / np.sqrt(first.size))


def test_whatever_the_image_its_components_stay_within_the_sensitivity():
    network = protected("gaussian").network
    images = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    components = network(torch.cat([images, 0 * images, 1 + 0 * images, 1e3 * images]))
    assert components.shape == (80, SETTINGS.components)
    assert components.min() >= 0 and components.max() <= 1


def test_many_components_are_refused():
    check = PROTECTIONS["gaussian"].check
    assert check is not None
    with pytest.raises(InputError, match=r"components=17: .* at most 16"):
        check(replace(SETTINGS, components=17), (8, 8, 8), np.zeros((1000, 1)))
    check(replace(SETTINGS, components=16), (8, 8, 8), np.zeros((1000, 1)))


def test_the_report_says_what_is_guaranteed():
    keys = {"protection.noise_multiplier": 1.0, "protection.components": 16}
    text = PROTECTIONS["gaussian"].describe(keys)
    assert f"(4.38, {DELTA:g})-differentially private" in text
    assert "at 69.15 % at most, those of a person's 20 examples at 98.74 %" in text
