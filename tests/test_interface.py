"""The public interface: a run, its features, the extractor and the attacks, without the command line."""

import io

import numpy as np
import pytest
import torch
from rich.console import Console

import tiprdc_fl
from tiprdc_fl.data.source import DataSource, open_dataset

KEYS = (
    "clients=12",
    "data.collector_people=12",
    "data.holdout_people=8",
    "data.max_examples_per_person=4",
    "data.image_size=[32,32]",
    "model.width=4",
    "training.epochs=1",
    "evaluation.attacks=[linear]",
    "evaluation.probes=[linear]",
    "evaluation.controls=[]",
    "evaluation.steps=6",
    "evaluation.bootstrap=100",
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
    assert len(np.unique(contributors)) == 12


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
        steps=10,
        batch_size=16,
        resamples=10,
    )
    assert 0 <= result.balanced_accuracy.value <= 1


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(tiprdc_fl.InputError, match="there is no such run folder"):
        tiprdc_fl.open_run(tmp_path / "nothing")
