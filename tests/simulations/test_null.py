"""The study ``null``: labels that say nothing, and verdicts by hand."""

import json

import numpy as np
import pytest
from rich.console import Console

from simulations.benchmarks.null import __main__ as command
from simulations.benchmarks.null import simulated
from simulations.benchmarks.null.simulated import EXAMPLES, KINDS, draw, reported
from simulations.benchmarks.null.verdict import Verdict, verdict_of
from tiprdc_fl import seeding


def figures(mean: float, covering: float, runs: int = 200) -> np.ndarray:
    """Figures around a mean, of which a share has intervals that hold 50 %."""
    values = mean + 0.03 * np.tile([-1, 1], runs // 2)
    covered = np.arange(runs) < covering * runs
    return np.stack([values, np.where(covered, 0.4, 0.55), np.full(runs, 0.6)], axis=1)


def test_a_verdict_by_hand():
    verdict = verdict_of("of a trait", figures(0.51, 0.9))
    assert verdict.mean == pytest.approx(0.51)
    assert verdict.mean_error == pytest.approx(0.03 / np.sqrt(199))
    assert verdict.coverage == pytest.approx(0.9)
    assert verdict.coverage_error == pytest.approx(np.sqrt(0.95 * 0.05 / 200))


@pytest.mark.parametrize(
    ("mean", "covering", "unbiased", "covers"),
    [
        (0.5, 0.95, True, True),
        (0.505, 0.93, True, True),
        (0.508, 0.91, True, True),  # within the error of 200 simulations
        (0.512, 0.88, False, False),
        (0.488, 1.0, False, True),
    ],
)
def test_what_is_beyond_the_error_is_missed(mean, covering, unbiased, covers):
    verdict = verdict_of("of a trait", figures(mean, covering))
    assert (verdict.unbiased, verdict.covers) == (unbiased, covers)


def test_intervals_that_are_too_broad_are_missed_too():
    verdict = verdict_of("of a trait", figures(0.5, 1.0, runs=2000))
    assert not verdict.covers


def test_labels_say_nothing_and_features_tell_people_apart():
    rows = draw(300, 1000, seeding.generator(0, "test"))
    people, counts = np.unique(rows.people, return_counts=True)
    assert people.tolist() == list(range(1000, 1300))
    assert (counts.min(), counts.max()) == EXAMPLES
    trait, varying = rows.labels["trait"], rows.labels["varying"]
    own = {person: set(trait[rows.people == person].tolist()) for person in people}
    assert {len(values) for values in own.values()} == {1}
    assert abs(np.corrcoef(trait, varying)[0, 1]) < 0.08
    assert abs(varying.mean() - simulated.SHARE) < 0.04
    flat = rows.read(np.arange(len(trait))).flatten(1).numpy()
    means = np.stack([flat[rows.people == person].mean(axis=0) for person in people])
    between, within = means.var(axis=0).mean(), flat.var(axis=0).mean()
    assert within == pytest.approx(1 + simulated.PERSON**2, rel=0.1)
    assert between == pytest.approx(simulated.PERSON**2 + 0.1, rel=0.2)


@pytest.fixture
def chosen(monkeypatch, results):
    """Simulations that take no time: the strongest on validation people is not so on others."""
    made = [
        results(probe, validation, value, attribute=attribute)
        for attribute in ("trait", "varying")
        for probe, validation, value in (("lda", 0.55, 0.49), ("trees", 0.51, 0.56))
    ]
    monkeypatch.setattr(simulated, "simulate", lambda number, attacks, seed: made)
    return made


def test_the_figure_is_that_of_the_probe_chosen_on_validation_people(chosen):
    for kind in KINDS:
        assert reported(kind, chosen) == pytest.approx((0.49, 0.45, 0.53))


def test_the_command_writes_every_result(tmp_path, chosen, capsys):
    arguments = [f"out={tmp_path}", "runs=4", "attacks=[trees,linear]"]
    assert command.main(arguments, Console(width=200)) == command.FAILED  # 49.0 four times
    out = capsys.readouterr().out
    assert "49.00 +- 0.00  50 +- 0.5 MISSED" in out
    written = json.loads((tmp_path / "null.json").read_text())
    assert len(written["results"]) == 4 * len(chosen)
    assert [verdict["unbiased"] for verdict in written["verdicts"]] == [False] * len(KINDS)
    assert Verdict(**{name: written["verdicts"][0][name] for name in Verdict.__dataclass_fields__}).runs == 4


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("runs=1", "runs=1: an integer from 2 to"),
        ("attacks=[table2]", "attacks=table2: table2 cannot be used"),
        ("people=3", "people=3: key=value is expected, with one of runs, attacks, seed, out"),
    ],
)
def test_mistakes_on_the_command_line(argument, message, tmp_path, capsys):
    assert command.main([f"out={tmp_path}", argument]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
