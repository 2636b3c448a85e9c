"""Directions that say most about proxies: planted ones are found, however little of the variance they have."""

import numpy as np
import pytest

from tiprdc_fl.protections.components import principal
from tiprdc_fl.protections.semantic import semantic

ROWS, VALUES, PLANTED = 3000, 40, 3
NONE = np.empty((ROWS, 0), np.int64)


def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features whose PLANTED factors have 1 % of the variance, the factors, and proxies that are their signs."""
    generator = np.random.default_rng(0)
    factors = generator.normal(size=(ROWS, PLANTED))
    others = generator.normal(size=(ROWS, VALUES - PLANTED)) * np.linspace(3, 1, VALUES - PLANTED)
    share = np.sqrt(0.01 / 0.99 * (others**2).sum() / (factors**2).sum())
    turn = np.linalg.qr(generator.normal(size=(VALUES, VALUES)))[0]
    z = np.hstack([share * factors, others]) @ turn + 5
    return z.astype(np.float32), factors, (factors > 0).astype(np.int64)


def components_of(z: np.ndarray, proxies: np.ndarray, count: int) -> np.ndarray:
    mean, directions = semantic(z, proxies, count, seed=0)
    assert (mean.dtype, directions.dtype, directions.shape) == (np.float32, np.float32, (count, z.shape[1]))
    return (z - mean) @ directions.T


def explained(values: np.ndarray, components: np.ndarray) -> np.ndarray:
    """Share of each column's variance that components explain linearly, [columns]."""
    values, components = values - values.mean(axis=0), components - components.mean(axis=0)
    left = values - components @ np.linalg.lstsq(components, values, rcond=None)[0]
    return 1 - left.var(axis=0) / values.var(axis=0)


@pytest.mark.parametrize("count", [1, PLANTED, 12, VALUES])
@pytest.mark.parametrize("named", [True, False])
def test_every_component_has_a_mean_of_0_and_a_variance_of_1(count, named):
    z, _, proxies = planted()
    components = components_of(z, proxies if named else NONE, count)
    assert np.abs(components.mean(axis=0)).max() < 1e-3
    assert np.allclose(components.std(axis=0), 1, atol=1e-3)


def test_directions_that_predict_proxies_are_found_though_they_have_1_percent_of_the_variance():
    z, factors, proxies = planted()
    assert explained(factors, components_of(z, proxies, PLANTED)).min() > 0.95
    assert explained(factors, components_of(z, NONE, PLANTED)).max() < 0.05


def test_a_single_proxy_comes_first():
    z, factors, proxies = planted()
    first = components_of(z, proxies[:, :1], 4)[:, :1]
    assert explained(factors[:, :1], first).min() > 0.95


def test_principal_components_fill_what_the_proxies_leave():
    z, factors, proxies = planted()
    components = components_of(z, proxies, PLANTED + 5)
    assert explained(factors, components).min() > 0.95
    largest = principal(z, 5, 0).transform(z)
    assert explained(largest, components).min() > 0.95
    assert explained(largest, components[:, :PLANTED]).max() < 0.05


def test_without_proxies_they_are_the_principal_components():
    z, _, _ = planted()
    components, expected = components_of(z, NONE, 6), principal(z, 6, 0).transform(z)
    for number in range(6):
        assert abs(np.corrcoef(components[:, number], expected[:, number])[0, 1]) > 0.99


def test_a_proxy_that_does_not_vary_says_nothing():
    z, _, proxies = planted()
    constant = np.ones((ROWS, 1), np.int64)
    assert np.array_equal(semantic(z, constant, 6, seed=0)[1], semantic(z, NONE, 6, seed=0)[1])
    beside = semantic(z, np.hstack([proxies, constant]), 6, seed=0)[1]
    assert np.array_equal(beside, semantic(z, proxies, 6, seed=0)[1])


def test_a_seed_gives_the_same_directions():
    z, _, proxies = planted()
    assert np.array_equal(semantic(z, proxies, 6, seed=3)[1], semantic(z, proxies, 6, seed=3)[1])


def test_values_that_never_vary_do_not_break_it():
    z, _, proxies = planted()
    z[:, 7] = 0
    assert np.isfinite(semantic(z, proxies, 6, seed=0)[1]).all()
