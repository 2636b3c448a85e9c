"""Stage 2: the strategy on the virtual clock decides whose work an engine does."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from rich.console import Console

from strategies import STRATEGIES
from tiprdc_fl.devices.assign import assign
from tiprdc_fl.devices.sets import load_devices
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contributor import Failure, contribute
from tiprdc_fl.report.figures.federation import per_contributor
from tiprdc_fl.stages.collect import CollectionResult, collect_features
from tiprdc_fl.stages.plan import Population, counts_of, devices_of, plan, populate
from tiprdc_fl.stages.prepare import prepare
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.stages.report import device_section, latency_section, strategy_section
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.train import train
from tiprdc_fl.store.feature_store import open_store, stored_contributors
from tiprdc_fl.store.withdrawal import withdraw

SMALL = (
    *("clients=30", "data.collector_people=2", "data.holdout_people=2", "data.max_examples_per_person=3"),
    *("model.width=2", "training.epochs=0", "training.pretrain_epochs=0", "federation.engine=inline"),
    *("strategy.window=5", "strategy.quota=2", "strategy.fraction=0.4", "devices.seconds_per_example=0.1"),
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def begin(folder, *overrides):
    """A run up to stage 2."""
    config = load_config(None, [*SMALL, f"run_dir={folder}", *overrides])
    current = prepare(config, Console(quiet=True))
    train(current)
    return current


def stored(current) -> set[int]:
    return stored_contributors(open_store(current.folder.features))


def federate(current: Run) -> CollectionResult:
    return collect_features(current, train(current))


def population_of(current: Run) -> Population:
    return populate(current, train(current))


def on_the_clock(current) -> set[int]:
    population = population_of(current)
    return set(population.people[plan(current, population).answered].tolist())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "per"), [*((name, "label") for name in STRATEGIES), ("quota", "device")])
def test_an_engine_works_for_whose_answers_count_and_nobody_else(tmp_path, name, per):
    current = begin(tmp_path / "run", f"strategy.name={name}", f"strategy.per={per}", "strategy.deadline=90")
    collected = federate(current)
    assert stored(current) == on_the_clock(current)
    assert collected.outcome.answered == len(stored(current)) > 0
    figures, answered = strategy_section(current, collected), collected.answered
    assert answered == stored(current)
    assert figures.outcome.answered == len(answered) <= figures.outcome.asked == len(collected.asked)
    devices = figures.participation.device
    assert sum(device.answered for device in devices) == len(answered)
    assert sum(device.contributors for device in devices) == 30
    if name != "everyone":
        assert len(answered) < 30


@pytest.mark.flower
def test_flower_does_the_same_as_the_engine_inline(tmp_path):
    arguments = ("strategy.name=over_select", "strategy.target=8")
    inline, flower = (begin(tmp_path / engine, *arguments) for engine in ("inline", "flower"))
    flower = replace(
        flower,
        config=replace(flower.config, federation=replace(flower.config.federation, engine="flower")),
    )
    federate(inline)
    federate(flower)
    assert len(stored(inline)) == 8
    digests = [open_store(run.folder.features).digest() for run in (inline, flower)]
    assert digests[0] == digests[1]


@pytest.fixture
def broken(monkeypatch):
    """Ids of contributors whose work fails."""
    ids: set[int] = set()

    def fails(contributors, **rest):
        working = [contributor for contributor in contributors if contributor not in ids]
        made, failures = contribute(contributors=working, **rest)
        broke = [Failure(contributor, "load", "broken") for contributor in contributors if contributor in ids]
        return made, [*failures, *broke]

    monkeypatch.setattr("tiprdc_fl.federation.engine.contribute", fails)
    return ids


@pytest.mark.slow
@pytest.mark.parametrize("name", ["over_select", "async_window", "fair"])
def test_who_fails_is_replaced(tmp_path, broken, name):
    current = begin(tmp_path / "run", f"strategy.name={name}", "strategy.target=10")
    first = sorted(on_the_clock(current))
    broken.update(first[:3])
    collected = federate(current)
    assert {failure.contributor for failure in collected.outcome.failures} >= set(first[:3]) & broken
    assert len(stored(current)) == 10
    assert not stored(current) & broken
    outcomes = pq.read_table(current.folder.requests).to_pydict()
    failed = {c for c, o in zip(outcomes["contributor"], outcomes["outcome"], strict=True) if o == "failed"}
    assert failed == broken


def test_a_run_that_is_resumed_keeps_its_plan(tmp_path):
    current = begin(tmp_path / "run", "strategy.name=over_select", "strategy.target=9")
    federate(current)
    before, calibration = stored(current), current.folder.calibration.read_text()
    current.folder.collected.unlink()
    assert federate(current).outcome.asked == 0
    assert stored(current) == before
    assert current.folder.calibration.read_text() == calibration


@pytest.mark.slow
def test_with_seconds_given_the_plan_is_that_of_any_host(tmp_path):
    plans = []
    for number in range(2):
        current = begin(tmp_path / str(number), "strategy.name=over_select")
        population = population_of(current)
        plans.append(repr(plan(current, population).requests))
    assert plans[0] == plans[1]


def test_device_times_are_the_calibration_times_the_slowdown(tmp_path):
    current = begin(tmp_path / "run", "devices.seconds_per_example=null", "devices.name=laptops")
    population = population_of(current)
    calibration = population.calibration
    examples = population.work.examples
    expected = calibration.device_seconds(examples, 3072 * examples) * population.devices.slowdown
    assert np.allclose(population.work.compute_seconds, expected)
    assert set(calibration.seconds_per_example) == {"load", "prepare", "forward", "encode"}
    assert all(seconds > 0 for seconds in calibration.seconds_per_example.values())
    assert calibration.threads == 1
    assert 24 <= calibration.examples <= 4 * 24  # of each contributor one, and again one to three
    # two layers' width, 32x32: weights and the largest layer's input and output are some tens of KB
    assert 4 * 2 * 2 * 32 * 32 < calibration.memory_bytes < 200_000


def test_sizes_of_contributions_are_foreseen(tmp_path):
    current = begin(tmp_path / "run", "strategy.name=everyone")
    federate(current)
    population, keys = population_of(current), open_store(current.folder.features).keys
    sent = {row["contributor"]: row["sent_bytes"] for row in per_contributor(keys).to_pylist()}
    foreseen = dict(zip(population.people.tolist(), population.work.upload_bytes.tolist(), strict=True))
    assert all(abs(foreseen[one] - size) <= 0.01 * size for one, size in sent.items())


def test_who_has_withdrawn_is_not_asked_but_replaced(tmp_path):
    current = begin(tmp_path / "run", "strategy.name=over_select", "strategy.target=9")
    federate(current)
    gone = sorted(stored(current))[:2]
    withdraw(current.folder.path, gone)
    again = prepare(current.config, Console(quiet=True))
    collected = federate(again)
    assert len(stored(again)) == 9
    assert not stored(again) & set(gone)
    assert not collected.asked & set(gone)
    assert strategy_section(again, collected).outcome.contributors == 28
    requests = pq.read_table(again.folder.requests).column("contributor").to_pylist()
    assert not set(requests) & set(gone)


def test_without_devices_everybody_answers_at_once(tmp_path):
    current = begin(tmp_path / "run", "devices.name=null", "devices.seconds_per_example=null")
    collected = federate(current)
    assert len(stored(current)) == 30
    assert device_section(current, collected.population) is None
    assert strategy_section(current, collected).modelled.seconds == 0
    latency = latency_section(current, collected)
    assert latency.modelled == latency.cdf == {}
    assert not current.folder.calibration.exists()


def test_devices_without_memory_do_not_take_part(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(json.dumps(_set(memory=0.001)))
    current = begin(tmp_path / "run", f"devices.name={path}")
    with pytest.raises(InputError, match=r"no answer counts \(requests: 30 unable\)"):
        federate(current)


def _set(memory: float) -> dict:
    """A device set of one class, as YAML, which JSON is."""
    source = "assumption: of a test"
    numbers = {"share": 1, "slowdown": 2, "downlink_mbps": 10, "uplink_mbps": 5, "latency_ms": 20}
    numbers |= {"memory_mb": memory, "failure_rate": 0.1, "availability": [1.0] * 24}
    values = {name: {"value": value, "source": source} for name, value in numbers.items()}
    return {"title": "tiny", "reference": "a test", "classes": [{"name": "t", "title": "T", **values}]}


def test_a_correlated_attribute_goes_with_faster_devices(tmp_path):
    many = ("clients=300", "devices.correlated_with=Male", "devices.correlation=0.9")
    current = begin(tmp_path / "run", *many)
    devices, people = devices_of(current, current.people.contributors), current.people.contributors
    labels = current.contributed
    men = np.array([labels.attributes["Male"][labels.people == person].mean() > 0.5 for person in people])
    assert devices.slowdown[men].mean() < 0.5 * devices.slowdown[~men].mean()
    plain = assign(load_devices("phones"), people, 0)
    assert abs(np.log(plain.slowdown[men]).mean() - np.log(plain.slowdown[~men]).mean()) < 0.5


def test_counts_of_labels_add_up(tmp_path):
    current = begin(tmp_path / "run")
    people = current.people.contributors[::-1]
    counts, labels = counts_of(current.contributed, people, ("Smiling", "Eyeglasses"))
    assert counts.tolist() == [np.count_nonzero(current.contributed.people == one) for one in people]
    assert (labels[:, :2].sum(axis=1) == counts).all()
    assert labels[:, 1].sum() == current.contributed.attributes["Smiling"].sum()
    assert counts_of(current.contributed, people, ())[1].shape == (30, 0)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["strategy.name=over_select", "strategy.target=31"],
            "strategy.target=31: there are 30 contributors",
        ),
        (
            ["strategy.name=quota", "strategy.quota=99"],
            "strategy.quota=99: of the rarest value, Eyeglasses=1, the contributors have",
        ),
        (["strategy.name=fair", "devices.name=null"], "strategy.name=fair needs devices"),
        (["strategy.name=deadline", "devices.name=null"], "strategy.name=deadline needs devices"),
        (["devices.name=phone"], "did you mean phones"),
        (["devices.correlated_with=Mael"], "devices.correlated_with: .*no attribute 'Mael'"),
        (["devices.name=null", "devices.correlated_with=Male"], "devices.correlated_with needs devices"),
    ],
)
def test_mistakes_are_found_before_anything_is_done(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        begin(tmp_path / "run", *overrides)
    assert not (tmp_path / "run").exists()
