"""Before stage 1: each section of the configuration is checked, in any order, before a run folder is made."""

from types import SimpleNamespace

import pytest
from rich.console import Console

from tiprdc_fl.errors import InputError
from tiprdc_fl.stages import prepare as preparing
from tiprdc_fl.stages.prepare import unused_keys
from tiprdc_fl.stages.registries import load_config

SMALL = ("clients=12", "data.collector_people=12", "data.holdout_people=8", "data.max_examples_per_person=4")
MISTAKES = {
    "data": (["data.private=[Nope]"], "has no attribute 'Nope'"),
    "unknown proxy": (["data.proxies=[Nope]"], "data.proxies: "),
    "private proxy": (
        ["data.private=[Male]", "data.proxies=[Young,Male]"],
        "data.proxies and data.private both name Male: ",
    ),
    "proxy that is private by default": (
        ["data.proxies=[Male]"],
        "data.proxies and data.private both name Male",
    ),
    "proxy that is a task": (
        ["data.tasks=[Smiling,Young]", "data.proxies=[Young,Smiling]"],
        "data.proxies and data.tasks both name Smiling, Young: ",
    ),
    "protection": (["protection.name=hybrid", "protection.components=1000"], "protection.components=1000"),
    "encoder of proxies": (
        ["protection.name=encoder", "protection.encoder=proxies", "data.proxies=[]"],
        "protection.encoder=proxies needs data.proxies",
    ),
    "partition": (["partition.name=dirichlet", "partition.partition_by=[Nope]"], "has no attribute 'Nope'"),
    "devices": (["devices.name=cameras", "devices.correlated_with=Nope"], "devices.correlated_with: "),
    "strategy": (["strategy.name=over_select", "strategy.target=13"], "strategy.target=13"),
    "federation": (
        ["federation.runtime=onnxruntime", "protection.name=raw"],
        "federation.runtime=onnxruntime runs a network",
    ),
    "exported file": (
        ["federation.runtime=onnxruntime", "protection.name=aligned"],
        "federation.runtime=onnxruntime runs an exported file, and protection.name=aligned has none",
    ),
    "evaluation": (["evaluation.attacks=[table2]"], "evaluation.attacks"),
    "training": (["training.extractor=nowhere.safetensors"], "nowhere.safetensors"),
}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("section", MISTAKES)
def test_a_sections_mistake_is_told_in_any_order_of_the_checks(tmp_path, monkeypatch, section, backwards):
    mistake, message = MISTAKES[section]
    if backwards:
        monkeypatch.setattr(preparing, "CHECKS", preparing.CHECKS[::-1])
    monkeypatch.chdir(tmp_path)
    config = load_config(None, [*SMALL, *mistake, "run_dir=run"])
    with pytest.raises(InputError) as told:
        preparing.prepare(config, Console(quiet=True))
    assert message in str(told.value)
    assert not list(tmp_path.iterdir())


def test_steps_of_a_reconstruction_that_is_not_asked_for_are_said_to_change_nothing():
    steps = "evaluation.reconstruction_steps=100"
    assert unused_keys(load_config(None, [steps])) == ["evaluation.reconstruction_steps"]
    assert unused_keys(load_config(None, [steps, "evaluation.reconstruction=true"])) == []


def test_of_the_default_proxies_those_that_the_data_lacks_are_left_out():
    dataset = SimpleNamespace(attributes=("Male", "Smiling", "Eyeglasses", "Bald", "Young", "Other"))
    usual, own = load_config(None, []), load_config(None, ["data.proxies=[Bald,Nope]"])
    assert preparing.known_proxies(usual, dataset) == ["Young", "Bald"]  # pyright: ignore
    assert preparing.known_proxies(own, dataset) == ["Bald", "Nope"]  # pyright: ignore
    none = load_config(None, ["data.name=chitchat"])
    assert preparing.known_proxies(none, dataset) is None  # pyright: ignore


def test_default_proxies_have_an_effect_or_are_not_noted():
    assert unused_keys(load_config(None, [])) == []
    assert unused_keys(load_config(None, ["data.proxies=[Young]"])) == ["data.proxies"]
    assert unused_keys(load_config(None, ["data.proxies=[Young]", "protection.name=aligned"])) == []
