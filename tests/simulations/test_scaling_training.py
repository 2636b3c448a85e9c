"""The measurements of training and probes, on tiny sizes: what they compare is comparable."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from simulations.benchmarks.scaling import equality, training
from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.literal import networks_like
from simulations.benchmarks.scaling.probes import (
    COUNTS,
    candidates,
    collect,
    measure_probe,
    stored_rows,
    trained,
)
from simulations.benchmarks.scaling.roofline import (
    CONVOLUTIONS,
    KINDS,
    PRODUCTS,
    calls_of,
    operations,
    repeat,
    shares,
)
from simulations.benchmarks.scaling.setting import Size, batch_of, players_of, step
from simulations.benchmarks.scaling.trials import (
    exchange,
    in_one_batch,
    measure_trials,
    on_one_thread,
    rectifying_first,
    with_adam,
)
from simulations.benchmarks.scaling.turns import rate, seconds_in_turns, time
from tiprdc_fl.attacks.probe import CHECKS, Fit, split_rows
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.training import hybrid

TINY = Size(32, 2, 8)
FIT = Fit(12, 16, 1e-3, 0, "cpu", "float32")


def quiet(line: str) -> None:
    """A study's lines, not shown."""


def test_a_ratio_is_value_over_baseline():
    assert Measured("training", "step", 6.0, "images/s", "literal", 2.0, 3.0).ratio == 3.0


def test_ratios_are_medians_over_turns_not_ratios_of_medians():
    ours, theirs = np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 20.0])
    assert rate("p", "w", "a", 10, ours, theirs).value == 5
    assert rate("p", "w", "a", 10, ours, theirs).ratio == pytest.approx(3)
    assert time("p", "w", "a", ours, theirs).value == 2000
    assert time("p", "w", "a", ours, theirs).ratio == pytest.approx(1 / 3)


def test_every_way_has_its_turn_and_the_first_does_not_count():
    order: list[str] = []
    found = seconds_in_turns({name: partial(order.append, name) for name in "ab"}, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 2, "b": 2}


def test_the_literal_form_has_the_same_weights_in_pytorch_s_own_memory_format():
    players = players_of(Size(32, 4, 8), "float32")
    networks = networks_like(players, torch.optim.Adam)
    for name in ("extractor", "adversary", "estimator"):
        for mine, theirs in zip(
            getattr(players, name).parameters(), getattr(networks, name).parameters(), strict=True
        ):
            assert torch.equal(mine, theirs) and mine is not theirs
            assert theirs.is_contiguous()
    assert not all(weight.is_contiguous() for weight in players.extractor.parameters())


def test_the_step_equals_the_literal_one():
    found = equality.measure_equality(Size(32, 2, 32), quiet)
    assert [one.value < most for one, most in zip(found, equality.MOST.values(), strict=True)] == [True, True]
    assert found[0].value < 1e-5  # float64


def test_a_step_that_differs_is_found(monkeypatch):
    def other(adversary, bound, budget):
        return budget * adversary + (1.01 - budget) * bound

    monkeypatch.setattr(hybrid, "extractor_objective", other)
    with pytest.raises(ArithmeticError, match=r"float64: after 3 steps .* differ .* one of the two is wrong"):
        equality.measure_equality(Size(32, 2, 32), quiet)


def test_the_roofline_has_the_convolutions_that_a_step_has():
    """Extractor 4, adversary 9, estimator 5 + 9 for x and 9 for z; each counted where it is passed."""
    players, batch = players_of(TINY, "float32"), batch_of(TINY)
    calls = calls_of(lambda: step(players, batch))
    counts = Counter(call.operator for call in calls)
    forward, backward = CONVOLUTIONS
    assert counts[forward] == (4 + 9) + (5 + 9 + 9) + (9 + 5 + 9 + 9)  # psi, omega, theta
    assert counts[backward] == 9 + (5 + 9 + 9) + (4 + 9 + 9)  # theta's of x have no gradient
    assert counts[PRODUCTS[0]] == 3 + 2 * 3 + 3 + 2 * 3  # linear layers; scores of x and of x'
    masks = [call.arguments[-1] for call in calls if call.operator == backward]
    weights_too = sum(mask[1] for mask in masks)
    assert weights_too == 9 + (5 + 9 + 9) + 4  # theta passes frozen networks
    assert sum(not mask[0] for mask in masks) == 4  # of detached z, of x twice, and of z for omega
    repeat(calls)


def test_shares_of_kernels_add_up_and_know_the_largest():
    found = shares(partial(step, players_of(TINY, "float32"), batch_of(TINY)), 1)
    assert sum(found.values()) == pytest.approx(1)
    assert set(KINDS.values()) - {"casts"} <= set(found)


def test_operations_are_those_of_the_shapes():
    layer, x = nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.zeros(2, 3, 8, 8)
    assert operations(lambda: layer(x)) == 2 * (2 * 8 * 8) * 5 * 3 * 9


def test_pooling_before_the_relu_changes_nothing():
    ours, papers = (players_of(TINY, "float32").extractor for _ in range(2))
    exchange(papers, nn.MaxPool2d, nn.ReLU)
    order = [type(layer) for layer in papers.modules()]
    assert order.index(nn.MaxPool2d) == order.index(nn.Sequential) + 8  # conv, norm, ReLU twice before it
    x = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for network in (ours, papers):
        network(x).square().sum().backward()
    assert torch.equal(ours(x), papers(x))
    for mine, theirs in zip(ours.parameters(), papers.parameters(), strict=True):
        assert torch.equal(mine.grad, theirs.grad)


def test_the_relu_is_back_behind_the_pooling_afterwards():
    players, seen = players_of(TINY, "float32"), []

    def order() -> list[type]:
        return [type(layer) for layer in players.estimator.modules()]

    before = order()
    rectifying_first(players, lambda: seen.append(order()))()
    assert order() == before != seen[0]


def test_what_is_tried_leaves_the_step_as_it_was():
    bound, threads = hybrid._bound, torch.get_num_threads()
    assert len(measure_trials(TINY, 1, quiet)) == 5 + (threads > 1)
    on_one_thread(lambda: None)()
    assert hybrid._bound is bound
    assert torch.get_num_threads() == threads


def test_scores_in_one_batch_are_the_same_scores():
    batch = batch_of(TINY)
    losses = []
    for way in (lambda work: work, in_one_batch):
        players = equality._players(TINY, torch.float64)
        one = equality._batch(TINY, torch.float64, 0)
        way(lambda players=players, one=one: losses.append(step(players, one)))()
    assert torch.allclose(*losses, rtol=1e-6)
    assert len(batch.x) == TINY.batch


@pytest.mark.slow
def test_a_quick_measurement(monkeypatch):
    monkeypatch.setattr(training, "QUICK", ((TINY, 1, 3.0),))
    monkeypatch.setattr(training, "EQUAL", Size(32, 2, 32))
    monkeypatch.setattr(training, "PRODUCT", 8)
    found = training.measure_training(True, quiet)
    assert {one.part for one in found} == {"training"}
    assert [one.goal for one in found if one.goal] == [3.0]
    assert all(np.isfinite(one.ratio) for one in found)
    ladder = training.measure_ladder(TINY, 1, quiet)
    assert len(ladder) == 4
    assert with_adam(players_of(TINY, "float32"), foreach=True).theta.defaults["foreach"] is True


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    open_dataset.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield stored_rows(collect(tmp_path_factory.mktemp("runs") / "run", 6, 32))
    open_dataset.cache_clear()


def test_more_probes_read_each_row_as_often_as_one(rows):
    training_rows, validation = split_rows(rows.people, FIT.seed)
    once = trained(candidates("linear", 1, 32), rows, FIT)[1].times
    assert (trained(candidates("linear", 3, 32), rows, FIT)[1].times == once).all()
    passes = FIT.steps / max(1, len(training_rows) // FIT.batch_size)  # epochs that the steps are
    assert once[training_rows].min() >= int(passes) and once[training_rows].max() <= int(np.ceil(passes))
    assert (once[validation] == CHECKS + 1).all()


def test_probes_are_measured_for_every_number(rows):
    found = measure_probe("linear", 32, rows, Fit(2, 16, 1e-3, 0, "cpu", "float32"), 1, quiet)
    assert len(found) == 2 * len(COUNTS) + 1
    assert [one.ratio for one in found if one.goal] == [1.0] * len(COUNTS)
