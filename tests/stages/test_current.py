"""The digests of code change with what a stage reads, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from tiprdc_fl.config import plugins
from tiprdc_fl.stages.current import ROOT, ROOTS, code_digest, files_of, project_digest


@pytest.fixture
def copy(tmp_path) -> Path:
    """The sources, to be changed."""
    for name in ("tiprdc_fl", "strategies", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def changed(copy: Path, name: str, old: str, new: str) -> set[str]:
    """The stages whose digests a change of one file changes."""
    before = {stage: code_digest(stage, copy) for stage in ROOTS}
    path = copy / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    project_digest.cache_clear()
    return {stage for stage in ROOTS if code_digest(stage, copy) != before[stage]}


@pytest.mark.parametrize(
    ("name", "old", "new", "stages"),
    [
        ("tiprdc_fl/report/html/document.py", '"""', '"""Other words: ', set()),
        ("tiprdc_fl/report/html/document.py", "import", "import math\nimport", set()),
        ("tiprdc_fl/stages/prepare.py", "import", "import math\nimport", {"results"}),
        ("tiprdc_fl/training/loop.py", '"""', '"""Other words: ', set()),
        ("tiprdc_fl/training/loop.py", "import", "# a comment\nimport", set()),
        (
            "tiprdc_fl/training/loop.py",
            "VALIDATION_SHARE = 0.1",
            "VALIDATION_SHARE = 0.2",
            {"training", "results"},
        ),
        ("tiprdc_fl/training/objectives.py", "import", "import math\nimport", {"training", "results"}),
        ("tiprdc_fl/data/faces/celeba_statistics.json", "{", "{ ", {"training", "results"}),
        ("tiprdc_fl/attacks/reconstruction.py", "import", "import math\nimport", {"results"}),
        ("strategies/uniform.py", "import", "import math\nimport", {"results"}),
        ("configs/devices/phones.yaml", "title", "title ", {"results"}),
    ],
)
def test_a_change_changes_the_digests_of_what_reads_it(copy, name, old, new, stages):
    assert changed(copy, name, old, new) == stages


def test_stages_do_not_read_what_is_above_them():
    rooms = {path.relative_to(ROOT).parts[1] for path in files_of("training")}
    assert rooms <= {"training", "data", "models", "disk.py", "seeding.py", "errors.py"}


def test_a_changed_plugin_changes_every_digest(tmp_path, monkeypatch):
    plugin = tmp_path / "plugin_of_a_test.py"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "_IMPORTED", {})
    without = {stage: code_digest(stage) for stage in ROOTS}
    plugin.write_text("STRENGTH = 1\n")
    plugins.import_plugins([plugin.stem])
    first = {stage: code_digest(stage) for stage in ROOTS}
    plugin.write_text("STRENGTH = 2\n")
    second = {stage: code_digest(stage) for stage in ROOTS}
    assert all(len({without[stage], first[stage], second[stage]}) == 3 for stage in ROOTS)
