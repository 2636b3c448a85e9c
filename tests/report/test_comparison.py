"""python -m tiprdc_fl.report: a run's page anew, runs side by side, mistakes; and when a browser is opened."""

import copy
import io
import json
import re
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.report.report_example import example, interval
from tiprdc_fl.evaluation.paired import RowPredictions, figure_of, save_predictions
from tiprdc_fl.report import __main__ as command
from tiprdc_fl.report.compare.comparison import compare
from tiprdc_fl.report.compare.page import comparison_page, cost_cells, verdicts
from tiprdc_fl.report.compare.terminal import show_comparison
from tiprdc_fl.report.differences import difference, in_words
from tiprdc_fl.report.html import browser as opening
from tiprdc_fl.report.html import document
from tiprdc_fl.report.schema import SCHEMA_VERSION, Interval, Report
from tiprdc_fl.report.settings import changed, differing


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Pages without their pictures: test_page.py looks at those."""
    monkeypatch.setattr(document, "draw", lambda *given: "")


def run_folder(folder: Path, report: dict[str, Any] | None = None) -> Path:
    """What the command needs of a run."""
    folder.mkdir()
    (folder / "config.yaml").write_text("clients: 3\n", encoding="utf-8")
    text = json.dumps(example() if report is None else report)
    (folder / "report.json").write_text(text, encoding="utf-8")
    return folder


def moved(report: dict[str, Any], role: str, points: float, half: float = 0.025) -> dict[str, Any]:
    """The report with the strongest probes' figures on features moved."""
    report = copy.deepcopy(report)
    for row in report["results"]:
        value = row["balanced_accuracy"]["value"]
        if row["role"] == role and row["representation"] == "features" and value is not None:
            row["balanced_accuracy"] = interval(value + points, half)
    return report


def compared(*reports: dict[str, Any]):
    return compare(
        [Path(f"runs/{number}") for number in range(len(reports))], list(map(Report.model_validate, reports))
    )


def shown(*reports: dict[str, Any]) -> str:
    console = Console(width=100, file=io.StringIO())
    show_comparison(compared(*reports), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def visible(text: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL).split())


# --- the rule ---


def figure_at(value: float, half: float) -> Interval[float]:
    return Interval[float](value=value, low=value - half, high=value + half)


def test_a_difference_and_its_interval_by_hand():
    figure, reference = figure_at(0.70, 0.03), figure_at(0.64, 0.04)
    found = difference(figure, reference)
    assert found.value == pytest.approx(0.06) and found.width == pytest.approx(0.05)
    assert found.exceeds and in_words(found) == "+6.0 ±5.0, exceeds"
    back = difference(reference.model_copy(update={"value": 0.66}), figure)
    assert not back.exceeds and in_words(back) == "-4.0 ±5.0, within"


def test_an_interval_that_is_not_symmetric_counts_by_half_its_length():
    found = difference(Interval[float](value=0.9, low=0.8, high=0.92), figure_at(0.9, 0.0))
    assert found.width == pytest.approx(0.06) and not found.exceeds


@pytest.mark.parametrize("missing", [None, Interval[float](value=None, low=None, high=None)])
def test_what_is_not_defined_is_not_compared(missing):
    for pair in ((missing, figure_at(0.5, 0.02)), (figure_at(0.5, 0.02), missing)):
        assert in_words(difference(*pair)) == "n/a" and not difference(*pair).exceeds


def test_independent_samples_err_on_the_careful_side_for_figures_of_the_same_people():
    """Simulated: two figures with a shared part and no difference exceed the rule in less than 5 % of draws."""
    draws = np.random.Generator(np.random.PCG64(0)).normal(size=(3, 4000))
    shared, own = 0.8, 0.6  # of a standard deviation of 1
    a, b = shared * draws[0] + own * draws[1], shared * draws[0] + own * draws[2]
    figures = [[figure_at(x, 1.96) for x in pair] for pair in zip(a, b, strict=True)]
    share = np.mean([difference(*pair).exceeds for pair in figures])
    assert share < 0.01
    figures = [[figure_at(x, 1.96) for x in pair] for pair in zip(draws[0], draws[1], strict=True)]
    assert np.mean([difference(*pair).exceeds for pair in figures]) == pytest.approx(0.05, abs=0.01)


# --- what is compared ---


def test_figures_side_by_side_say_what_exceeds_its_intervals():
    first = example()
    text = shown(first, moved(first, "private", 0.06), moved(first, "task", 0.01))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    place = lines.index("leakage of Male, one example 88.0 (85-91) 94.0 (91-97) 88.0 (85-91)")
    assert lines[place + 1] == "less A +6.0 ±3.5, exceeds +0.0 ±3.5, within"
    place = lines.index("utility of Smiling, one example 72.0 (69-75) 72.0 (69-75) 73.0 (70-76)")
    assert lines[place + 1] == "less A +0.0 ±3.5, within +1.0 ±3.5, within"
    assert "B less A: of independent samples, no predictions of the same rows are there." in lines
    assert "the variance of training is not in the interval" in " ".join(lines)
    page = visible(comparison_page(compared(first, moved(first, "private", 0.06))))
    assert "B differs from A beyond the intervals in: leakage of Male, one example +6.0 (±3.5)." in page
    assert "+6.0 ±3.5, exceeds" in page and "<strong>+6.0" in comparison_page(
        compared(first, moved(first, "private", 0.06))
    )


def with_predictions(folder: Path, shift: float, seed: int) -> tuple[Path, dict[str, Any]]:
    """A run folder with predictions of Male, and the report whose figures are theirs.

    The scores know ``shift`` of the label; people and noise are the same in all, but for a fifth of the noise.
    """
    shared, own = np.random.default_rng(0), np.random.default_rng(seed)
    people = np.repeat(np.arange(100), 8)
    labels = (np.arange(100) % 2)[people]
    scores = shared.normal(size=800) + 0.2 * own.normal(size=800) + shift * (2 * labels - 1)
    logits = np.stack([np.zeros(800), scores], axis=1).astype(np.float32)
    kept = RowPredictions(people, labels, logits, logits)
    report = example()
    for row in report["results"]:
        if row["attribute"] == "Male" and row["representation"] == "features":
            for name, pooled in (("balanced_accuracy", False), ("per_person", True)):
                value = figure_of(kept, pooled) or 0.0
                row[name] = {"value": value, "low": value - 0.04, "high": min(1.0, value + 0.04)}
    run_folder(folder, report)
    save_predictions(folder / "predictions.npz", {"Male": kept})
    return folder, report


def test_runs_on_the_same_rows_are_paired(tmp_path):
    runs = [
        with_predictions(tmp_path / name, shift, seed) for name, shift, seed in (("a", 0.5, 1), ("b", 0.6, 2))
    ]
    found = compare([folder for folder, _ in runs], [Report.model_validate(report) for _, report in runs])
    lines = {line.title: line for line in found.lines}
    (apart,) = lines["leakage of Male, one example"].differences
    assert apart.paired and apart.exceeds and apart.width < 0.03  # 5.7 points as if they were independent
    assert "paired, exceeds" in in_words(apart)
    assert lines["leakage of Male, a person's pooled"].differences[0].paired
    assert not lines["utility of Smiling, one example"].differences[0].paired
    assert "paired in leakage of Male, one example; leakage of Male, a" in next(found.samples)
    assert ", paired)" in visible(comparison_page(found))


def test_predictions_that_are_not_those_of_the_report_are_not_paired(tmp_path):
    runs = [with_predictions(tmp_path / name, 0.5, seed) for name, seed in (("a", 1), ("b", 2))]
    for row in runs[1][1]["results"]:
        row["balanced_accuracy"] = interval(0.71)
    found = compare([folder for folder, _ in runs], [Report.model_validate(report) for _, report in runs])
    assert not found.lines[0].differences[0].paired


def test_equal_runs_differ_in_nothing():
    found = compared(example(), example())
    assert found.settings == {} and list(found.warnings) == []
    assert next(verdicts(found)) == "B differs from A in nothing beyond the intervals."
    assert all(" x)" not in cell for cost in found.costs for cell in cost_cells(cost))
    assert "The configurations are the same." in visible(comparison_page(found))


def test_costs_and_participation_stand_beside_each_other():
    second = example()
    second["strategy"]["modelled"]["seconds"] *= 2
    second["strategy"]["participation"]["device"][0]["answered"] = 250
    found = compared(example(), second)
    costs = {cost.title: list(cost_cells(cost)) for cost in (*found.costs, *found.participation)}
    assert costs["until it was over, modelled"][1].endswith("(2.00 x)")
    assert costs["device: Fast phone"] == ["78.8 %", "100.0 % (1.27 x)"]
    assert costs["sent"] == ["81.7 MB", "81.7 MB"]


def test_a_goal_missed_and_when_answers_had_come_are_said():
    second = example()
    second["strategy"]["enough"] = False
    second["strategy"]["modelled"]["seconds_to_share"]["p95"] = None
    found = compared(example(), second)
    costs = {cost.title: list(cost_cells(cost)) for cost in found.costs}
    over = costs["until it was over, modelled"]
    assert over[1] == f"{over[0]}, goal missed"
    assert len(set(costs["half of the answers within, modelled"])) == 1
    assert costs["95 % of the answers within, modelled"][1] == "n/a"
    assert any(one.startswith("Goal missed in B:") for one in found.warnings)


def test_training_stands_apart_and_who_did_not_train_is_said():
    second = example()
    del second["seconds"]["training"]
    costs = {cost.title: list(cost_cells(cost)) for cost in compared(example(), second).costs}
    assert costs["training on this host, measured"] == ["1 min 4 s", "not trained here"]
    assert len(set(costs["time on this host but training, measured"])) == 1


def test_how_much_probes_learn_from_is_said_and_other_keys_of_evaluation_raise_nothing():
    second = example()
    second["configuration"]["evaluation"] |= {"curve": [], "reconstruction": False, "restarts": 2}
    assert list(compared(example(), second).warnings) == []
    for row in second["results"]:
        row["learned_examples"], row["learned_people"] = 452, 30
    (warning,) = compared(example(), second).warnings
    assert warning == (
        "Probes learn from 19,800 examples of 1,000 contributors in A, 452 examples of 30 contributors in B: "
        "fewer examples make weaker probes."
    )


def test_runs_without_a_figure_in_common_say_so_in_one_line():
    pair = example(), example("Young", ("Hat", "Beard"))
    assert "No figure in common" in shown(*pair) and "n/a" not in shown(*pair).split("cost")[0]
    text = visible(comparison_page(compared(*pair)))
    assert "B and A have no figure in common." in text and "No figure in common:" in text


def test_a_run_without_devices_stands_beside_one_with():
    first = example() | {"devices": None}
    first["latency"] |= {"modelled": {}, "cdf": {}}
    found = compared(first, example())
    costs = {cost.title: list(cost_cells(cost)) for cost in found.costs}
    assert costs["until it was over, modelled"][0] == "n/a"
    assert "None" not in visible(comparison_page(found)) + shown(first, example())


@pytest.mark.parametrize(
    ("section", "key", "value", "warning"),
    [
        (None, "seed", 1, "measured on different people (not the same: seed)"),
        ("data", "holdout_people", 100, "measured on different people (not the same: data.holdout_people)"),
        ("data", "name", "celeba", "measured on different people (not the same: data.name)"),
        ("evaluation", "steps", 10, "Probes or what they learn from differ (evaluation.steps)"),
    ],
)
def test_what_makes_runs_incomparable_is_said(section, key, value, warning):
    second = example()
    place = second["configuration"] if section is None else second["configuration"][section]
    place[key] = value
    found = compared(example(), second)
    assert any(warning in one for one in found.warnings)
    assert warning in " ".join(shown(example(), second).split())


def test_other_code_packages_and_people_are_said():
    second = example()
    second["environment"] |= {"code": "cd" * 32, "packages": {"torch": "2.14"}, "cpus": 64}
    second["people"]["holdout"]["people"] = 90
    text = "\n".join(compared(example(), second).warnings)
    for part in ("code: abababababab | cdcdcdcdcdcd", "packages: torch 2.13 | torch 2.14", "64 CPUs"):
        assert part in text
    assert "The runs are measured on different people: a difference may be theirs." in text


def test_an_attribute_that_only_one_run_has():
    found = compared(example(), example(private="Young"))
    titles = {line.title: line for line in found.lines}
    assert titles["leakage of Young, one example"].figures[0] is None
    assert titles["leakage of Male, one example"].figures[1] is None
    assert "n/a" in shown(example(), example(private="Young"))


def test_settings_off_their_defaults_and_between_runs():
    configuration = Report.model_validate(example()).configuration
    found = {one.key: one for one in changed(configuration)}
    assert set(found) == {"strategy.name", "strategy.target", "evaluation.curve", "evaluation.reconstruction"}
    assert (found["strategy.name"].value, found["strategy.name"].default) == ("over_select", "everyone")
    other = replace(configuration, run_dir="elsewhere", seed=7)
    assert differing([configuration, other]) == {"seed": [0, 7]}


# --- the command ---


def test_one_run_writes_its_page_anew(tmp_path, capsys):
    folder = run_folder(tmp_path / "run")
    assert command.main([str(folder)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"Page: {folder / 'report.html'}\n", "")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "a made-up run" in text
    assert not list(folder.glob("*.partial"))


def test_several_runs_write_a_comparison_here_or_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = [str(run_folder(tmp_path / name)) for name in ("a", "b")]
    assert command.main(names) == 0
    assert "2 runs side by side" in (tmp_path / "compare.html").read_text(encoding="utf-8")
    assert command.main([*names, "--out", "other.html"]) == 0
    assert (tmp_path / "other.html").is_file()
    assert "Page: other.html" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["config.yaml", "report.json"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: run.rename(run.parent / "gone"), "there is no such run folder"),
        (lambda run: [path.unlink() for path in run.iterdir()], "is no run folder"),
        (lambda run: (run / "report.json").unlink(), "the run is not finished"),
        (lambda run: (run / "report.json").write_text('{"schema_ver'), "is damaged (it is no JSON"),
        (lambda run: (run / "report.json").write_bytes(b"\xff\xfe{}"), "is damaged (it is no JSON"),
        (lambda run: (run / "report.json").write_text("[1]"), "is damaged (it has no schema_version)"),
        (
            lambda run: spoilt(run, schema_version=2),
            f"is of version 2, and version {SCHEMA_VERSION} is read",
        ),
        (lambda run: spoilt(run, schema_version=99), "is of version 99"),
        (lambda run: spoilt(run, federation=None), "is damaged (federation: Input should be"),
        (lambda run: spoilt(run, results=[]), "is damaged (results: Tuple should have at least 1 item"),
        (
            lambda run: spoilt(run, results=[{}]),
            "results.0.role: Field required; results.0.attribute: Field required",
        ),
        (lambda run: spoilt(run, people={}), "is damaged (people.collector: Field required; "),
    ],
)
@pytest.mark.parametrize("several", [False, True])
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, capsys, spoil, message, several):
    monkeypatch.chdir(tmp_path)
    whole, bad = run_folder(tmp_path / "whole"), run_folder(tmp_path / "bad")
    spoil(bad)
    before = sorted(tmp_path.rglob("*"))
    assert command.main([str(whole), str(bad)] if several else [str(bad)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.startswith("error: ") and message in err
    assert sorted(tmp_path.rglob("*")) == before


def spoilt(run: Path, **fields: Any) -> None:
    report = json.loads((run / "report.json").read_text(encoding="utf-8")) | fields
    (run / "report.json").write_text(json.dumps(report), encoding="utf-8")


def test_a_page_that_cannot_be_written(tmp_path, capsys):
    run = run_folder(tmp_path / "run")
    assert command.main([str(run), "--out", str(tmp_path)]) == 2
    assert f"--out={tmp_path} is a folder; name a file" in capsys.readouterr().err
    nowhere = tmp_path / "nowhere"
    assert command.main([str(run), str(run), "--out", str(nowhere / "a.html")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"error: --out={nowhere / 'a.html'}: there is no folder {nowhere}")


# --- opening ---


@pytest.fixture
def opened(monkeypatch):
    """Pages that a browser was asked to open, where there is a reader with a display."""
    asked: list[str] = []
    for name in ("CI", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.BackgroundBrowser("xdg-open"))
    monkeypatch.setattr(webbrowser, "open", lambda url: asked.append(url) or True)
    return asked


def test_a_page_is_opened_where_there_is_a_display(opened, tmp_path):
    assert opening.open_page(tmp_path / "a page.html", True)
    assert opened == [(tmp_path / "a page.html").as_uri()]


def test_a_page_is_not_opened_where_nobody_looks(opened, tmp_path, monkeypatch):
    assert not opening.open_page(tmp_path, False)
    with monkeypatch.context() as patch:
        patch.setenv("CI", "true")
        assert not opening.open_page(tmp_path, True)
    with monkeypatch.context() as patch:
        patch.delenv("DISPLAY")
        patch.setattr(sys, "platform", "linux")
        assert not opening.open_page(tmp_path, True)
        patch.setattr(sys, "platform", "darwin")
        assert opening.has_display()
        patch.setenv("SSH_CONNECTION", "1.2.3.4")
        assert not opening.has_display()
    with monkeypatch.context() as patch:
        patch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
        assert not opening.open_page(tmp_path, True)
    with monkeypatch.context() as patch:  # lynx would take the terminal over
        patch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
        assert not opening.open_page(tmp_path, True)
    assert opened == []


@pytest.mark.parametrize("error", [webbrowser.Error("none"), OSError("none")])
def test_a_browser_that_does_not_start_is_no_error(opened, tmp_path, monkeypatch, error):
    def fail(*given):
        raise error

    monkeypatch.setattr(webbrowser, "get", fail)
    assert not opening.open_page(tmp_path, True)
