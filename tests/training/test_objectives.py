"""The equations, against numbers computed by hand and against known anchors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tiprdc_fl.training.objectives import (
    adversary_loss,
    attribute_probabilities,
    extractor_objective,
    head_labels,
    hiding_loss,
    info_nce_bound,
    jensen_shannon_bound,
    one_hot,
    pair,
)


def test_eq_8_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    u = torch.tensor([[1], [0]])
    assert adversary_loss(logits, u, (2,)).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_eq_8_adds_its_heads():
    logits, u = torch.randn(6, 5), torch.randint(0, 2, (6, 2))
    separate = adversary_loss(logits[:, :2], u[:, :1], (2,)) + adversary_loss(logits[:, 2:], u[:, 1:], (3,))
    assert torch.isclose(adversary_loss(logits, u, (2, 3)), separate)


def test_eq_9_by_hand():
    joint, marginal = torch.tensor([2.0]), torch.tensor([-1.0])
    by_hand = -math.log(1 + math.exp(-2)) - math.log(1 + math.exp(-1))
    assert jensen_shannon_bound(joint, marginal).item() == pytest.approx(by_hand)


def test_eq_9_anchors():
    silent = torch.zeros(100)
    assert jensen_shannon_bound(silent, silent).item() == pytest.approx(-2 * math.log(2))
    assert jensen_shannon_bound(silent + 50, silent - 50).item() == pytest.approx(0, abs=1e-6)


@given(st.lists(st.floats(-80, 80), min_size=1), st.lists(st.floats(-80, 80), min_size=1))
def test_eq_9_is_never_above_0(joint, marginal):
    assert jensen_shannon_bound(torch.tensor(joint), torch.tensor(marginal)) <= 0


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=50))
def test_eq_9_of_independent_inputs_is_at_most_that_of_a_silent_estimator(scores):
    """Scores of one distribution carry no information, whatever the estimator says."""
    values = torch.tensor(scores, dtype=torch.float64)
    assert jensen_shannon_bound(values, values) <= -2 * math.log(2) + 1e-6


def test_info_nce_by_hand():
    joint, marginal = torch.tensor([1.0, 0.0]), torch.tensor([[0.0, 0.0], [0.0, 2.0]])
    first = 1 - math.log(math.e + 2)
    second = -math.log(2 + math.exp(2))
    expected = (first + second) / 2 + math.log(3)
    assert info_nce_bound(joint, marginal).item() == pytest.approx(expected)


def test_info_nce_anchors():
    """0 for a silent estimator, log(1 + negatives) for one that is sure."""
    silent = torch.zeros(20)
    assert info_nce_bound(silent, silent.expand(7, -1)).item() == pytest.approx(0, abs=1e-6)
    assert info_nce_bound(silent + 50, silent.expand(7, -1)).item() == pytest.approx(math.log(8))


def test_hiding_is_best_where_the_adversary_is_wrong_or_where_it_cannot_decide():
    u = torch.tensor([[0], [1]])
    undecided, right, wrong = (torch.tensor([[a, -a], [-a, a]]) for a in (0.0, 3.0, -3.0))
    errors = [hiding_loss(logits, u, (2,), "cross_entropy") for logits in (right, undecided, wrong)]
    assert errors == sorted(errors)
    assert errors[0] == adversary_loss(right, u, (2,))
    entropies = [hiding_loss(logits, u, (2,), "entropy").item() for logits in (right, undecided, wrong)]
    assert entropies[1] == pytest.approx(math.log(2))
    assert entropies[0] == pytest.approx(entropies[2]) and entropies[0] < 0.1


def test_the_entropy_adds_its_heads():
    u = torch.zeros(3, 2, dtype=torch.int64)
    assert hiding_loss(torch.zeros(3, 5), u, (2, 3), "entropy").item() == pytest.approx(math.log(6))


def test_eq_18_weighs_its_terms():
    adversary, bound = torch.tensor(0.7), torch.tensor(-0.3)
    assert extractor_objective(adversary, bound, 0.9).item() == pytest.approx(0.9 * 0.7 - 0.1 * 0.3)
    assert extractor_objective(adversary, bound, 1.0).item() == pytest.approx(0.7)
    assert extractor_objective(adversary, bound, 0.0).item() == pytest.approx(-0.3)


@given(st.integers(2, 60), st.integers(0, 2**32), st.sampled_from(["derangement", "shift"]))
def test_nobody_is_paired_with_itself(count, seed, pairing):
    orders = pair(count, pairing, 5, np.random.default_rng(seed)).numpy()
    assert len(orders) == min(5, count - 1)
    for order in orders:
        assert sorted(order) == list(range(count))
    for others in np.vstack([np.arange(count), orders]).T:  # an example, and its x'
        assert len(set(others)) == len(others)


def test_shift_is_by_one():
    assert pair(4, "shift", 2, np.random.default_rng(0)).tolist() == [[3, 0, 1, 2], [2, 3, 0, 1]]


def test_heads_hold_the_same_attributes():
    labels = np.array([[0, 2], [1, 0], [1, 1]])
    joint, joint_classes = head_labels(labels, (2, 3), "joint")
    assert joint_classes == (6,)
    assert joint.tolist() == [[2], [3], [4]]
    separate, classes = head_labels(labels, (2, 3), "separate")
    assert classes == (2, 3)
    assert separate.tolist() == labels.tolist()
    assert one_hot(separate, classes)[0].tolist() == [1, 0, 0, 0, 1]


def test_attribute_probabilities_of_a_joint_head_are_its_marginals():
    logits = torch.randn(4, 6)
    first, second = attribute_probabilities(logits, (2, 3), "joint")
    joint = logits.softmax(1)
    assert torch.allclose(first[:, 1], joint[:, 3:].sum(1))
    assert torch.allclose(second[:, 2], joint[:, [2, 5]].sum(1))
    parts = attribute_probabilities(logits[:, :5], (2, 3), "separate")
    assert [p.shape for p in parts] == [(4, 2), (4, 3)]
    assert all(torch.allclose(p.sum(1), torch.ones(4)) for p in (first, second, *parts))
    (only,) = attribute_probabilities(logits[:, :2], (2,), "joint")
    assert torch.allclose(only, logits[:, :2].softmax(1))
