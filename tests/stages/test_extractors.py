"""Stage 1: extractors are trained once per training configuration, taken from a file, or never trained."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import load_extractor
from tiprdc_fl.stages import train as extractors
from tiprdc_fl.stages.library import training_key
from tiprdc_fl.stages.prepare import prepare
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.stages.run import Run
from tiprdc_fl.stages.train import plan_of, train
from tiprdc_fl.store.paths import RunFolder

TINY = (
    "clients=4",
    "data.collector_people=8",
    "data.holdout_people=4",
    "data.max_examples_per_person=3",
    "model.width=2",
    "training.epochs=1",
    "training.pretrain_epochs=1",
)


def opened(folder: Path, *arguments: str) -> Run:
    config = load_config(None, [*TINY, *arguments, f"run_dir={folder}"])
    return prepare(config, Console(file=io.StringIO()))


def trained(folder: Path, *arguments: str) -> bytes:
    train(opened(folder, *arguments))
    return (folder / "extractor.safetensors").read_bytes()


def origin_of(folder: Path) -> dict[str, str] | None:
    path = RunFolder(folder).origin
    return json.loads(path.read_text()) if path.exists() else None


def test_a_bound_on_reconstructions_is_kept(tmp_path, no_training):
    keys = ("protection.name=gaussian", "protection.components=4")
    bound = train(opened(tmp_path / "run", *keys)).bound
    assert bound is not None and bound.examples == 24
    no_training()
    assert train(opened(tmp_path / "run", *keys)).bound == bound
    RunFolder(tmp_path / "run").reconstruction_bound.write_text("{")
    with pytest.raises(InputError, match=r"reconstruction_bound.json"):
        train(opened(tmp_path / "run", *keys))


def test_other_protections_keep_none(tmp_path):
    assert train(opened(tmp_path / "run", "protection.name=random")).bound is None
    assert not RunFolder(tmp_path / "run").reconstruction_bound.exists()


@pytest.fixture
def no_training(monkeypatch):
    """Training anything is an error from here on."""

    def refuse(*arguments, **options):
        raise AssertionError("something was trained")

    return lambda: monkeypatch.setattr(extractors, "train_extractor", refuse)


def test_an_equal_training_configuration_is_not_trained_again(tmp_path, no_training):
    library = f"training.library={tmp_path / 'library'}"
    first = trained(tmp_path / "a", library)
    no_training()
    # What does not take part in training may differ.
    again = trained(tmp_path / "b", library, "clients=5", "evaluation.steps=7", "federation.codec=float32")
    assert again == first
    origin = origin_of(tmp_path / "b")
    assert (
        origin is not None and origin["digest"] == load_extractor(tmp_path / "b/extractor.safetensors").digest
    )
    assert origin_of(tmp_path / "a") is None
    assert (tmp_path / "b/training.json").read_bytes() == (tmp_path / "a/training.json").read_bytes()


def test_baselines_share_one_encoder(tmp_path, no_training):
    library = f"training.library={tmp_path / 'library'}"
    encoder = trained(tmp_path / "a", library, "protection.name=encoder")
    no_training()
    for number, epsilon in enumerate((0.1, 0.9)):
        arguments = ("protection.name=hybrid", f"protection.epsilon={epsilon}", "protection.components=3")
        assert trained(tmp_path / f"hybrid{number}", library, *arguments) != encoder
    trained(tmp_path / "dp", library, "protection.name=dp")


@pytest.mark.parametrize(
    "argument",
    ["seed=1", "training.budget=0.5", "model.width=3", "data.private=[Young]", "data.collector_people=7"],
)
def test_another_training_configuration_has_another_key(tmp_path, argument):
    runs = [opened(tmp_path / "a"), opened(tmp_path / "b", argument)]
    keys = [
        training_key(one, plan_of(one.config, "cpu"), one.dataset.load(one.people.collector)) for one in runs
    ]
    assert keys[0] != keys[1]


def test_a_library_of_an_interrupted_training_stays_empty(tmp_path, no_training):
    no_training()
    with pytest.raises(AssertionError, match="something was trained"):
        trained(tmp_path / "a", f"training.library={tmp_path / 'library'}")
    assert not (tmp_path / "library").exists()
    assert not (tmp_path / "a/extractor.safetensors").exists()


def test_a_library_that_cannot_be_written_loses_no_training(tmp_path):
    (tmp_path / "library").write_text("a file")
    with pytest.raises(InputError, match=r"training.library=.* cannot be written: .*; the extractor is in"):
        trained(tmp_path / "a", f"training.library={tmp_path / 'library'}")
    assert (tmp_path / "a/training/extractor.safetensors").exists()


def test_a_given_extractor_is_used_as_it_is(tmp_path, no_training):
    given = trained(tmp_path / "a")
    no_training()
    path = tmp_path / "a/extractor.safetensors"
    assert trained(tmp_path / "b", f"training.extractor={path}", "seed=5") == given
    assert json.loads((tmp_path / "b/training.json").read_text()) == []
    assert (origin_of(tmp_path / "b") or {})["path"] == str(path)


def test_a_given_extractor_must_not_know_the_people_held_out(tmp_path):
    trained(tmp_path / "a")
    given = f"training.extractor={tmp_path / 'a/extractor.safetensors'}"
    with pytest.raises(InputError, match="was trained on 2 of the 6 people held out here"):
        opened(tmp_path / "b", given, "data.holdout_people=6")
    opened(tmp_path / "c", given, "clients=9")  # the collector's people stay the same
    opened(tmp_path / "d", given, "data.holdout_people=6", "seed=1")  # a seed has people of its own


def test_a_given_extractor_must_fit(tmp_path):
    trained(tmp_path / "a")
    path = tmp_path / "a/extractor.safetensors"
    with pytest.raises(InputError, match=r"images of \[32, 32\].*set data.image_size=\[32,32\]"):
        trained(tmp_path / "b", f"training.extractor={path}", "data.image_size=48")
    with pytest.raises(InputError, match=r"is for image, data.name=chitchat holds text"):
        trained(tmp_path / "c", f"training.extractor={path}", "data.name=chitchat")
    with pytest.raises(InputError, match="cannot be read"):
        trained(tmp_path / "d", f"training.extractor={tmp_path / 'nowhere'}")
    for name in "bcd":
        assert not (tmp_path / name).exists()


def test_an_extractor_of_a_baseline_is_not_taken_for_tiprdc(tmp_path):
    trained(tmp_path / "raw", "protection.name=raw")
    path = tmp_path / "raw/extractor.safetensors"
    with pytest.raises(InputError, match=r"is of a baseline .* set protection.name instead"):
        opened(tmp_path / "b", f"training.extractor={path}")
    with pytest.raises(InputError, match=r"protection.name=dp asks for something else"):
        opened(tmp_path / "c", f"training.extractor={path}", "protection.name=dp")


def test_other_texts_are_another_training(tmp_path):
    """Labels, people and sizes are equal, so only the words tell."""
    keys = []
    for number, words in enumerate(("cat tree wind", "cat moon river")):
        root = tmp_path / f"texts{number}"
        root.mkdir()
        rows = [f"{person},{words} {i},{person % 2},{i % 2}" for person in range(12) for i in range(4)]
        (root / "metadata.csv").write_text("\n".join(["contributor,text,A,B", *rows]))
        arguments = (
            "data.name=folder",
            f"data.root={root}",
            "data.private=[A]",
            "data.tasks=[B]",
            "clients=2",
        )
        run = opened(tmp_path / f"run{number}", *arguments, "data.collector_people=6")
        examples = run.dataset.load(run.people.collector)
        keys.append(training_key(run, plan_of(run.config, "cpu"), examples))
    assert keys[0] != keys[1]


@pytest.mark.parametrize("cut", ["extractor.safetensors", "training.json"])
def test_an_interrupted_copy_from_the_library_is_made_again(tmp_path, monkeypatch, cut):
    library = f"training.library={tmp_path / 'library'}"
    first = trained(tmp_path / "a", library)

    def interrupted(source: Path, target: Path) -> None:
        if Path(source).name == cut:
            Path(target).write_bytes(Path(source).read_bytes()[:100])
            raise KeyboardInterrupt
        Path(target).write_bytes(Path(source).read_bytes())

    with monkeypatch.context() as patch:
        patch.setattr("tiprdc_fl.disk.shutil.copyfile", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "b", library)
    assert trained(tmp_path / "b", library) == first
    assert origin_of(tmp_path / "b") is not None


def test_more_components_than_there_can_be_are_refused_before_training(tmp_path):
    with pytest.raises(InputError, match=r"protection.components=64: .* at most 2\d; lower it"):
        opened(tmp_path / "a", "protection.name=hybrid")
    assert not (tmp_path / "a").exists()
