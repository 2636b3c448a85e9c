"""The mechanism's guarantees against numbers from elsewhere, and its noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.protections.test_baselines import IMAGES, SETTINGS, TEXTS, WORDS, encoder_of, protected, sent
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import layout_of
from tiprdc_fl.models.apply import extract
from tiprdc_fl.models.architecture import seen_shape
from tiprdc_fl.models.extractor import forward, preprocess, restore
from tiprdc_fl.models.text import PAD
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.protections.gaussian import DELTA, epsilon_of, guarantee
from tiprdc_fl.store.codec import encode, faults


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


def test_whatever_the_message_it_is_one_step_within_the_sensitivity():
    """Short, long, cut, empty, of unknown words: the layout has no room for a second step."""
    extractor = protected("gaussian", WORDS)
    assert layout_of(extractor, "float32", ()).shape == (1, SETTINGS.components)
    components = extract(extractor, ["so", " ".join(TEXTS), "", "\n", "?" * 900, "so it goes " * 2])
    assert components.shape == (6, 1, SETTINGS.components)
    assert components.min() > 0 and components.max() <= 1


def test_a_message_without_a_valid_step_sends_components_within_the_sensitivity():
    extractor = protected("gaussian", WORDS)
    components = forward(extractor, torch.full((3, 4), PAD))
    assert components.min() > 0 and components.max() <= 1
    assert torch.equal(components, components[:1].expand_as(components))


def test_two_steps_are_no_message():
    layout = layout_of(protected("gaussian", WORDS), "float32", ())
    payload, sizes = encode(torch.rand(3, SETTINGS.components), np.array([1, 2]), "float32")
    assert list(faults(payload, sizes, "float32", layout.shape)) == [1]


def test_all_components_of_a_message_restore_its_mean():
    extractor = protected("gaussian", WORDS, replace(SETTINGS, components=4))
    tokens = preprocess(WORDS, TEXTS[:3])
    z, components = forward(encoder_of(WORDS), tokens), forward(extractor, tokens)
    assert restore(extractor, components).shape == (3, 1, seen_shape(WORDS)[-1])
    mean = torch.stack([one[valid].mean(dim=0) for one, valid in zip(z, tokens != PAD, strict=True)])
    spread = (mean - mean.mean(dim=0)).pow(2).sum()
    assert (restore(extractor, components)[:, 0] - mean).pow(2).sum() < 0.05 * spread


def test_components_of_a_message_of_zeros_are_no_padding():
    extractor = protected("gaussian", WORDS)
    assert (restore(extractor, torch.zeros(2, 1, SETTINGS.components)) != 0).any()


def test_many_components_are_refused():
    check = PROTECTIONS["gaussian"].check
    assert check is not None
    with pytest.raises(InputError, match=r"components=17: .* at most 16"):
        check(replace(SETTINGS, components=17), (8, 8, 8), np.zeros((1000, 1)))
    check(replace(SETTINGS, components=16), (8, 8, 8), np.zeros((1000, 1)))


def test_as_many_messages_are_needed_as_components():
    """A message has one row, where hybrid has one for each step."""
    check, of_steps = PROTECTIONS["gaussian"].check, PROTECTIONS["hybrid"].check
    assert check is not None and of_steps is not None
    with pytest.raises(InputError, match=r"so at most 5; lower it"):
        check(SETTINGS, (-1, 75), np.zeros((5, 1)))
    of_steps(SETTINGS, (-1, 75), np.zeros((5, 1)))
    check(SETTINGS, (-1, 75), np.zeros((8, 1)))


def test_the_report_says_what_is_guaranteed():
    keys = {"protection.noise_multiplier": 1.0, "protection.components": 16, "protection.per": "example"}
    text = PROTECTIONS["gaussian"].describe(keys)
    assert f"(4.38, {DELTA:g})-differentially private" in text
    assert "at 69.15 % at most, those of a person's 20 examples at 98.74 %" in text


def test_a_person_who_sends_one_mean_has_the_guarantee_of_an_example():
    keys = {"protection.noise_multiplier": 1.0, "protection.components": 16, "protection.per": "person"}
    text = PROTECTIONS["gaussian"].describe(keys)
    assert "those of a person, without the labels beside them, are (4.38" in text
    assert "69.15 % at most" in text and "20 examples" not in text
    extractor = protected("gaussian", settings=replace(SETTINGS, per="person"))
    assert len(sent(extractor, 7)) == 1  # of several images
    quiet = replace(extractor, architecture=replace(extractor.architecture, noise="none"))
    assert 0 <= sent(quiet, 7).min() <= sent(quiet, 7).max() <= 1
