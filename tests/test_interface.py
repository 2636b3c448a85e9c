"""The public interface: a run, its features, the extractor and the attacks, without the command line."""

import io
import shutil

import numpy as np
import pytest
import torch
from rich.console import Console

import tiprdc_fl
from tiprdc_fl.data.source import DataSource, open_dataset

KEYS = (
    "clients=24",
    "data.collector_people=24",
    "data.holdout_people=24",
    "data.max_examples_per_person=4",
    "data.image_size=[32,32]",
    "model.width=4",
    "training.epochs=1",
    "training.pretrain_epochs=1",
    "evaluation.attacks=[linear]",
    "evaluation.adversaries=[insider,metadata,set]",
    "evaluation.controls=[]",
    "evaluation.steps=6",
    "federation.engine=inline",
    "open_report=false",
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interface") / "run"
    config = tiprdc_fl.load_config(None, [*KEYS, f"run_dir={folder}"])
    tiprdc_fl.run(config, console=Console(file=io.StringIO()))
    return tiprdc_fl.open_run(folder)


def test_a_runs_features_are_read_as_tensors_and_as_a_table(opened):
    features, labels, contributors = opened.tensors()
    table = opened.features()
    assert table.column_names == ["contributor", "row", "Smiling", "Eyeglasses", "features"]
    assert np.array_equal(table["contributor"].to_numpy(), contributors)
    assert np.array_equal(table["Smiling"].to_numpy(), labels["Smiling"])
    rows = np.stack(table["features"].to_pylist()).astype(np.float32)
    assert np.array_equal(rows, features.flatten(1).numpy())
    assert len(np.unique(contributors)) == 24


def test_the_extractor_gives_the_features_that_were_collected(opened):
    features, _, contributors = opened.tensors()
    contributor = int(contributors[0])
    dataset = open_dataset(DataSource("faces", None, (32, 32), 0, most=4))
    extracted = tiprdc_fl.extract(opened.extractor, dataset.load([contributor]).loaded)
    sent = features[torch.from_numpy(contributors == contributor)]
    assert torch.equal(extracted.half().float(), sent)  # float16 is the default codec


def test_attacks_run_on_a_runs_features(opened):
    features, labels, contributors = opened.tensors()
    (result,) = tiprdc_fl.attack(
        features,
        labels["Smiling"],
        contributors,
        attacks=["linear"],
        measured_share=0.7,
        steps=10,
        batch_size=16,
    )
    assert result.measured_people == 17
    assert result.balanced_accuracy.value is not None


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(tiprdc_fl.InputError, match="there is no such run folder"):
        tiprdc_fl.open_run(tmp_path / "nothing")


class Recorder(tiprdc_fl.Callback):
    """Writes down everything that a run tells."""

    def __init__(self):
        self.stages, self.values, self.epochs, self.answers = [], {}, [], []
        self.terminal = io.StringIO()

    def on_stage_start(self, name):
        self.stages.append(f"{name} begins")

    def on_stage_end(self, name, value):
        self.stages.append(f"{name} ends")
        self.values[name] = value

    def on_epoch_end(self, figures):
        self.epochs.append(figures)

    def on_answer(self, contributors, examples):
        self.answers.append((contributors, examples))


def accuracy(labels, logits, people):
    assert len(labels) == len(logits) == len(people)
    return np.mean(logits.argmax(axis=1) == labels)


def followed(folder, metrics):
    recorder = Recorder()
    config = tiprdc_fl.load_config(None, [*KEYS, f"run_dir={folder}"])
    report = tiprdc_fl.run(
        config,
        console=Console(file=recorder.terminal, width=120),
        full=True,
        callbacks=[recorder, tiprdc_fl.Callback()],
        metrics=metrics,
    )
    return recorder, report


def test_a_run_tells_its_callbacks_and_measures_by_the_callers_metrics(tmp_path):
    recorder, report = followed(tmp_path, {"hits": accuracy, "none": lambda *rows: float("nan")})
    names = ("prepare", "train", "collect", "evaluate", "report")
    assert recorder.stages == [f"{name} {what}" for name in names for what in ("begins", "ends")]
    assert recorder.values["report"] == report
    assert tuple(recorder.values["train"].history) == report.training
    assert [figures["epoch"] for figures in recorder.epochs] == [epoch.epoch for epoch in report.training]
    contributors, examples = np.sum(recorder.answers, axis=0)
    assert (contributors, examples) == (24, report.people.contributors.examples)
    rows = tiprdc_fl.open_run(tmp_path).report.results
    known = [row for row in rows if row.accuracy.value is not None]
    assert {row.representation for row in known} == {"features", "metadata", "features+metadata", "majority"}
    for row in known:
        assert row.metrics == {"hits": pytest.approx(row.accuracy.value), "none": None}
    of_people = [row for row in rows if row.probe.startswith("set-")]
    assert of_people
    assert all(row.metrics == {"hits": None, "none": None} for row in of_people)
    table = recorder.terminal.getvalue().partition("Metrics handed to the run")[2].splitlines()
    assert table[1].split()[-2:] == ["hits", "none"]
    assert table[2].split()[-2:] == [f"{report.results[0].metrics['hits']:.4f}", "n/a"]
    assert '<th scope="col">hits</th>' in (tmp_path / "report.html").read_text()


def test_a_finished_run_is_measured_again_for_a_metric_that_it_lacks(opened, tmp_path):
    folder = shutil.copytree(opened.folder, tmp_path / "run")
    asked = []

    def counted(labels, logits, people):
        asked.append(len(np.unique(people)))
        labels[:] = 0  # a metric has copies
        return 1

    recorder, report = followed(folder, {"counted": counted})
    assert not recorder.epochs
    assert not recorder.answers
    examples = [row for row in report.results if not row.probe.startswith("set-")]
    assert {row.metrics["counted"] for row in examples} == {1.0}
    assert asked == [24] * len(examples)
    assert [row.accuracy for row in report.results] == [row.accuracy for row in opened.report.results]
    for metrics in ({"counted": counted}, None):
        assert followed(folder, metrics)[1].results == report.results
    assert asked == [24] * len(examples)


@pytest.mark.parametrize("metrics", [{"accuracy": 1}, {"": accuracy}])
def test_a_metric_that_is_no_function_with_a_name_is_refused_at_once(tmp_path, metrics):
    with pytest.raises(tiprdc_fl.InputError, match="metrics: expected a function"):
        followed(tmp_path / "run", metrics)
    assert not (tmp_path / "run").exists()
