"""Randomised response, and whose generator draws it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiprdc_fl.federation.noise import noisy, randomised
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.fair_tree import code_numbers, code_of

BITS, EPSILON = 3, 1.5
RESPONSE = Architecture("image", 4, image_size=(32, 32), bits=BITS, noise="response", noise_scale=EPSILON)


def test_the_true_code_is_that_many_times_as_likely_as_each_other():
    count = 200_000
    codes = code_of(np.full(count, 5), BITS)
    numbers = code_numbers(randomised(codes, EPSILON, np.random.default_rng(0)))
    shares = np.bincount(numbers, minlength=2**BITS) / count
    others = np.delete(shares, 5)
    assert shares[5] / others.mean() == pytest.approx(np.exp(EPSILON), rel=0.02)
    assert np.ptp(others) < 6 * np.sqrt(others.mean() / count)


def test_epsilon_0_tells_nothing():
    codes = code_of(np.zeros(80_000, int), BITS)
    numbers = code_numbers(randomised(codes, 0.0, np.random.default_rng(0)))
    assert np.bincount(numbers, minlength=8) / 80_000 == pytest.approx(np.full(8, 1 / 8), abs=5e-3)


def test_a_large_epsilon_keeps_every_code():
    codes = code_of(np.arange(8), BITS)
    assert torch.equal(randomised(codes, 50.0, np.random.default_rng(0)), codes)


def test_a_contributors_noise_does_not_depend_on_the_others():
    codes, owners = code_of(np.arange(8), BITS), np.array([3, 3, 3, 7, 7, 9, 9, 9])

    def drawn(rows: torch.Tensor, people: np.ndarray) -> torch.Tensor:
        return noisy(rows, people, RESPONSE, {n: np.random.default_rng(n) for n in (3, 7, 9)})

    together = drawn(codes, owners)
    assert torch.equal(together[3:5], drawn(codes[3:5], owners[3:5]))
    assert set(together.unique().tolist()) <= {0.5, 1.0}


@pytest.mark.parametrize("noise", ["response", "gaussian", "laplace"])
def test_nor_on_how_its_rows_are_cut_into_batches(noise):
    codes, own, architecture = code_of(np.arange(8), BITS), np.full(8, 3), replace(RESPONSE, noise=noise)
    whole = noisy(codes, own, architecture, {3: np.random.default_rng(0)})
    generators = {3: np.random.default_rng(0)}
    parts = [noisy(codes[part], own[part], architecture, generators) for part in (slice(0, 3), slice(3, 8))]
    assert torch.equal(torch.cat(parts), whole)


def test_no_rows_are_no_error():
    assert len(noisy(torch.empty(0, BITS), np.empty(0, np.int64), RESPONSE, {})) == 0


def test_that_share_of_the_variance_is_common_to_a_contributors_items_whatever_the_batches():
    people, each, values = 2000, 4, 3
    quiet = Architecture(
        "image", 4, image_size=(32, 32), noise="gaussian", noise_scale=2.0, noise_common=0.25
    )
    rows, owners = torch.zeros(people * each, values), np.repeat(np.arange(people), each)

    def generators() -> dict[int, np.random.Generator]:
        return {person: np.random.default_rng(person) for person in range(people)}

    added = noisy(rows, owners, quiet, generators(), seed=5)
    by_person = added.reshape(people, each, values).numpy()
    assert by_person.std() == pytest.approx(2.0, rel=0.02)
    products = np.mean(by_person[:, 0] * by_person[:, 1])
    assert products == pytest.approx(0.25 * 4, rel=0.15)  # the covariance of two items of one person
    assert abs(np.mean(by_person[:-1, 0] * by_person[1:, 0])) < 0.15  # of two persons
    mine = generators()
    parts = [
        noisy(rows[part], owners[part], quiet, mine, seed=5) for part in (slice(0, 2), slice(2, len(rows)))
    ]
    assert torch.equal(torch.cat(parts), added)
    assert not torch.equal(noisy(rows, owners, quiet, generators(), seed=6), added)
