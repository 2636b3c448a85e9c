"""The study ``instrument``: the Bayes rule of every case reaches what is stated, a simple rule what it should."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from simulations.benchmarks.instrument import grid, means, messages, moments
from simulations.benchmarks.instrument.case import (
    DISTANCE,
    Case,
    balanced_labels,
    monte_carlo,
    parity_log_ratio,
    parity_shift,
    signs_of,
)
from simulations.benchmarks.instrument.cases import CASES
from tiprdc_fl import seeding

ROWS = 6000
SIGMAS = 4  # of the Monte-Carlo error: of 60 checks none should fail by chance


def drawn(case: Case, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Features and labels."""
    generator = seeding.generator(1, "test", case.label)
    labels = balanced_labels(rows, generator)
    return case.sample(labels, generator), labels


def near(share: float, bayes: float, rows: int, error: float = 0.0) -> bool:
    return abs(share - bayes) < SIGMAS * np.hypot(np.sqrt(bayes * (1 - bayes) / rows), error)


@pytest.mark.parametrize("name", CASES)
def test_the_bayes_rule_reaches_the_stated_accuracy(name):
    case = CASES[name]
    features, labels = drawn(case)
    ratio = case.log_ratio(features)
    assert near(float(np.mean((ratio > 0) == labels)), case.bayes, ROWS, case.error)
    # The log-ratio is calibrated: the likelier class is right as often as its posterior says.
    posterior = expit(np.abs(ratio))
    assert near(float(posterior.mean()), case.bayes, ROWS, case.error)
    for part in np.array_split(np.argsort(posterior), 3):
        right = ((ratio > 0) == labels)[part]
        assert near(float(right.mean()), float(posterior[part].mean()), len(part))


@pytest.mark.parametrize("name", CASES)
def test_features_are_like_an_extractors(name):
    case = CASES[name]
    features, _ = drawn(case, 50)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert 0.85 < case.bayes < 0.95
    if case.modality == "image":
        assert features.shape == (50, 32, 8, 8)
        return
    assert features.shape == (50, messages.LONGEST, messages.SIZE)
    lengths = messages.lengths_of(features)
    assert messages.SHORTEST <= lengths.min() < lengths.max() <= messages.LONGEST
    for row, length in zip(features, lengths, strict=True):
        assert (row[:length] != 0).all()
        assert (row[length:] == 0).all()


def test_classes_are_equally_frequent_and_in_random_order():
    labels = balanced_labels(1000, seeding.generator(0, "test"))
    assert labels.sum() == 500
    assert abs(np.corrcoef(labels, np.arange(1000))[0, 1]) < 0.15


def test_a_mean_tells_the_classes_apart_as_a_gaussian_does():
    features, labels = drawn(CASES["all_values"])
    assert near(float(np.mean((features.mean(axis=(1, 2, 3)) > 0) == labels)), 0.9, ROWS)
    value = drawn(CASES["one_value"])
    assert near(float(np.mean((value[0][:, *grid.VALUE] > 0) == value[1])), 0.9, ROWS)
    # Of the mean of a channel with one value that says something: DISTANCE / 8 remains.
    blurred = (value[0][:, grid.CHANNEL].mean(axis=(1, 2)) > 0) == value[1]
    assert near(float(blurred.mean()), float(norm.cdf(DISTANCE / 16)), ROWS)


@pytest.mark.parametrize(
    "name",
    [
        "any_pattern",
        "xor_channels",
        "xor_values",
        "xor_directions",
        "variance",
        "product",
        "parity",
        "correlation",
    ],
)
def test_what_is_no_shift_of_means_is_not_told_by_the_difference_of_means(name):
    """The difference of the class means, learned on half of the rows, says little on the other half."""
    features, labels = drawn(CASES[name])
    flat, half = features.reshape(len(features), -1), len(features) // 2
    learned, known = flat[:half], labels[:half]
    direction = learned[known == 1].mean(axis=0) - learned[known == 0].mean(axis=0)
    right = ((flat[half:] @ direction) > 0) == labels[half:]
    assert abs(right.mean() - 0.5) < (0.06 if name == "any_pattern" else 0.04)


def test_correlated_channels_hide_their_difference():
    features, labels = drawn(CASES["difference"])
    first, second = features[:, grid.CHANNEL], features[:, grid.OTHER]
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1] - means.ALMOST) < 0.002
    alone = (first.mean(axis=(1, 2)) > 0) == labels
    assert alone.mean() < 0.57  # against 0.9 of both together


@pytest.mark.parametrize(("name", "ratio"), [("weak_factor", 100), ("weakest_factor", 10_000)])
def test_the_weakest_factor_is_that_weak(name, ratio):
    features, _ = drawn(CASES[name])
    factors = features.reshape(len(features), -1) @ means.loadings().T
    spread = factors.var(axis=0)
    # The class is in the weakest one, and adds DISTANCE ** 2 / 4 to its variance.
    assert spread[0] / spread[-1] * (1 + DISTANCE**2 / 4) == pytest.approx(ratio, rel=0.15)
    assert (np.diff(means.factor_variances(ratio)) < 0).all()
    assert features.var() == pytest.approx(1, abs=0.1)
    gram = means.loadings() @ means.loadings().T
    assert np.allclose(gram, np.eye(means.FACTORS), atol=1e-5)


def test_the_channels_correlation_and_variance_are_second_moments_alone():
    features, labels = drawn(CASES["correlation"])
    pair = features[:, [grid.CHANNEL, grid.OTHER]].transpose(1, 0, 2, 3)
    for value, sign in ((1, 1), (0, -1)):
        chosen = pair[:, labels == value].reshape(2, -1)
        assert np.corrcoef(chosen)[0, 1] == pytest.approx(sign * moments.correlation_of_channels(), abs=0.01)
        assert np.allclose(chosen.var(axis=1), 1, atol=0.02)


def test_the_rate_is_of_a_rectified_channel():
    features, labels = drawn(CASES["rate"])
    assert features.min() == 0
    active = (features[:, grid.CHANNEL] > 0).mean(axis=(1, 2))
    expected = norm.cdf(moments.RATE_SHIFT / 2)
    assert active[labels == 1].mean() == pytest.approx(expected, abs=0.005)
    assert active[labels == 0].mean() == pytest.approx(1 - expected, abs=0.005)


def test_parity_by_hand():
    signs = signs_of(np.array([0, 1] * 50), 3, seeding.generator(0, "test"))
    assert (signs.prod(axis=1) == np.array([-1, 1] * 50)).all()
    assert abs(signs.mean()) < 0.3
    # The sum over all four pairs of signs, for two statistics.
    u, v, a = 0.7, -1.1, 0.9
    same, other = np.exp(a * (u + v)) + np.exp(-a * (u + v)), np.exp(a * (u - v)) + np.exp(-a * (u - v))
    assert parity_log_ratio(np.array([[u, v]]), a)[0] == pytest.approx(np.log(same / other))
    right = norm.cdf(parity_shift(2))
    assert right**2 + (1 - right) ** 2 == pytest.approx(0.9)


def test_the_order_is_summed_over_all_pairs_of_steps():
    features, _ = drawn(CASES["order"], 3)
    expected = []
    for z in features:
        steps = z[: messages.lengths_of(z[None])[0]] / messages.SCALE
        first, second = messages.WORD * (steps @ messages.words().T).T.astype(np.float64)
        pairs = [(i, j) for j in range(len(steps)) for i in range(j)]
        forwards = np.log(sum(np.exp(first[i] + second[j]) for i, j in pairs))
        expected.append(forwards - np.log(sum(np.exp(second[i] + first[j]) for i, j in pairs)))
    assert np.allclose(messages.words_log_ratio(features), expected, rtol=1e-4)


def test_the_simulated_bayes_accuracy_is_that_of_the_formula():
    case = CASES["one_channel"]
    accuracy, error = monte_carlo(case, 4000, seed=3)
    assert 0 < error < 0.003
    assert near(accuracy, 0.9, 4000, error)
    assert monte_carlo(replace(case, log_ratio=lambda x: np.zeros(len(x))), 100, 0) == (0.5, 0)
