"""Randomness by path."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tiprdc_fl import seeding

PART = st.integers(-(2**40), 2**40) | st.text(max_size=20)
PATH = st.lists(PART, max_size=4).map(tuple)


def test_a_seed_is_the_same_in_every_version_and_process():
    known = 8122283345689839876
    assert seeding.derive(0, "faces", 1) == known
    code = "from tiprdc_fl import seeding; print(seeding.derive(0, 'faces', 1))"
    found = subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "7"})
    assert int(found) == known


@given(PATH, PATH)
def test_equal_paths_give_equal_seeds_and_others_others(one, other):
    assert (seeding.derive(3, *one) == seeding.derive(3, *other)) == (one == other)
    assert 0 <= seeding.derive(3, *one) < 2**63


def test_seed_number_text_and_nesting_all_count():
    paths = [(0, 1), (0, "1"), (1, 0), (0, 1, 1), (0, "11"), (0, "1", "1"), (0, "1, 1"), (0,), (0, "")]
    assert len({seeding.derive(seed, *path) for seed, *path in paths}) == len(paths)


def test_streams_of_neighbouring_paths_are_independent():
    streams = np.stack([seeding.generator(0, "person", person).normal(size=10_000) for person in range(10)])
    correlation = np.corrcoef(streams) - np.eye(10)
    assert np.abs(correlation).max() < 5 / np.sqrt(10_000)  # five standard errors of independent streams
    assert np.abs(streams.mean(axis=1)).max() < 5 / np.sqrt(10_000)


def test_a_stream_does_not_depend_on_what_was_drawn_before():
    expected = seeding.generator(1, "a").random(5)
    seeding.generator(1, "b").random(1000)
    assert np.array_equal(seeding.generator(1, "a").random(5), expected)


def test_torch_generators_follow_the_path():
    def draw(*path):
        return torch.rand(5, generator=seeding.torch_generator(0, *path))

    assert torch.equal(draw("training", 1), draw("training", 1))
    assert not torch.equal(draw("training", 1), draw("training", 2))
    state = torch.get_rng_state()
    draw("training", 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_seed_torch_seeds_what_layers_draw_from():
    def weights(*path):
        seeding.seed_torch(0, *path)
        return torch.nn.Linear(3, 3).weight

    assert torch.equal(weights("x", 1), weights("x", 1))
    assert not torch.equal(weights("x", 1), weights("x", "1"))


def test_uniforms_are_each_ids_own_and_uniform():
    ids = np.arange(100_000)
    drawn = seeding.uniforms(3, ids, "devices", "class")
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-4
    some = np.array([70_000, 5, 99])
    assert np.array_equal(seeding.uniforms(3, some, "devices", "class"), drawn[some])


@pytest.mark.parametrize("other", [(4, "devices", "class"), (3, "devices", "hour"), (3, "devices")])
def test_uniforms_of_another_seed_or_path_are_unrelated(other):
    seed, *path = other
    ids = np.arange(20_000)
    a, b = seeding.uniforms(3, ids, "devices", "class"), seeding.uniforms(seed, ids, *path)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05
    assert abs(np.corrcoef(a[1:], b[:-1])[0, 1]) < 0.05
