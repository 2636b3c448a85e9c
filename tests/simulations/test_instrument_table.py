"""The study ``instrument``: which probe counts, what is within the tolerance, and the command line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from simulations.benchmarks.instrument import __main__ as command
from simulations.benchmarks.instrument import measured
from simulations.benchmarks.instrument.cases import CASES
from simulations.benchmarks.instrument.measured import ATTRIBUTE, EXAMPLES, SIZES, Measured, draw, suite_for
from simulations.benchmarks.instrument.outcome import Outcome
from simulations.benchmarks.instrument.output import summary


@pytest.fixture
def study(results):
    """Three cases: seen, missed, and a text that is seen by the probe that did best on validation people."""

    def make(seed: int = 0, shift: float = 0.0) -> list[Measured]:
        figures = {
            "one_channel": [results("linear", 0.9, 0.89 + shift), results("mlp", 0.8, 0.95, 500, False)],
            "xor_values": [results("linear", 0.52, 0.5), results("mlp", 0.51, 0.52, 700)],
            "order": [results("linear", 0.6, 0.6), results("table2", 0.88, 0.879, 1200)],
        }
        return [Measured(name, CASES[name], seed, part, 10.0) for name, part in figures.items()]

    return make


def test_the_strongest_is_chosen_on_validation_people(study):
    first, second, third = study()
    assert [case.strongest.probe for case in (first, second, third)] == ["linear", "linear", "table2"]
    assert first.gap == pytest.approx(0.01)
    assert second.gap == pytest.approx(0.4)
    assert third.gap == pytest.approx(0.02, abs=1e-3)


def test_what_is_missed_by_more_than_the_tolerance_is_a_blind_spot(study):
    outcome = Outcome("default", SIZES["default"], study())
    assert outcome.counted("image") == (1, 2)
    assert outcome.counted("text") == (1, 1)
    assert [row["name"] for row in outcome.blind] == ["xor_values"]
    assert list(summary(outcome)) == [
        "1 of 2 image cases are within 2 points of the Bayes accuracy.",
        "1 of 1 text cases are within 2 points of the Bayes accuracy.",
        "Blind spots of the suite at this size:",
        "  XOR of two values: 50.0 of 90.0",
    ]
    assert [row["unconverged"] for row in outcome.rows] == ["mlp", "", ""]
    assert [row["steps"] for row in outcome.rows] == [None, None, 1200]


def test_further_cases_do_not_count_but_can_be_blind_spots(results):
    further = Measured("parity_four", CASES["parity_four"], 0, [results("linear", 0.5, 0.5)], 1.0)
    outcome = Outcome("default", SIZES["default"], [further])
    assert outcome.counted("image") == (0, 0)
    assert [row["name"] for row in outcome.blind] == ["parity_four"]
    counted = [case.modality for case in CASES.values() if not case.further]
    assert (counted.count("image"), counted.count("text")) == (15, 4)


def test_over_seeds_figures_are_means(study):
    outcome = Outcome("default", SIZES["default"], [*study(0), *study(1, -0.04)])
    row = outcome.rows[0]
    assert row["figure"].value == pytest.approx(0.87)
    assert row["gap"].value == pytest.approx(3)
    assert row["bayes"].value == pytest.approx(0.9)
    assert outcome.counted("image") == (0, 2)


def test_people_are_balanced_on_the_whole_and_nobody_is_in_both_parts():
    case = CASES["one_channel"]
    learned, others = draw("one_channel", case, 0, 30, 0), draw("one_channel", case, 30, 20, 0)
    assert set(learned.people) == set(range(30))
    assert set(others.people) == set(range(30, 50))
    labels = learned.labels[ATTRIBUTE]
    assert labels.sum() * 2 == len(labels) == 30 * EXAMPLES
    of_person = labels.reshape(30, EXAMPLES).mean(axis=1)
    assert of_person.std() == pytest.approx(np.sqrt(0.25 / EXAMPLES), rel=0.5)  # that of a coin
    assert not np.array_equal(learned.read(np.arange(5)), others.read(np.arange(5)))


def test_the_suite_is_a_runs_own_unless_others_are_asked_for():
    image, text = CASES["one_channel"], CASES["order"]
    assert suite_for(image, SIZES["default"], ("table2", "trees")) == ("trees",)
    assert "conv" in suite_for(image, SIZES["default"], ())
    assert "table2" in suite_for(text, SIZES["study"], ("conv",))


def test_the_command_writes_table_picture_and_all_results(tmp_path, study, monkeypatch, capsys):
    made = {case.name: case for case in study()}
    monkeypatch.setattr(measured, "measure", lambda name, *others: made[name])
    arguments = [f"out={tmp_path}", "cases=[one_channel,order,xor_values]"]
    assert command.main(arguments, Console(width=220)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "3 of 3: XOR of two values: 50.0 of 90.0 by linear, 10 s" in out
    assert "mean of one channel 90.0 linear 89.0 (85-93) 1.00 89.0 95.0" in out
    rows = list(csv.DictReader((tmp_path / "instrument-default.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["one_channel", "order", "xor_values"]
    written = json.loads((tmp_path / "instrument-default.json").read_text())
    assert written["blind_spots"] == ["xor_values"]
    assert written["within"] == {"image": [1, 2], "text": [1, 1]}
    assert len(written["results"]) == 6
    with Image.open(tmp_path / "instrument-default.png") as picture:
        assert picture.size[0] == 1200


@pytest.mark.slow
def test_the_suite_sees_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "MEASURED_PEOPLE", 100)
    arguments = ["--quick", f"out={tmp_path}", "cases=one_value", "attacks=[linear]"]
    assert command.main(arguments, Console(width=220)) == 0
    row = json.loads((tmp_path / "instrument-study.json").read_text())["rows"][0]
    assert 0.65 < row["figure"] < 0.95


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("size=huge", "size=huge: 'huge' is none of default, study"),
        ("cases=[one_channel,faces]", "cases=one_channel,faces: 'faces' is none of all_values"),
        ("attacks=telepathy", "attacks=telepathy: 'telepathy' is none of"),
        ("seeds=0", "seeds=0: an integer from 1 to 1,000 is expected"),
        ("clients=3", "clients=3: key=value is expected, with one of size, cases"),
    ],
)
def test_mistakes_on_the_command_line(argument, message, tmp_path, capsys):
    assert command.main([f"out={tmp_path}", argument]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
