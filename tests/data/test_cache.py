"""The cache: an entry is complete or absent, built once whoever asks, and its failures are explained."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tiprdc_fl.data.cache import cache_folder, cached
from tiprdc_fl.errors import InputError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tiprdc_fl"


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".") and "lock" not in path.name]


def test_builds_once_and_returns_the_same_entry(folder):
    calls = []

    def build(path):
        calls.append(path)
        path.write_text("content")

    first, second = cached("a.txt", build), cached("a.txt", build)
    assert first == second == folder / "a.txt"
    assert first.read_text() == "content"
    assert len(calls) == 1
    assert leftovers(folder) == []


def test_keys_have_separate_entries():
    for key in ("a", "a.b", "a~b"):
        cached(key, lambda path, key=key: path.write_text(key) and None)
    assert [cached(key, pytest.fail).read_text() for key in ("a", "a.b", "a~b")] == ["a", "a.b", "a~b"]


def test_an_entry_may_be_a_folder():
    def build(path):
        (path / "inner").mkdir(parents=True)
        (path / "inner" / "file").write_text("x")

    assert (cached("tree", build) / "inner" / "file").read_text() == "x"


def test_the_name_appears_only_when_the_content_is_complete(folder):
    def build(path):
        path.write_text("half")
        assert not (folder / "a").exists()
        assert path.is_relative_to(folder), "a rename is atomic only within one file system"
        path.write_text("whole")

    assert cached("a", build).read_text() == "whole"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, InputError, FileNotFoundError])
def test_a_failed_build_leaves_nothing_and_the_error_is_passed_on(folder, error):
    def build(path):
        path.write_text("half")
        raise error("stop")

    with pytest.raises(error, match="stop"):
        cached("a", build)
    assert visible(folder) == leftovers(folder) == []
    assert cached("a", lambda path: path.write_text("whole") and None).read_text() == "whole"


def test_what_a_killed_build_leaves_is_never_read_and_is_removed(folder):
    script = (
        "import os\nfrom tiprdc_fl.data.cache import cached\n"
        "def build(path):\n    path.write_text('half')\n    os._exit(9)\ncached('a', build)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert visible(folder) == []
    assert len(leftovers(folder)) == 1
    assert cached("a", lambda path: path.write_text("whole") and None).read_text() == "whole"
    assert leftovers(folder) == []


def test_several_threads_build_once():
    calls, barrier = [], threading.Barrier(8)

    def build(path):
        calls.append(path)
        path.write_text("x" * 1000)

    def ask(_):
        barrier.wait()
        return cached("a", build).read_text()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"x" * 1000}
    assert len(calls) == 1


@pytest.mark.slow
def test_several_processes_build_once(tmp_path, folder):
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom tiprdc_fl.data.cache import cached\n"
        "def build(path):\n"
        "    Path(sys.argv[1], str(os.getpid())).touch()\n"
        "    path.write_text('whole' * 100000)\n"
        "print(len(cached('a', build).read_text()))"
    )
    marks = tmp_path / "marks"
    marks.mkdir()
    command = [sys.executable, "-c", script, str(marks)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate()[0] for process in running} == {"500000\n"}
    assert len(list(marks.iterdir())) == 1
    assert visible(folder) == ["a"]


def test_a_finished_entry_needs_no_lock(folder):
    cached("a", lambda path: path.write_text("x") and None)
    (folder / ".lock~a").unlink()
    assert cached("a", pytest.fail).read_text() == "x"
    assert not (folder / ".lock~a").exists()


def test_an_unusable_folder_is_explained(tmp_path, monkeypatch):
    occupied = tmp_path / "file"
    occupied.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(occupied))
    with pytest.raises(
        InputError, match=r"cannot use the cache folder .*file.*; set XDG_CACHE_HOME to a writable folder"
    ):
        cached("a", pytest.fail)


def test_a_full_disk_is_explained():
    def build(path):
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"No space left on device; set XDG_CACHE_HOME"):
        cached("a", build)


@pytest.mark.parametrize("value", [None, "", "relative/folder"])
def test_without_an_absolute_setting_the_home_folder_is_used(monkeypatch, tmp_path, value):
    monkeypatch.setenv("HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("XDG_CACHE_HOME")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert cache_folder() == tmp_path / ".cache" / "tiprdc_fl"
