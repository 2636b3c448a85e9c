"""Trainings in several processes: the same results as in one, up to rounding, and the same errors."""

import os
from functools import partial

import numpy as np
import pytest
import torch

from tests.attacks.problems import drawn, probe
from tiprdc_fl.attacks import probe as probe_room
from tiprdc_fl.attacks import side_by_side as side_room
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.networks import Perceptron
from tiprdc_fl.attacks.probe import Candidate, Source
from tiprdc_fl.attacks.side_by_side import Held, cores, side_by_side
from tiprdc_fl.attacks.suite import row_candidates
from tiprdc_fl.errors import InputError

FIT = Fit(steps=64, batch_size=64, learning_rate=0.02, seed=0, device="cpu", precision="float32")
SOURCES = {"some": Source(np.arange(160), ("A",)), "all": Source(np.arange(320), ("A",))}


def network() -> Candidate:
    return Candidate(lambda outputs: Perceptron(8, outputs, (16,)))


@pytest.mark.slow
def test_probes_in_processes_are_those_of_one_process(monkeypatch):
    rows, measured = drawn(0, 320, 0.5, gap=2), drawn(1, 100, 0.5, gap=2, first_person=10_000)
    candidates = {"network": network()} | row_candidates(["lda", "linear", "trees"])
    here = probe(candidates, rows, measured, FIT, SOURCES)
    asked: list[int] = []
    monkeypatch.setattr(probe_room, "LITTLE", 0)
    for room in (probe_room, side_room):
        monkeypatch.setattr(room, "cores", lambda: 2)
    monkeypatch.setattr(probe_room, "DOMINANT", 1)
    monkeypatch.setattr(
        probe_room, "side_by_side", lambda jobs, count: asked.append(count) or side_by_side(jobs, count)
    )
    calls: list[int] = []
    there = probe(candidates, rows, measured, FIT, SOURCES, lambda: calls.append(1))
    assert asked == [2] and len(calls) == len(candidates) * len(SOURCES)
    assert here.keys() == there.keys()
    for key, prediction in here.items():
        assert np.allclose(prediction.balanced, there[key].balanced, atol=1e-2)
        assert prediction.steps == there[key].steps


@pytest.mark.slow
def test_jobs_share_arrays_and_an_error_comes_back_as_it_was():
    held = Held(np.arange(2**19, dtype=np.float32).reshape(-1, 2))

    def look(place: int) -> tuple[int, float]:
        return os.getpid(), float(held(np.array([place]))[0, 1])

    results = dict(side_by_side([partial(look, place) for place in (5, 7)], 2))
    assert {place: value for place, (_, value) in results.items()} == {0: 11.0, 1: 15.0}
    assert os.getpid() not in {process for process, _ in results.values()}

    def fail() -> None:
        raise InputError("the probe conv diverged: lower evaluation.learning_rate")

    with pytest.raises(InputError, match="conv diverged"):
        list(side_by_side([fail, fail], 2))


def test_one_process_does_the_jobs_itself_in_their_order():
    assert list(side_by_side([os.getpid, os.getpid], 1)) == [(0, os.getpid()), (1, os.getpid())]
    assert cores() >= 1


def test_held_rows_are_copies():
    rows = np.zeros((3, 2), np.float16)
    chosen = Held(rows)(np.array([2, 0]))
    chosen += 1
    assert chosen.dtype == torch.float16 and not rows.any()


def test_held_messages_are_cut_after_the_longest_that_is_read():
    tokens = np.array([[3, 0, 0, 0], [1, 2, 0, 0], [0, 0, 0, 0], [4, 5, 6, 7]])
    read = Held(tokens, padded=True)
    assert read(np.array([0, 1])).tolist() == [[3, 0], [1, 2]]
    assert read(np.array([2])).tolist() == [[0]]
    assert read(np.array([3, 2])).tolist() == [[4, 5, 6, 7], [0, 0, 0, 0]]
    states = np.zeros((2, 4, 3), np.float16)
    states[0, 0, 1] = states[1, 2, 0] = 1  # the step between is no padding
    assert Held(states, padded=True)(np.array([0])).shape == (1, 1, 3)
    assert Held(states, padded=True)(np.array([1])).shape == (1, 3, 3)


@pytest.mark.parametrize(
    ("work", "size", "cores", "processes"),
    [
        ((3, 3), 1, 4, 2),
        ((3, 3, 3), 1, 2, 2),
        ((1, 1), 1, 4, 1),  # little
        ((9, 1), 1, 4, 1),  # one job is most of it
        ((3, 3), 60, 4, 1),  # too large to be shared
        ((3, 3), 1, 1, 1),
    ],
)
def test_processes_are_for_much_work_that_can_be_shared(monkeypatch, work, size, cores, processes):
    monkeypatch.setattr(probe_room, "cores", lambda: cores)
    monkeypatch.setattr(probe_room, "LITTLE", 4)
    monkeypatch.setattr(probe_room, "_shareable", lambda: 100)
    assert probe_room._processes([probe_room._Job("", dict, 1, part, size) for part in work]) == processes


@pytest.mark.parametrize("unheld", [0, 1], ids=["learned", "measured"])
def test_rows_that_are_not_in_memory_are_read_here(monkeypatch, unheld):
    """Their reader may be a file's or a closure over what cannot be sent."""
    monkeypatch.setattr(probe_room, "LITTLE", 0)
    monkeypatch.setattr(probe_room, "cores", lambda: 2)
    monkeypatch.setattr(probe_room, "READ_BATCH", 64)
    asked: list[int] = []
    monkeypatch.setattr(
        probe_room, "side_by_side", lambda jobs, count: asked.append(count) or side_by_side(jobs, 1)
    )
    sizes = (320, 400 if unheld else 100)
    both = [drawn(0, sizes[0], 0.5, gap=2), drawn(1, sizes[1], 0.5, gap=2, first_person=10_000)]
    monkeypatch.setattr(probe_room, "MOST_HELD", 4 * 8 * (sizes[unheld] - 1))
    predictions = probe({"network": network()}, both[0], both[1], FIT, SOURCES)
    assert asked == [1] and len(predictions) == 2
