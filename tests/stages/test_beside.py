"""Protections beside the run's own: what they would have sent, who measures it, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tiprdc_fl import simulate
from tiprdc_fl.config.keys import flatten
from tiprdc_fl.errors import InputError
from tiprdc_fl.report.schema import Report
from tiprdc_fl.stages.beside import config_beside, labels_beside, names_beside
from tiprdc_fl.stages.prepare import prepare, unused_keys
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.feature_store import open_store, stored_contributors
from tiprdc_fl.store.paths import RunFolder
from tiprdc_fl.store.withdrawal import withdraw

SMALL = (
    *("clients=30", "data.collector_people=30", "data.holdout_people=24", "data.max_examples_per_person=3"),
    *("training.epochs=0", "training.pretrain_epochs=1", "model.width=4", "protection.bits=1"),
    *("federation.engine=inline", "devices.name=null", "open_report=false", "evaluation.attacks=[lda]"),
    *("evaluation.adversaries=[both,metadata,set]", "data.tasks=[Smiling]"),
)
BESIDE = "evaluation.controls=[random,aligned,codes]"


def run(folder: Path, *keys: str) -> Report:
    config = load_config(None, [*SMALL, *keys, f"run_dir={folder}"])
    return simulate.run(config, Console(quiet=True), quiet=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Report]:
    """A run that sends what an untrained extractor gives, with two protections beside it."""
    folder = tmp_path_factory.mktemp("beside") / "run"
    return folder, run(folder, "protection.name=random", "evaluation.controls=[aligned,codes]")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aligned", "codes"])
def test_it_is_what_the_protection_sends_where_it_is_the_runs_own(finished, tmp_path, name):
    folder, report = finished
    own = run(tmp_path / "own", f"protection.name={name}", "evaluation.controls=[]")
    beside = RunFolder(folder).beside(name)
    alone = RunFolder(tmp_path / "own")
    assert open_store(beside.features).digest() == open_store(alone.features).digest()
    assert open_store(beside.holdout.features).digest() == open_store(alone.holdout.features).digest()
    assert open_store(beside.auxiliary.features).digest() == open_store(alone.auxiliary.features).digest()
    probes = {(row.attribute, row.probe) for row in report.results if row.representation == name}
    same = [row for row in own.results if row.representation == "features" and row.learned_from == "both"]
    assert {(row.attribute, row.probe) for row in same} == probes
    certified = [row for row in report.certificates if row.representation == name]
    assert [row.model_copy(update={"representation": "features"}) for row in certified] == list(
        own.certificates
    )


@pytest.mark.slow
def test_two_with_the_same_training_train_once(finished):
    folder = RunFolder(finished[0])
    assert not folder.beside("aligned").origin.exists()
    origin = json.loads(folder.beside("codes").origin.read_bytes())
    assert Path(origin["path"]).parent == folder.trained_beside
    stages = folder.beside("codes").stages.read_text()
    assert '"training"' not in stages
    seconds = finished[1].seconds
    assert {"aligned beside", "codes beside"} <= set(seconds)


@pytest.mark.slow
def test_only_what_sends_codes_is_certified_and_the_floor_is_there_once(finished):
    report = finished[1]
    assert {row.representation for row in report.certificates} == {"codes"}
    kinds = list(dict.fromkeys(row.representation for row in report.results))
    assert kinds == ["features", "metadata", "features+metadata", "aligned", "codes", "majority"]
    assert {row.representation for row in report.reidentification} == {"features", "aligned", "codes"}
    assert set(report.names["evaluation.controls"]) == {"aligned", "codes"}


@pytest.mark.slow
def test_who_withdraws_is_removed_from_what_others_would_have_sent(finished):
    folder = RunFolder(finished[0])
    gone = min(stored_contributors(open_store(folder.features)))
    removed = withdraw(folder.path, [gone])
    for name in ("aligned", "codes"):
        assert removed[f"controls/{name}/features.lance"] > 0
        assert gone not in stored_contributors(open_store(folder.beside(name).features))
    again = run(folder.path, "protection.name=random", "evaluation.controls=[aligned,codes]")
    assert gone not in stored_contributors(open_store(folder.beside("codes").features))
    people = {sum(row.people) for row in again.certificates}
    assert people == {len(stored_contributors(open_store(folder.features)))}


@pytest.mark.slow
def test_the_runs_own_training_is_shared_and_one_item_a_person_is_for_all(tmp_path):
    report = run(
        tmp_path / "run", "protection.name=codes", "protection.per=person", BESIDE.replace(",codes", "")
    )
    folder = RunFolder(tmp_path / "run")
    assert folder.beside("aligned").origin.exists()
    keys = open_store(folder.beside("aligned").features).keys
    assert np.array_equal(np.unique(keys["contributor"]), keys["contributor"])
    assert {row.representation for row in report.certificates} == {"features"}


@pytest.mark.slow
def test_a_certificate_is_of_as_many_people_as_are_always_read(tmp_path):
    """At most 100 examples and 4 of a person: of 40 people the first 25 drawn, though 33 are read."""
    keys = ["evaluation.max_examples=100", "evaluation.max_per_person=4", "clients=40"]
    report = run(tmp_path / "run", "protection.name=random", "evaluation.controls=[codes]", *keys)
    assert {sum(row.people) for row in report.certificates} == {25}
    read = stored_contributors(open_store(RunFolder(tmp_path / "run").beside("codes").features))
    assert len(read) > 25


def test_null_is_the_other_protections_default_and_what_was_given_stays():
    hybrid = load_config(None, ["protection.name=hybrid"])
    assert config_beside(hybrid, "aligned").protection.components == 16
    assert config_beside(hybrid, "aligned").protection.encoder == "proxies"
    assert config_beside(hybrid, "random").protection.components is None
    given = load_config(None, ["protection.name=hybrid", "protection.components=8", "protection.noise=1"])
    assert config_beside(given, "aligned").protection.components == 8
    assert config_beside(given, "aligned").protection.noise == 1
    assert config_beside(load_config(None, ["data.proxies=[]"]), "codes").protection.encoder == "information"


@pytest.mark.parametrize("name", ["tiprdc", "aligned", "hybrid", "encoder"])
@pytest.mark.parametrize("other", ["leace", "codes", "gaussian", "noisy"])
def test_it_has_the_configuration_that_a_run_of_its_own_has(name, other):
    beside = config_beside(load_config(None, [f"protection.name={name}"]), other)
    read = set(flatten(beside)) - {"protection.components", "protection.encoder"}
    alone = flatten(load_config(None, [f"protection.name={other}"]))
    assert {key: flatten(beside)[key] for key in read} == {key: alone[key] for key in read}
    assert all(flatten(beside)[key] == value for key, value in alone.items())


def test_names_and_labels():
    config = load_config(None, [BESIDE])
    assert names_beside(config) == ("aligned", "codes")
    assert "16 components that say most about 19 proxies" in labels_beside(config)["aligned"]
    assert labels_beside(load_config(None, [])) == {}


def test_what_a_protection_beside_reads_is_not_said_to_change_nothing():
    assert unused_keys(load_config(None, ["protection.noise=1"])) == ["protection.noise"]
    assert unused_keys(load_config(None, ["protection.noise=1", BESIDE])) == []


def test_an_unknown_name_is_told_with_those_that_there_are():
    with pytest.raises(InputError, match=r"expected a list of tiprdc, .*aligned.*raw, or \[\]"):
        load_config(None, ["evaluation.controls=[random,nope]"])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["evaluation.controls=[tiprdc]"], "evaluation.controls names tiprdc, which is what the run sends"),
        (
            ["evaluation.controls=[aligned]", "protection.name=aligned"],
            "evaluation.controls names aligned, which is what the run sends",
        ),
        (
            ["evaluation.controls=[noisy]", "data.name=chitchat"],
            "evaluation.controls, noisy: protection.name=noisy works on image",
        ),
        (
            ["evaluation.controls=[hybrid]", "protection.components=1000"],
            "evaluation.controls, hybrid: protection.components=1000",
        ),
        (
            ["evaluation.controls=[codes]", "protection.bits=12"],
            "evaluation.controls, codes: a combination of the private attributes has",
        ),
        (
            ["evaluation.controls=[aligned]", "federation.runtime=onnxruntime"],
            "evaluation.controls, aligned: federation.runtime=onnxruntime runs an exported file",
        ),
        (
            ["evaluation.controls=[aligned]", "protection.per=person", "partition.name=iid"],
            "protection.per=person: partition.name=iid deals",
        ),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(tmp_path, keys, message):
    sizes = ("clients=12", "data.collector_people=12", "data.holdout_people=8")
    with pytest.raises(InputError) as told:
        prepare(load_config(None, [*sizes, *keys, f"run_dir={tmp_path / 'run'}"]), Console(quiet=True))
    assert message in str(told.value)
    assert not list(tmp_path.iterdir())
