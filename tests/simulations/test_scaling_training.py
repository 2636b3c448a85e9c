"""The measurements of training, on tiny sizes: what they compare is comparable."""

from functools import partial

import numpy as np
import pytest
import torch

from simulations.benchmarks.scaling import training
from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.setting import Size, players_of
from simulations.benchmarks.scaling.turns import rate, seconds_in_turns

TINY = Size(32, 2, 8)


def quiet(line: str) -> None:
    """A study's lines, not shown."""


def test_a_ratio_is_value_over_baseline():
    assert Measured("training", "step", 6.0, "images/s", "literal", 2.0, 3.0).ratio == 3.0


def test_ratios_are_medians_over_turns_not_ratios_of_medians():
    ours, theirs = np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 20.0])
    assert rate("p", "w", "a", 10, ours, theirs).value == 5
    assert rate("p", "w", "a", 10, ours, theirs).ratio == pytest.approx(3)


def test_every_way_has_its_turn_and_the_first_does_not_count():
    order: list[str] = []
    found = seconds_in_turns({name: partial(order.append, name) for name in "ab"}, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 2, "b": 2}


def test_the_literal_form_starts_from_the_same_weights_in_pytorch_s_own_memory_format():
    players, plain = (players_of(Size(32, 4, 8), "float32") for _ in range(2))
    training.plain(plain)
    for name in ("extractor", "adversaries", "estimator"):
        mine, theirs = getattr(players, name).parameters(), getattr(plain, name).parameters()
        for weight, other in zip(mine, theirs, strict=True):
            assert torch.equal(weight, other) and other.is_contiguous()
    assert not all(weight.is_contiguous() for weight in players.extractor.parameters())


@pytest.mark.slow
def test_a_quick_measurement(monkeypatch):
    monkeypatch.setattr(training, "QUICK", ((TINY, 1, None), (TINY, 1, 3.0)))
    first, second = training.measure_training(True, quiet)
    assert (first.part, first.unit, first.goal, second.goal) == ("training", "images/s", None, 3.0)
    assert np.isfinite(first.ratio) and first.ratio > 0
