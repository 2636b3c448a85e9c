"""The command line and whole runs, small: what they leave behind, and that they can be repeated."""

import contextlib
import importlib.metadata
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from rich.console import Console

from tests.data.celeba_folder import many_people
from tiprdc_fl import simulate
from tiprdc_fl.attacks.suite import DEFAULT_ATTACKS
from tiprdc_fl.config.keys import flatten
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.evaluation.paired import load_predictions
from tiprdc_fl.federation.collection import features_path
from tiprdc_fl.report.differences import difference
from tiprdc_fl.report.floor import figure_of
from tiprdc_fl.report.queries import strongest
from tiprdc_fl.report.schema import Report
from tiprdc_fl.stages import collect, probing
from tiprdc_fl.stages.evaluate import measure
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.feature_store import open_store, stored_contributors

TINY = (
    "clients=12",
    "data.collector_people=12",
    "data.holdout_people=40",
    "data.max_examples_per_person=4",
    "model.width=2",
    "training.epochs=1",
    "training.pretrain_epochs=1",
    "evaluation.steps=6",
    "evaluation.attacks=[linear,conv]",
    "evaluation.adversaries=[insider,both]",
)
INLINE = (*TINY, "federation.engine=inline")
EVERYBODY = "evaluation.adversaries=[insider,auxiliary,both,informed,metadata,set]"
COMMAND = (sys.executable, "-m", "tiprdc_fl.simulate")
# The same where a shell's background job has it ignore SIGINT, as it would then whomever it starts.
LISTENING = (
    *(sys.executable, "-c"),
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('tiprdc_fl.simulate', run_name='__main__')",
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Decoded data goes to a folder of these tests, and datasets opened by others are not theirs.

    One thread, here and in processes started here: networks this small only lose time by more.
    """
    open_dataset.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(threads)
    open_dataset.cache_clear()


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Where the runs that several tests look at are."""
    return tmp_path_factory.mktemp("runs")


def run(folder: Path, *arguments: str) -> Path:
    """A run through the command line, in this process; returns its folder."""
    assert simulate.main([*arguments, f"run_dir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def first(folders) -> Path:
    return run(folders / "first", *INLINE)


@pytest.fixture(scope="module")
def celeba_root(tmp_path_factory) -> Path:
    """24 people with three images each."""
    return many_people(tmp_path_factory.mktemp("data") / "celeba", 24, 3)


def figures(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def results(folder: Path) -> list[dict]:
    return figures(folder)["results"]


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def digest(folder: Path) -> str:
    return open_store(features_path(folder)).digest()


def weights(folder: Path) -> bytes:
    return (folder / "extractor.safetensors").read_bytes()


def stages_done(folder: Path) -> list[str]:
    return [json.loads(line)["stage"] for line in (folder / "stages.jsonl").read_text().splitlines()]


# --- mistakes: one line, and nothing is left behind ---


@pytest.fixture
def refuse(tmp_path, monkeypatch, capsys):
    """Runs a command that must fail; returns the one line that it prints."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        try:
            status = simulate.main(arguments)
        except SystemExit as stopped:
            status = stopped.code
        out, err = capsys.readouterr()
        assert status == 2
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("error: ")
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("error: ").rstrip("\n")

    return command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clients=-5"], "clients=-5: expected an integer, at least 1"),
        (["clients=abc"], "clients=abc: expected an integer, at least 1"),
        (["client=10"], "unknown key 'client'; did you mean 'clients'?"),
        (["--clients", "10"], "unknown option --clients; did you mean clients=10?"),
        (
            ["data.name=celebb"],
            "data.name=celebb: expected one of faces, celeba, lfw, dial, folder, chitchat; did you mean celeba?",
        ),
        (["data.private=[Nope]"], "data.name=faces has no attribute 'Nope'; nearest: "),
        (["data.private=[male]"], "data.name=faces has no attribute 'male'; nearest: Male"),
        (
            ["data.private=[Male]", "data.tasks=[Male]"],
            "data.private=[Male] and data.tasks=[Male] share Male: an attribute is either private or a task",
        ),
        (["training.budget=1.5"], "training.budget=1.5: expected a number from 0 to 1"),
        (["--config", "missing.yaml"], "--config missing.yaml: no such file; presets: "),
        (["--config"], "argument --config: expected one argument"),
        (["--print-config", "clients=0"], "clients=0: expected an integer, at least 1"),
        (["data.name=celeba"], "data.name=celeba needs data.root=PATH"),
        (["data.name=celeba", "data.root=nowhere"], "data.root=nowhere is not a folder"),
        (["clients=2147483647"], "clients=2147483647, data.collector_people=400, data.holdout_people=200: "),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(refuse, arguments, message):
    assert refuse("run_dir=run", *arguments).startswith(message)


def test_a_yaml_file_with_a_mistake_is_named_with_the_line(refuse, tmp_path):
    (tmp_path / "own.yaml").write_text("seed: 1\ntraining: {budget: [\n")
    assert refuse("--config", "own.yaml", "run_dir=run").startswith("--config own.yaml: line 2: ")


def test_a_run_folder_that_is_a_file_or_in_one(refuse, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    assert refuse(*INLINE, "run_dir=notes.txt").startswith("run_dir=notes.txt is a file: name a folder")
    assert refuse(*INLINE, "run_dir=notes.txt/run").startswith("run_dir=notes.txt/run cannot be written: ")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_run_folder_with_other_files(refuse, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"mine")
    message = "run_dir=photos holds files but no run: name a folder that is new or empty"
    assert refuse(*INLINE, "run_dir=photos") == message


def test_a_run_folder_of_another_configuration_names_the_keys(refuse, first):
    before = {path: path.stat().st_mtime_ns for path in first.rglob("*")}
    line = refuse(*INLINE, "training.budget=0.5", "seed=1", f"run_dir={first}")
    assert "(seed: 0 there, 1 here; training.budget: 0.9 there, 0.5 here)" in line
    assert "name another run_dir" in line
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*")} == before


def test_a_run_folder_of_an_earlier_version_is_not_resumed(refuse, first, tmp_path):
    """Its missing keys had no choice then, and what was done need not be today's default."""
    old = tmp_path / "old"
    old.mkdir()
    written = (first / "config.yaml").read_text().splitlines()
    kept = [line for line in written if not line.startswith("  objective:")]
    assert len(kept) == len(written) - 1
    (old / "config.yaml").write_text("\n".join(kept))
    line = refuse(*INLINE, "run_dir=old")
    assert "earlier version of tiprdc_fl, which did not have training.objective: name another run_dir" in line


def test_chitchat_without_its_package_says_how_to_get_it(refuse, monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    open_dataset.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert refuse("data.name=chitchat", "run_dir=run").endswith("pip install 'tiprdc_fl[chitchat]'")


def test_more_contributors_than_people(refuse, celeba_root):
    line = refuse("data.name=celeba", f"data.root={celeba_root}", "clients=21", "run_dir=run")
    assert line.startswith(
        "clients=21: the data has 24 people and collector and holdout need at least 2 each"
    )
    assert line.endswith("at most 20 can be contributors")


def test_cuda_where_there_is_none(refuse, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert refuse("device=cuda", "run_dir=run").startswith("device=cuda: this machine has no CUDA")


def test_several_mistakes_are_reported_together_a_line_each(capsys):
    assert simulate.main(["clients=0", "seed=x", "client=1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.slow
def test_the_real_command_fails_in_the_same_way(tmp_path):
    ended = subprocess.run(
        [*COMMAND, "clients=-5", "run_dir=run"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: clients=-5: expected an integer, at least 1\n"
    assert list(tmp_path.iterdir()) == []


# --- options ---


def test_the_printed_configuration_loads_back(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert simulate.main(["--print-config", "--config", "quick", "seed=7", "data.private=[Male,Young]"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "own.yaml").write_text(out)
    assert load_config("own.yaml", []) == load_config("quick", ["seed=7", "data.private=[Male,Young]"])


def test_help_exits_with_0(capsys):
    with pytest.raises(SystemExit) as stopped:
        simulate.main(["--help"])
    assert stopped.value.code == 0
    assert "training.budget=0.9" in capsys.readouterr().out


# --- whole runs ---


def test_a_run_leaves_everything_needed_to_understand_and_repeat_it(first):
    for name in (
        "config.yaml",
        "environment.json",
        "extractor.safetensors",
        "training.json",
        "latency.parquet",
        "report.html",
    ):
        assert (first / name).stat().st_size > 0, name
    assert (first / "features.lance").is_dir()
    assert list((first / "tensorboard").glob("events.*"))
    assert not (first / "quarantine").exists()
    assert flatten(load_config(str(first / "config.yaml"), []))["clients"] == 12
    told = report(first)
    assert told["results"] == results(first)
    assert {row["attribute"]: row["role"] for row in told["results"]} == {
        "Smiling": "task",
        "Eyeglasses": "task",
        "Male": "private",
    }
    assert {row["representation"] for row in told["results"]} == {"features", "random", "raw", "majority"}
    federation = told["federation"]
    assert (federation["asked"], federation["answered"], federation["failed"]) == (12, 12, 0)
    people = {name: group["people"] for name, group in told["people"].items()}
    assert people == {"collector": 12, "contributors": 12, "holdout": 40}
    assert federation["examples"] == told["people"]["contributors"]["examples"] <= 48
    assert federation["examples"] == len(open_store(features_path(first)).keys)


def test_the_same_command_again_resumes(first, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(first, again)
    run(again, *INLINE)  # elsewhere than it began: a run folder may be moved
    assert stages_done(again)[len(stages_done(first)) :] == ["plan", "collection"]
    assert (weights(again), digest(again), figures(again)) == (weights(first), digest(first), figures(first))
    assert report(again)["results"] == report(first)["results"]


def test_what_is_missing_is_made_again_and_equal(first, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(first, again)
    (again / "results.json").unlink()
    shutil.rmtree(again / "features.lance")
    run(again, *INLINE)
    assert "training" not in stages_done(again)[len(stages_done(first)) :]
    assert (digest(again), results(again)) == (digest(first), results(first))


def test_the_progress_of_probes_ends_at_its_total(first, tmp_path, monkeypatch):
    totals, counts = {}, {}

    @contextlib.contextmanager
    def counting(console, name, total, unit):
        totals[name], counts[name] = total, 0

        def advance(done: int) -> None:
            counts[name] += done

        yield advance

    monkeypatch.setattr(probing, "stage", counting)
    again = tmp_path / "again"
    shutil.copytree(first, again)
    (again / "results.json").unlink()
    run(again, *INLINE)
    # Two probes: of the features by contributors' labels and by both, of two controls by both.
    assert totals == counts == {"probes": 2 * (2 + 1 + 1)}


@pytest.mark.slow
def test_figures_that_other_code_has_measured_are_measured_again(first, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(first, again)
    (again / "results.json").write_text(json.dumps(figures(first) | {"code": "another", "groups": []}))
    run(again, *INLINE)
    assert figures(again) == figures(first)
    assert "probes" in stages_done(again)[len(stages_done(first)) :]


def test_the_strongest_probe_has_figures_by_group_and_of_the_worst_off(first, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(first, again)
    (again / "results.json").unlink()
    console = Console(file=io.StringIO())
    current = simulate.prepare(load_config(None, [*INLINE, f"run_dir={again}"]), console)
    trained = simulate.train(current)
    collected = simulate.collect_features(current, trained)

    def device_of(people):
        return [("fast", "slow")[int(person) % 2] for person in people]

    measured = measure(current, trained, collected, device_of)
    best = {name: strongest(measured.results, name, "features") for name in ("Male", "Smiling", "Eyeglasses")}
    defined = {name: (row.probe, row.learned_from) for name, row in best.items() if row}
    assert {row.attribute for row in measured.groups} == set(defined)
    examples = measured.results[0].measured_examples
    for attribute, probe in defined.items():
        rows = [row for row in measured.groups if row.attribute == attribute]
        assert {(row.probe, row.learned_from) for row in rows} == {probe}
        for by in ("device", "Male", "Smiling", "Eyeglasses"):
            assert sum(row.examples for row in rows if row.group_by == by) == examples
        devices = {row.group: row.people for row in rows if row.group_by == "device"}
        assert devices == {"fast": 20, "slow": 20}
    assert [row.attribute for row in measured.worst_off] == list(defined)
    assert measured.model_dump(mode="json")["results"] == results(first)
    told = json.loads((again / "report.json").read_text())
    assert {row["group_by"] for row in told["groups"]} == {"device", "Male", "Smiling", "Eyeglasses"}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_in_another_process(first, folders):
    second = folders / "second"
    ended = subprocess.run([*COMMAND, *INLINE, f"run_dir={second}"], capture_output=True, text=True)
    assert ended.stderr == ""
    assert ended.returncode == 0
    assert "Run folder: " in ended.stdout
    assert weights(second) == weights(first)
    assert digest(second) == digest(first)
    assert figures(second) == figures(first)


@pytest.mark.slow
def test_another_seed_gives_another_run(first, folders):
    other = run(folders / "other", *INLINE, "seed=1")
    assert weights(other) != weights(first)
    assert digest(other) != digest(first)
    assert results(other) != results(first)


@pytest.mark.flower
@pytest.mark.filterwarnings("ignore:.*removed in Click 9.0:DeprecationWarning")  # when Flower is imported
def test_flower_gives_the_same_run_as_inline(first, folders):
    arguments = ("federation.engine=flower", "federation.workers=1", "federation.contributors_per_message=5")
    flower = run(folders / "flower", *TINY, *arguments)
    assert weights(flower) == weights(first)
    assert digest(flower) == digest(first)
    assert figures(flower) == figures(first)
    assert report(flower)["federation"]["engine"] == "flower"


@pytest.mark.slow
def test_a_single_contributor(folders):
    one = run(folders / "one", *INLINE, "clients=1")
    assert report(one)["federation"]["answered"] == 1
    assert {row["representation"] for row in results(one)} == {"features", "random", "raw", "majority"}


@pytest.mark.slow
def test_everything_that_can_be_measured(folders):
    asked = (
        "evaluation.curve=[4,8,100]",
        "evaluation.reconstruction=true",
        "evaluation.reconstruction_steps=8",
    )
    hybrid = ("protection.name=hybrid", "protection.components=4")
    # Of so few people no figure is defined.
    few = ("data.holdout_people=8", EVERYBODY, "evaluation.augmentations=1")
    told = report(run(folders / "all", *INLINE, *few, *asked, *hybrid))
    assert list(Draft202012Validator(Report.model_json_schema()).iter_errors(told)) == []
    everybody = told["federation"]["answered"]
    sizes = {row["people"]: row["learned_examples"] for row in told["curve"]}
    assert list(sizes) == [4, 8, everybody]
    assert sizes[4] < sizes[8] < sizes[everybody] == told["results"][0]["learned_examples"]
    sources = {(row["role"], row["learned_from"]) for row in told["results"] if row["probe"] != "constant"}
    assert sources == {(role, source) for role in ("private", "task") for source in (*SOURCES, "informed")}
    assert {row["balanced_accuracy"]["value"] for row in told["results"]} == {None}
    learned = {row["learned_people"] for row in told["results"] if row["learned_from"] == "collector"}
    assert learned == {told["people"]["collector"]["people"]}
    rebuilt = told["reconstruction"]
    assert (rebuilt["ms_ssim_scales"], rebuilt["steps"], rebuilt["converged"]) == (2, 8, False)
    assert rebuilt["inversion"]["examples"] == told["people"]["holdout"]["people"] == 8
    assert rebuilt["verification"] is None  # of fewer than ten people
    assert (folders / "all" / "reconstruction.png").stat().st_size > 0
    kinds = {(row["representation"], row["unit"]) for row in told["reidentification"]}
    assert kinds == {(a, b) for a in ("features", "random", "raw") for b in ("contribution", "example")}


# --- the default suite ---


@pytest.fixture(scope="module")
def whole(folders) -> Path:
    """Every probe and every adversary; of the private attributes one is a trait of people, one is not."""
    asked = ("data.private=[Male,Mouth_Slightly_Open]", "evaluation.attacks=null", EVERYBODY)
    people = ("clients=24", "data.collector_people=24", "data.holdout_people=40", "model.width=4")
    return run(folders / "whole", *INLINE, *people, *asked, "evaluation.augmentations=1")


SOURCES = ("contributors", "collector", "both")
PRIVATE = {"Male", "Mouth_Slightly_Open"}
TASKS = {"Smiling", "Eyeglasses"}


def every_probe(modality: str) -> set[tuple[str, str]]:
    sources = (*SOURCES, "informed") if modality == "image" else SOURCES  # messages have no mirror
    return {(probe, source) for probe in DEFAULT_ATTACKS[modality] for source in sources}


def probes_of(rows: list[dict], attribute: str, representation: str = "features") -> set[tuple[str, str]]:
    """Probes of examples, with whose labels they have."""
    return {
        (row["probe"], row["learned_from"])
        for row in rows
        if (row["attribute"], row["representation"]) == (attribute, representation)
        and not row["probe"].startswith("set-")
    }


def attributes_of(rows: list[dict], representation: str) -> set[str]:
    return {row["attribute"] for row in rows if row["representation"] == representation}


def test_tasks_and_private_attributes_have_the_same_probes_and_sources(whole):
    for attribute in PRIVATE | TASKS:
        assert probes_of(results(whole), attribute) == every_probe("image")


def test_every_representation_is_measured_and_controls_learn_from_everybody(whole):
    rows = results(whole)
    for kind in ("features", "random", "raw", "majority"):
        assert attributes_of(rows, kind) == PRIVATE | TASKS
    for kind in ("random", "raw"):
        for attribute in PRIVATE | TASKS:
            assert probes_of(rows, attribute, kind) == {(name, "both") for name in DEFAULT_ATTACKS["image"]}


def test_each_row_says_whose_examples_were_learned_from(whole):
    learned = {source: set() for source in (*SOURCES, "informed")}
    for row in results(whole):
        learned[row["learned_from"]].add((row["learned_people"], row["learned_examples"]))
    people = report(whole)["people"]
    two = [tuple(people[name].values()) for name in ("contributors", "collector")]
    both = tuple(sum(pair) for pair in zip(*two, strict=True))
    sets = {source: (count, count) for source, (count, _) in zip(SOURCES, (*two, both), strict=True)}
    for source, group in zip(SOURCES, (*two, both), strict=True):
        assert learned[source] == {group, sets[source]}, source
    assert learned["informed"] == {both}


def test_private_attributes_alone_have_a_label_floor_and_traits_alone_sets(whole):
    rows = results(whole)
    for kind in ("metadata", "features+metadata"):
        assert attributes_of(rows, kind) == PRIVATE
        for attribute in PRIVATE:
            informed = {"informed"} if kind == "features+metadata" else set()
            assert {source for _, source in probes_of(rows, attribute, kind)} == set(SOURCES) | informed
    sets = [row for row in rows if row["probe"].startswith("set-")]
    assert {row["attribute"] for row in sets} == {"Male"}
    kinds = {(row["representation"], row["learned_from"]) for row in sets}
    assert kinds == {(kind, source) for kind in ("features", "metadata") for source in SOURCES}
    assert {row["balanced_accuracy"]["value"] for row in sets} == {None}
    assert None not in {row["per_person"]["value"] for row in sets}


def test_what_the_features_add_to_the_floor_is_the_difference_of_the_figures_over_the_same_people(whole):
    told = Report.model_validate(report(whole))
    assert {(row.attribute, row.per_person) for row in told.beyond_floor} >= {
        (name, False) for name in PRIVATE
    }
    for row in told.beyond_floor:
        kinds = (row.representation, "metadata")
        above, below = (figure_of(told, row.attribute, kind, row.per_person) for kind in kinds)
        apart = difference(above, below)
        assert row.added.value == pytest.approx(apart.value, abs=1e-6)
        assert row.added.low < row.added.value < row.added.high


def test_the_strongest_probe_is_chosen_on_validation_people_and_its_predictions_are_kept(whole):
    told = Report.model_validate(report(whole))
    predictions = load_predictions(whole / "predictions.npz")
    for attribute in ("Male", "Smiling"):
        best = strongest(told.results, attribute, "features")
        assert best is not None
        others = [
            row
            for row in told.results
            if (row.attribute, row.representation) == (attribute, "features")
            and row.learned_from in ("both", "informed")
        ]
        assert best.learned_from in ("both", "informed")
        assert best.validation == max(row.validation for row in others if row.validation is not None)
        kept = predictions[attribute]
        assert len(kept.labels) == len(kept.single) == best.measured_examples
        recalls = [
            np.mean(kept.single[kept.labels == value].argmax(axis=1) == value)
            for value in np.unique(kept.labels)
        ]
        assert np.mean(recalls) == pytest.approx(best.balanced_accuracy.value)


def test_nothing_private_is_in_what_was_sent(whole):
    store = open_store(features_path(whole))
    names = set(store.keys.column_names)
    assert {f"task_{task}" for task in TASKS} <= names
    assert not [name for name in names for attribute in PRIVATE if attribute in name]
    for path in features_path(whole).rglob("*"):
        if path.is_file():
            assert not [name for name in PRIVATE if name.encode() in path.read_bytes()], path


def test_figures_of_the_whole_suite_are_read_again_and_not_measured(whole):
    before = figures(whole), (whole / "results.json").stat().st_mtime_ns
    done = len(stages_done(whole))
    settings = report(whole)["configuration"]["evaluation"]
    run(whole, "--config", str(whole / "config.yaml"))
    assert stages_done(whole)[done:] == ["plan", "collection"]
    assert (figures(whole), (whole / "results.json").stat().st_mtime_ns) == before
    assert report(whole)["configuration"]["evaluation"] == settings


@pytest.mark.slow
def test_only_what_is_asked_for_is_measured(folders):
    asked = ("evaluation.adversaries=[auxiliary]", "evaluation.controls=[]", "evaluation.attacks=[linear]")
    told = report(run(folders / "few", *INLINE, *asked, "evaluation.reidentification=false"))
    rows = {(row["role"], row["representation"], row["learned_from"]) for row in told["results"]}
    assert rows == {
        ("private", "features", "collector"),
        ("task", "features", "collector"),
        ("task", "features", "contributors"),  # who send these labels
        ("private", "majority", "contributors"),
        ("task", "majority", "contributors"),
    }
    assert {row["probe"] for row in told["results"] if row["learned_from"] == "collector"} == {"linear"}
    assert (told["curve"], told["reconstruction"], told["reidentification"]) == ([], None, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["data.name=chitchat", "protection.name=dp"],
            "protection.name=dp works on image and the dataset holds text",
        ),
        (["evaluation.attacks=[table2]"], "evaluation.attacks=table2: table2 cannot be used"),
        (["evaluation.attacks=[lds]"], "evaluation.attacks=[lds]: expected a list of "),
        (
            ["evaluation.adversaries=[metadata]"],
            "evaluation.adversaries=[metadata]: nobody among them has labels to learn from; add one of insider, "
            "auxiliary, both",
        ),
        (["evaluation.adversaries=[set,metadata]"], "add one of insider, auxiliary, both"),
        (["evaluation.adversaries=[insiders]"], "did you mean insider?"),
        (["evaluation.probes=[linear]"], "unknown key 'evaluation.probes'"),
        (
            ["evaluation.adversaries=[auxiliary]", "evaluation.curve=[4]"],
            "evaluation.curve is the insider's; add insider to evaluation.adversaries",
        ),
        (
            ["data.name=folder", "data.root=.", "data.tasks=[A]"],
            "data.name=folder needs data.private=[COLUMN,...]",
        ),
        (["data.contributor=who"], "data.contributor=who is for data.name=folder only"),
        (["data.split=official"], "data.split=official is for data.name=celeba only"),
        (["training.extractor=nowhere"], "extractor nowhere: cannot be read"),
    ],
)
def test_keys_that_do_not_fit_together(refuse, arguments, message):
    assert message in refuse(*INLINE, *arguments, "run_dir=run").splitlines()[0]


@pytest.mark.slow
def test_messages(folders):
    people = ("clients=24", "data.collector_people=24", "evaluation.attacks=null", EVERYBODY)
    text = run(folders / "text", *INLINE, "data.name=chitchat", *people)
    assert {row["attribute"] for row in results(text)} == {"Ends_With_Punctuation", "Question"}
    assert probes_of(results(text), "Question") == every_probe("text")
    assert {row["attribute"] for row in results(text) if row["representation"] == "metadata"} == {
        "Ends_With_Punctuation"
    }
    assert report(text)["federation"]["answered"] == 24


@pytest.mark.slow
def test_photographs(folders, celeba_root):
    arguments = ("data.name=celeba", f"data.root={celeba_root}", "clients=10", "data.collector_people=null")
    photographs = run(folders / "celeba", *INLINE, *arguments, "data.holdout_people=6")
    assert report(photographs)["people"] == {
        "collector": {"people": 8, "examples": 24},
        "contributors": {"people": 10, "examples": 30},
        "holdout": {"people": 6, "examples": 18},
    }
    assert report(photographs)["federation"]["raw_bytes_per_example"] == 3 * 32 * 32


# --- interrupts ---


@pytest.mark.slow
def test_an_interrupted_collection_is_resumed(first, folders, monkeypatch, capsys):
    """What arrived before the interrupt need not be kept, but the run that is resumed equals a whole one."""

    @contextlib.contextmanager
    def interrupting(console, name, total, unit):
        left = iter(range(5))

        def advance(done: int) -> None:
            if name == "collection" and next(left, None) is None:
                raise KeyboardInterrupt

        yield advance

    folder = folders / "interrupted"
    with monkeypatch.context() as patch:
        patch.setattr(collect, "stage", interrupting)
        assert simulate.main([*INLINE, f"run_dir={folder}"]) == 130
    err = capsys.readouterr().err
    assert err.startswith("interrupted; ")
    assert err.count("\n") == 1
    run(folder, *INLINE)
    assert stages_done(folder).count("training") == 1
    assert (digest(folder), results(folder)) == (digest(first), results(first))


@pytest.mark.flower
@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "arguments"),
    [
        ("training", ["training.epochs=100000"]),
        # No cap on the examples, so that the first progress line comes long before the end.
        ("collection", ["federation.engine=flower", "clients=20000", "data.max_examples_per_person=30"]),
    ],
)
def test_the_real_command_can_be_interrupted(tmp_path, stage, arguments):
    """Interrupted where the stage says how far it is: the process ends, and keeps what has arrived."""
    with subprocess.Popen(
        [*LISTENING, *INLINE, *arguments, "run_dir=run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(f"{stage}: ") and "done" not in line:
                break
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=120)
    expected = "interrupted; the same command with run_dir=... resumes the run\n"
    assert (process.returncode, err) == (130, expected)
    if stage == "collection":
        assert stored_contributors(open_store(tmp_path / "run" / "features.lance"))
