"""The measurements of training and probes, on tiny sizes: what they compare is comparable."""

from functools import partial

import numpy as np
import pytest
import torch

from simulations.benchmarks.scaling import training
from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.probes import (
    COUNTS,
    candidates,
    collect,
    measure_probe,
    stored_rows,
    trained,
)
from simulations.benchmarks.scaling.setting import Size, players_of
from simulations.benchmarks.scaling.turns import rate, seconds_in_turns
from tiprdc_fl.attacks.fitting import CHECKS, Fit, split_rows
from tiprdc_fl.data.source import open_dataset

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


def test_every_way_has_its_turn_and_the_first_does_not_count():
    order: list[str] = []
    found = seconds_in_turns({name: partial(order.append, name) for name in "ab"}, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 2, "b": 2}


def test_the_literal_form_starts_from_the_same_weights_in_pytorch_s_own_memory_format():
    players, plain = (players_of(Size(32, 4, 8), "float32") for _ in range(2))
    training.plain(plain)
    for name in ("extractor", "adversary", "estimator"):
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
