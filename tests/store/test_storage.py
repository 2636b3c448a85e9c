"""What many commits, a full disk and damaged files do to a store."""

import subprocess
import sys
import time
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from tests.store.stores import LAYOUT, payloads, rows, store_at
from tiprdc_fl import seeding
from tiprdc_fl.disk import write_table
from tiprdc_fl.errors import InputError
from tiprdc_fl.store import lance as storage
from tiprdc_fl.store.append import append
from tiprdc_fl.store.feature_store import FeatureStore, open_store, stored_contributors

USES = {
    "open": lambda path: open_store(path),
    "keys": lambda path: FeatureStore(path, LAYOUT).keys,
    "features": lambda path: FeatureStore(path, LAYOUT).features(np.arange(9)),
    "digest": lambda path: FeatureStore(path, LAYOUT).digest(),
    "stored_contributors": lambda path: stored_contributors(FeatureStore(path, LAYOUT)),
    "append": lambda path: append(FeatureStore(path, LAYOUT), [rows(4)]),
}


# --- the digest ---


def test_the_digest_is_over_features_and_labels_and_not_over_measurements(tmp_path):
    base = store_at(tmp_path / "a", [1, 2, 3]).digest()
    assert store_at(tmp_path / "b", [3, 1, 2]).digest() == base
    others = {
        "seconds": {"load_seconds": [9.0] * 3},
        "size": {"sent_bytes": [9] * 3},
        "raw": {"raw_bytes": [9] * 3},
        "label": {"task_Smiling": [1, 1, 0]},
        "payload": {"payload": payloads(2)},
        "order": {"payload": payloads(3)[::-1]},
    }
    digests = {}
    for name, changes in others.items():
        store = store_at(tmp_path / name, [1, 2])
        append(store, [rows(3, **changes)])
        digests[name] = open_store(tmp_path / name).digest()
    assert {name for name, digest in digests.items() if digest == base} == {"seconds", "size", "raw"}
    assert store_at(tmp_path / "fewer", [1, 2]).digest() != base


def test_a_byte_that_moves_to_the_next_row_changes_the_digest(tmp_path):
    found = set()
    for name, values in {"a": [b"ab", b"c", b""], "b": [b"a", b"bc", b""]}.items():
        append(open_store(tmp_path / name, LAYOUT), [rows(1, payload=values)])
        found.add(open_store(tmp_path / name).digest())
    assert len(found) == 2


def test_the_digest_of_an_empty_store(tmp_path):
    assert len(open_store(tmp_path / "s", LAYOUT).digest()) == 64


# --- commits ---


def test_what_waits_is_committed_after_a_time(tmp_path, monkeypatch):
    store, clock, stored = open_store(tmp_path / "s", LAYOUT), [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def arriving():
        for contributor in range(10):
            clock[0] += 4.0
            yield rows(contributor)
            stored.append(len(stored_contributors(store)))

    append(store, arriving())
    assert stored == [0, 0, 3, 3, 3, 6, 6, 6, 9, 9]  # every third arrival, 12 s after the last commit
    assert len(stored_contributors(store)) == 10


def test_many_commits_leave_few_files(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "TIDY_COMMITS", 10)
    expected = store_at(tmp_path / "few", [])
    append(expected, [rows(contributor) for contributor in range(60)])
    store = store_at(tmp_path / "many", range(60))
    assert store.digest() == open_store(tmp_path / "few").digest()
    files = [path for path in (tmp_path / "many").rglob("*") if path.is_file()]
    assert len(files) < 40
    assert len(lance.dataset(str(tmp_path / "many")).get_fragments()) <= 10
    assert store.keys.column("contributor").to_pylist() == [c for c in range(60) for _ in range(3)]


def test_large_files_are_not_merged_again(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "TIDY_COMMITS", 10)
    monkeypatch.setattr(storage, "TARGET_BYTES", 1)
    store_at(tmp_path / "s", range(20))
    dataset = lance.dataset(str(tmp_path / "s"))
    assert len(dataset.get_fragments()) == 20
    assert len(dataset.versions()) == 2  # of the twentieth version and the one after it


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_merging_that_is_killed_loses_nothing(tmp_path, when):
    path = tmp_path / "s"
    expected = store_at(path, range(12)).digest()
    code = (
        "import os, sys, lance, pathlib\n"
        "from lance.dataset import DatasetOptimizer\n"
        "from tiprdc_fl.store.lance import _compact\n"
        f"when = {when!r}\n"
        "if when == 'before': DatasetOptimizer.compact_files = lambda *a, **o: os._exit(9)\n"
        "if when == 'between': lance.LanceDataset.cleanup_old_versions = lambda *a, **o: os._exit(9)\n"
        "_compact(lance.dataset(sys.argv[1]), drafts=True)\n"
        "os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert open_store(path).digest() == expected
    append(open_store(path), [rows(12)])
    assert stored_contributors(open_store(path)) == set(range(13))


# --- a disk that is full, a folder that cannot be written ---


@pytest.mark.slow
def test_a_file_that_may_not_grow_leaves_what_was_committed(tmp_path):
    """The operating system's own limit stands for a full disk: a write fails half way."""
    path = tmp_path / "s"
    expected = store_at(path, [1, 2]).digest()
    code = (
        "import resource, sys, pathlib\n"
        "from tests.store.stores import rows\n"
        "from tiprdc_fl.errors import InputError\n"
        "from tiprdc_fl.store.append import append\n"
        "from tiprdc_fl.store.feature_store import open_store\n"
        "store = open_store(pathlib.Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    append(store, [rows(contributor) for contributor in range(10, 200)])\n"
        "except InputError as error:\n"
        "    sys.exit(str(error))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"{path}: cannot be written (LanceError(IO): File too large (os error 27))"
    )
    assert "free space on the disk or raise the limit on file sizes" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert open_store(path).digest() == expected
    append(open_store(path), [rows(3)])
    assert stored_contributors(open_store(path)) == {1, 2, 3}


def failing(*arguments):
    def fail(*_, **__):
        raise OSError(*arguments)

    return fail


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ((28, "No space left on device"), "No space left on device.*free space on the disk"),
        (("LanceError(IO): No space left on device (os error 28), /a/b.rs:3:4",), "error 28.*; free space"),
        ((30, "Read-only file system"), "Read-only file system.*allow writing there"),
        ((13, "Permission denied"), "Permission denied.*allow writing there"),
        (("LanceError(IO): Permission denied (os error 13)",), "Permission denied.*allow writing there"),
        (("something else",), "something else.*see that the folder exists"),
    ],
)
def test_a_commit_that_fails_is_named(tmp_path, monkeypatch, error, message):
    store = store_at(tmp_path / "s", [1])
    expected = store.digest()
    with monkeypatch.context() as patch:
        patch.setattr(lance, "write_dataset", failing(*error))
        with pytest.raises(InputError, match=f"^{tmp_path / 's'}: cannot be written .*{message}.*is kept$"):
            append(store, [rows(2)])
    assert open_store(tmp_path / "s").digest() == expected


def test_a_store_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/s: cannot be written .*see that the folder exists"):
        open_store(tmp_path / "file" / "s", LAYOUT)


def test_a_store_that_disappears_is_not_made_anew_half(tmp_path):
    store = store_at(tmp_path / "s", [1])
    (tmp_path / "s").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="s: cannot be read"):
        append(store, [rows(2)])
    assert not (tmp_path / "s").exists()


def test_a_parquet_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "t.parquet"
    write_table(path, pa.table({"a": [1]}))
    before = path.read_bytes()

    def half(table, file):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", half)
    with pytest.raises(InputError, match=r"t\.parquet: cannot be written"):
        write_table(path, pa.table({"a": [2]}))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- damage ---


def damaged(path: Path, kind: str, damage: str) -> Path:
    """A store of three commits, with its first data file or its newest manifest damaged."""
    store_at(path, [1, 2, 3])
    file = min((path / kind).glob("*.lance" if kind == "data" else "*.manifest"))
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        half = content[: len(content) // 2]
        file.write_bytes({"empty": b"", "half": half, "zeros": bytes(len(content))}[damage])
    return path


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        *(("data", damage) for damage in ("missing", "empty", "half")),
        *(("_versions", damage) for damage in ("empty", "half", "zeros")),
    ],
)
def test_whatever_uses_a_damaged_store_names_it(tmp_path, kind, damage, use):
    path = damaged(tmp_path / "s", kind, damage)
    with pytest.raises(InputError, match=f"^{path}: .*(try again|can be written)"):
        USES[use](path)


@pytest.mark.parametrize("use", ["keys", "features", "digest", "stored_contributors"])
def test_whatever_reads_a_data_file_of_zeros_names_it(tmp_path, use):
    path = damaged(tmp_path / "s", "data", "zeros")  # as long as it was: only its content tells
    with pytest.raises(InputError, match=f"^{path}: cannot be read.*restore it from a copy, or delete it"):
        USES[use](path)


def test_a_layout_that_is_none(tmp_path):
    lance.write_dataset(pa.table({"a": [1]}), str(tmp_path / "none"))
    table = pa.table({"a": [1]}).replace_schema_metadata({"layout": '{"extractor": "a"}'})
    lance.write_dataset(table, str(tmp_path / "half"))
    for name in ("none", "half"):
        with pytest.raises(InputError, match=f"{name}: not a feature store of tiprdc_fl"):
            open_store(tmp_path / name)


@pytest.mark.parametrize("kind", ["data", "_versions"])
def test_garbled_bytes_raise_nothing_but_input_errors(tmp_path, kind):
    path = tmp_path / "s"
    store_at(path, [1, 2, 3])
    file = min((path / kind).glob("*.lance" if kind == "data" else "*.manifest"))
    content, draws = file.read_bytes(), seeding.generator(3, kind)
    refused = 0
    for _ in range(40):
        garbled = bytearray(content)
        for place in draws.integers(len(content), size=20):
            garbled[place] = draws.integers(256)
        file.write_bytes(garbled)
        for use in ("open", "keys", "features", "digest", "stored_contributors"):
            try:
                USES[use](path)
            except InputError:
                refused += 1
    assert refused > 40


def test_an_interrupt_is_no_error_of_the_disk(tmp_path):
    for block in (storage.reading, storage.writing):
        with pytest.raises(KeyboardInterrupt), block(tmp_path):
            raise KeyboardInterrupt
