"""The study of coverage: its simulated people are what it says, and it fails where intervals do not hold."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from simulations.benchmarks.coverage import __main__ as command
from simulations.benchmarks.coverage.holdouts import Cell, cells, draw, gap_of, pooled_gap, truth
from simulations.benchmarks.coverage.measured import Coverage, coverage_of
from tiprdc_fl import seeding
from tiprdc_fl.attacks.roc import placements

CELL = Cell(66, 0.5, True, 0.7)


def test_cells_have_ten_people_of_the_rarer_class():
    chosen = list(cells())
    assert {cell.people for cell in chosen} == {30, 66, 200, 1000}
    assert {cell.share for cell in chosen} == {0.016, 0.05, 0.2, 0.5}
    assert Cell(200, 0.05, True, 0.7) in chosen and Cell(200, 0.016, True, 0.7) not in chosen
    assert Cell(66, 0.016, False, 0.7) in chosen and Cell(30, 0.016, False, 0.7) not in chosen


@pytest.mark.parametrize("trait", [True, False])
def test_the_probe_has_the_figures_it_is_said_to_have(trait):
    cell = Cell(4000, 0.3, trait, 0.8)
    holdout = draw(cell, 0.3, seeding.generator(0, "test"))
    scores = holdout.logits(gap_of(0.8))[:, 1]
    positive = holdout.labels == 1
    assert np.mean((scores > 0) == positive) == pytest.approx(0.8, abs=0.01)
    assert placements(scores, positive)[positive].mean() == pytest.approx(truth(cell)["roc_auc"], abs=0.01)
    assert np.mean(positive) == pytest.approx(0.3, abs=0.03)
    threshold = np.quantile(scores[~positive], 0.99)
    assert np.mean(scores[positive] > threshold) == pytest.approx(truth(cell)["tpr_at_1_fpr"], abs=0.03)


def test_the_probe_has_the_accuracy_over_people_it_is_said_to_have():
    holdout = draw(Cell(4000, 0.5, True, 0.8), 0.3, seeding.generator(0, "test"))
    scores = holdout.logits(pooled_gap(0.8, 0.3))[:, 1]
    sums = np.bincount(holdout.person, scores)
    trait = np.bincount(holdout.person, holdout.labels) > 0
    assert np.mean((sums > 0) == trait) == pytest.approx(0.8, abs=0.02)


def test_a_cell_holds_the_truth_and_depends_on_the_seed_alone():
    first, again, other = (coverage_of(CELL, 100, 0.3, seed, lambda: None) for seed in (0, 0, 1))
    assert first == again and first != other
    assert {result.figure for result in first} == {
        "balanced_accuracy",
        "accuracy",
        "roc_auc",
        "per_person",
        "difference",
    }
    assert all(0.85 <= result.held <= 1 and not result.outside for result in first)


RESULT = Coverage(cell=CELL, figure="accuracy", runs=1000, held=0.95, width=0.1, counts=False)


@pytest.mark.parametrize(
    ("held", "runs", "counts", "outside"),
    [
        (0.95, 1000, False, False),
        (0.92, 1000, False, False),  # within three errors of 93 %
        (0.90, 1000, False, True),
        (0.90, 100, False, False),
        (0.995, 1000, False, True),
        (0.995, 1000, True, False),  # a count of a few
        (0.90, 1000, True, True),
    ],
)
def test_outside_is_more_than_chance(held, runs, counts, outside):
    assert replace(RESULT, held=held, runs=runs, counts=counts).outside == outside


@pytest.mark.parametrize(("held", "status"), [(0.95, 0), (0.85, 1)])
def test_the_command_fails_where_intervals_do_not_hold(tmp_path, monkeypatch, held, status):
    asked = []

    def measured(cell: Cell, runs: int, correlation: float, seed: int, on_run: object) -> list[Coverage]:
        asked.append((cell, runs, correlation, seed))
        return [replace(RESULT, cell=cell, held=held)]

    monkeypatch.setattr(command, "coverage_of", measured)
    console = Console(file=io.StringIO(), width=200)
    arguments = [f"out={tmp_path}", "runs=200", "correlation=0.5", "seed=3"]
    assert command.main(arguments, console) == status
    assert (CELL, 200, 0.5, 3) in asked and len(asked) == len(list(cells()))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "66 people, 50 % positive, trait, 70 %" in text and f"{100 * held:.1f} ±" in text
    with (tmp_path / "coverage.csv").open(encoding="utf-8") as written:
        rows = list(csv.DictReader(written))
    assert len(rows) == len(asked) and rows[0]["held"] == str(held)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("runs=10", "runs=10: expected a number from 100"),
        ("correlation=1", "correlation=1: expected a number from 0 to 0.95"),
        ("seed=x", "seed=x: expected a number"),
        ("cells=3", "key=value is expected"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, capsys, argument, message):
    assert command.main([f"out={tmp_path}", argument]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
