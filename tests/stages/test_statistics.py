"""The contributors' statistics within stage 1: asked for once, added up, and part of the extractor."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import load_extractor
from tiprdc_fl.models.transport import Transport
from tiprdc_fl.simulate import run
from tiprdc_fl.stages import statistics
from tiprdc_fl.stages.prepare import prepare, unused_keys
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.stages.train import train
from tiprdc_fl.store.paths import RunFolder

TINY = (
    "clients=30",
    "data.collector_people=40",
    "data.holdout_people=30",
    "data.max_examples_per_person=4",
    "model.width=2",
    "training.epochs=1",
    "training.pretrain_epochs=1",
    "federation.engine=inline",
    "protection.components=4",
)
ASKED = ("protection.name=aligned", "protection.statistics=contributors")


def trained(folder: Path, *keys: str) -> bytes:
    config = load_config(None, [*TINY, *keys, f"run_dir={folder}"])
    train(prepare(config, Console(file=io.StringIO())))
    return (folder / "extractor.safetensors").read_bytes()


@pytest.fixture
def nobody_is_asked(monkeypatch):
    """Asking for sums is an error from here on."""

    def refuse(*arguments):
        raise AssertionError("contributors were asked")

    return lambda: monkeypatch.setitem(statistics.SUM_ENGINES, "inline", refuse)


@pytest.mark.parametrize("name", ["aligned", "codes"])
def test_maps_follow_the_contributors_and_components_do_not(tmp_path, name):
    keys = (f"protection.name={name}", "protection.bits=1")
    folders = [tmp_path / whose for whose in ("collector", "contributors")]
    for folder in folders:
        trained(folder, *keys, f"protection.statistics={folder.name}")
    own, theirs = (load_extractor(folder / "extractor.safetensors").network for folder in folders)
    assert isinstance(own, Transport) and isinstance(theirs, Transport)
    for kept in ("mean", "basis"):
        assert (own.state_dict()[kept] == theirs.state_dict()[kept]).all()
    assert not np.allclose(own.maps.numpy(), theirs.maps.numpy(), atol=1e-3)
    assert not RunFolder(folders[0]).statistics.path.exists()


def test_nobody_is_asked_twice(tmp_path, nobody_is_asked):
    first = trained(tmp_path / "run", *ASKED)
    nobody_is_asked()
    (tmp_path / "run" / "extractor.safetensors").unlink()
    assert trained(tmp_path / "run", *ASKED) == first


def test_an_extractor_that_contributors_were_not_asked_with_is_refused(tmp_path, nobody_is_asked):
    trained(tmp_path / "run", *ASKED)
    nobody_is_asked()
    (tmp_path / "run" / "extractor.safetensors").unlink()
    RunFolder(tmp_path / "run").statistics.extractor.write_bytes(b"another")
    with pytest.raises(InputError, match=r"asked with another extractor, and nobody is asked twice"):
        trained(tmp_path / "run", *ASKED)


def test_groups_stay_when_somebody_withdraws_before_the_query_ends(tmp_path):
    """Else the sums of the groups before and after would differ by that person."""
    trained(tmp_path / "run", *ASKED, "clients=120")
    folder = RunFolder(tmp_path / "run")
    groups = folder.statistics.masking_groups.read_bytes()
    for path in (folder.extractor, folder.statistics.sums):
        path.unlink()
    gone = json.loads(groups)[0][0]
    folder.withdrawals.write_text(json.dumps({"contributor": gone, "time": "now"}) + "\n")
    trained(tmp_path / "run", *ASKED, "clients=120")
    assert folder.statistics.masking_groups.read_bytes() == groups
    found = json.loads(folder.statistics.sums.read_text())
    assert (found["groups"], found["incomplete"]) == (1, 1)


def test_the_sums_say_what_counted(tmp_path):
    trained(tmp_path / "run", *ASKED)
    found = json.loads(RunFolder(tmp_path / "run").statistics.sums.read_text())
    assert (found["groups"], found["incomplete"], found["impossible"], found["unusual"]) == (1, 0, 0, 0)
    assert np.array(found["values"]).shape == (2, 2 + 4 + 10)


def test_too_few_contributors_are_told_so(tmp_path):
    with pytest.raises(InputError, match=r"8 contributors have examples.*fewer than 10 .*raise clients"):
        trained(tmp_path / "run", *ASKED, "clients=8")


def test_a_protection_that_takes_no_statistics_has_the_key_noted():
    config = load_config(None, ["protection.name=tiprdc", "protection.statistics=contributors"])
    assert "protection.statistics" in unused_keys(config)
    assert "protection.statistics" not in unused_keys(load_config(None, list(ASKED)))


@pytest.mark.slow
def test_a_run_with_the_contributors_statistics(tmp_path):
    keys = ("evaluation.attacks=[lda]", "evaluation.controls=[]", "evaluation.reidentification=false")
    config = load_config(None, [*TINY, *ASKED, *keys, f"run_dir={tmp_path / 'run'}", "open_report=false"])
    report = run(config, console=Console(file=io.StringIO()))
    assert "moved by the contributors' statistics" in report.protection
    rows = [row for row in report.results if row.representation == "features" and row.role == "private"]
    assert rows
