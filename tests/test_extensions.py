"""A toy of each kind of extension: one record in one dictionary, and it runs to the report, page and terminal."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from strategies import STRATEGIES, Strategy, StrategyRecord
from tests.config.test_config import errors_of
from tiprdc_fl.attacks.networks import Perceptron
from tiprdc_fl.attacks.suite import ATTACKS, Attack
from tiprdc_fl.config.help import key_help
from tiprdc_fl.data import DATASETS, Dataset, DatasetRecord, Examples
from tiprdc_fl.data.partition.partitioners import PARTITIONERS, Partition
from tiprdc_fl.models.architecture import seen_shape
from tiprdc_fl.protections import PROTECTIONS, Protection
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.terminal import show
from tiprdc_fl.simulate import run
from tiprdc_fl.stages.prepare import unused_keys
from tiprdc_fl.stages.registries import choices, load_config
from tiprdc_fl.store.codec import CODECS, Codec
from tiprdc_fl.store.formats import floats
from tiprdc_fl.training.information import OBJECTIVES, Objective

TINY = (
    "clients=12",
    "model.width=2",
    "training.epochs=0",
    "training.pretrain_epochs=0",
    "evaluation.steps=2",
    "evaluation.controls=[]",
    "evaluation.adversaries=[insider]",
    "evaluation.reidentification=false",
    "federation.engine=inline",
    "devices.name=null",
    "open_report=false",
)
SMALL = (
    "data.collector_people=12",
    "data.holdout_people=8",
    "data.max_examples_per_person=2",
    "evaluation.attacks=[linear]",
)
PLUGIN = """
from tiprdc_fl.store.codec import CODECS, Codec
from tiprdc_fl.store.formats import floats

CODECS["whole"] = Codec(floats(32))
"""
CHOSEN = (
    "data.name=stripes",
    "partition.name=in_turn",
    "training.objective=brightness",
    "protection.name=blurred",
    "evaluation.attacks=[channels]",
    "federation.codec=whole",
    "strategy.name=first_five",
)


def stripes(root, image_size, seed) -> Dataset:
    """Forty people with two grey images each; a person's height and an image's brightness are its attributes."""

    def load(people) -> Examples:
        ids, rows = (
            np.repeat(np.asarray(people, np.int64), 2),
            np.tile(np.arange(2, dtype=np.int32), len(people)),
        )
        attributes = {"Tall": (ids % 2).astype(np.int8), "Bright": ((ids // 2 + rows) % 2).astype(np.int8)}
        grey = 60 * attributes["Tall"] + 120 * attributes["Bright"]
        images = torch.from_numpy(grey.astype(np.uint8))[:, None, None, None].expand(-1, 3, *image_size)
        sizes = np.full(len(ids), 3 * image_size[0] * image_size[1], np.int64)
        return Examples(images.clone(), attributes, ids, rows, sizes)

    return Dataset(
        name="stripes",
        modality="image",
        people=range(40),
        attributes=("Tall", "Bright"),
        load=load,
        labels=lambda people: replace(load(people), inputs=None),
    )


def in_turn(classes, contributors, settings, rng) -> np.ndarray:
    """Examples are dealt like cards."""
    return np.arange(len(classes.of)) % contributors


def channels(architecture, classes) -> torch.nn.Module:
    """Logistic regression on the means of the channels."""
    pool = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    return torch.nn.Sequential(pool, Perceptron(seen_shape(architecture)[0], classes))


def brightness(estimator, x, z, u, order) -> torch.Tensor:
    """Features should be large."""
    return estimator(z.float().mean().reshape(1)).sum()


def first_five(settings) -> Strategy:
    """All are asked, five answers are enough."""
    return Strategy(
        ask=lambda progress: progress.waiting, enough=lambda progress: sum(progress.answered) >= 5
    )


@pytest.fixture
def toys(monkeypatch):
    """One record in one dictionary for each kind of extension."""
    dataset = DatasetRecord(
        label="forty people in grey",
        open=stripes,
        defaults={"data.private": ["Tall"], "data.tasks": ["Bright"]},
    )
    noise = Protection(
        label="features with a little noise",
        apply=lambda architecture, settings: replace(architecture, noise="gaussian", noise_scale=0.01),
        describe=lambda keys: "a hundredth of noise",
        reads=("protection.sigma",),
    )
    numbers = replace(floats(32), label="whole numbers")
    for names, name, record in (
        (DATASETS, "stripes", dataset),
        (PARTITIONERS, "in_turn", Partition("examples dealt like cards", in_turn, ("partition.alpha",))),
        (
            OBJECTIVES,
            "brightness",
            Objective("large features", lambda *of: torch.nn.Linear(1, 1), brightness),
        ),
        (PROTECTIONS, "blurred", noise),
        (ATTACKS, "channels", Attack("means of channels", channels, ("image",))),
        (CODECS, "whole", Codec(numbers)),
        (STRATEGIES, "first_five", StrategyRecord(label="the first five answers", make=first_five)),
    ):
        monkeypatch.setitem(names, name, record)


LABELS = {
    "data.name": {"stripes": "forty people in grey"},
    "partition.name": {"in_turn": "examples dealt like cards"},
    "training.objective": {"brightness": "large features"},
    "protection.name": {"blurred": "features with a little noise"},
    "federation.codec": {"whole": "whole numbers; error: none"},
    "strategy.name": {"first_five": "the first five answers"},
    "probe": {"channels": "means of channels"},
}


def test_a_toy_of_each_kind_runs_to_report_page_and_terminal(toys, tmp_path):
    shown = io.StringIO()
    config = load_config(None, [*TINY, *CHOSEN, f"run_dir={tmp_path / 'run'}"])
    assert (config.data.private, config.data.tasks) == (["Tall"], ["Bright"])
    run(config, Console(file=shown, width=200))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    show(Report.model_validate(report), Console(file=shown, width=200), full=True)
    page = (tmp_path / "run" / "report.html").read_text()
    assert report["names"] == LABELS
    assert report["protection"] == "blurred, a hundredth of noise"
    assert report["partition"]["label"] == "examples dealt like cards"
    assert not report["partition"]["persons"]
    assert report["partition"]["settings"] == {"alpha": 0.5}
    assert report["strategy"]["name"] == "first_five"
    assert report["federation"]["answered"] == 5
    assert {row["probe"] for row in report["results"]} == {"channels", "constant"}
    words = [label for names in LABELS.values() for label in names.values()]
    for word in (*words, "blurred, a hundredth of noise", "first_five"):
        assert word in page
        assert word in shown.getvalue()


def test_help_and_errors_name_toys(toys):
    meanings = {key: meaning for key, _, meaning in key_help(choices())}
    assert "- stripes: forty people in grey" in meanings["data.name"]
    assert "- channels: means of channels" in meanings["evaluation.attacks"]
    assert meanings["partition.alpha"].startswith("dirichlet, in_turn: ")
    [line] = errors_of("data.name=stripe")
    assert line.endswith("did you mean stripes?")


def test_a_toy_objective_trains_an_extractor(toys, tmp_path):
    keys = (*TINY, *SMALL, "training.pretrain_epochs=1", "training.objective=brightness")
    report = run(load_config(None, [*keys, f"run_dir={tmp_path / 'run'}"]), Console(file=io.StringIO()))
    (epoch,) = report.training
    assert epoch.mutual_information_bound is not None
    assert report.names["training.objective"] == {"brightness": "large features"}


def test_keys_that_the_chosen_names_do_not_read_are_noted(toys):
    changed = ("partition.alpha=1", "protection.sigma=1", "training.batch_size=8", "partition.strength=2")
    assert unused_keys(load_config(None, [*CHOSEN, *changed])) == [
        "partition.strength",
        "training.objective",  # the toy trains nothing
        "training.batch_size",
    ]
    assert unused_keys(load_config(None, changed[:2])) == ["partition.alpha", "protection.sigma"]


@pytest.mark.flower
def test_a_plugin_is_imported_here_and_in_workers(tmp_path):
    """Flower's workers are other processes: they import the plugin by its name, and know its codec then."""
    (tmp_path / "whole_numbers.py").write_text(PLUGIN)
    own = (
        "federation.engine=flower",
        "federation.workers=1",
        "plugins=[whole_numbers]",
        "federation.codec=whole",
    )
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "tiprdc_fl.simulate", *TINY, *SMALL, *own, f"run_dir={tmp_path / 'run'}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["names"]["federation.codec"] == {"whole": "32-bit floating-point numbers; error: none"}
    assert (report["federation"]["answered"], report["federation"]["failures"]) == (12, [])
