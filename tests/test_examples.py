"""Every file of examples/ is short, and runs."""

import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiprdc_fl import ATTACKS, DATASETS, PROTECTIONS, STRATEGIES

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What an example adds is gone afterwards."""
    kept = [(records, dict(records)) for records in (ATTACKS, DATASETS, PROTECTIONS, STRATEGIES)]
    yield
    for records, before in kept:
        records.clear()
        records.update(before)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_shorter_than_40_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 40
