"""What a store needs of Lance and the disk: errors in words, one writer at a time, few files, rows erased."""

import fcntl
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.parquet as pq
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, write_fragments

from tiprdc_fl.errors import InputError

TARGET_BYTES = 4 * 2**20  # of a data file once small ones are merged; larger ones, as drafts, are left alone
BATCH_BYTES = 4 * 2**20  # read at once
TIDY_COMMITS = 100  # after so many: each commit lists every data file, and is kept
FULL = {27, 28, 122}  # EFBIG, ENOSPC, EDQUOT; by number, because Lance names them in its text
FORBIDDEN = {1, 13, 30}  # EPERM, EACCES, EROFS


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """A block that reads ``path``: what goes wrong in it becomes an InputError that names path and fix."""
    with _in_words(path, _unreadable):
        yield


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes ``path``: what goes wrong in it becomes an InputError that names path and fix."""
    with _in_words(path, _unwritable):
        yield


@contextmanager
def _in_words(path: Path, words: Callable[[Path, BaseException], str]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # Lance raises whichever of these; a panic of its Rust code is not even an Exception.
        known = isinstance(error, (OSError, ValueError, RuntimeError, KeyError, TypeError, pa.ArrowException))
        if not known and type(error).__name__ != "PanicException":
            raise
        raise InputError(words(path, error)) from error


def _unreadable(path: Path, error: BaseException) -> str:
    if _number(error) in FORBIDDEN:
        return f"{path}: cannot be read, permission is missing ({_reason(error)}); allow it to be read"
    return (
        f"{path}: cannot be read, it is damaged or was changed meanwhile ({_reason(error)}); try again, else "
        "restore it from a copy, or delete it and run the same command with run_dir=... to collect anew"
    )


def _unwritable(path: Path, error: BaseException) -> str:
    if _number(error) in FULL:
        fix = "free space on the disk or raise the limit on file sizes"
    elif _number(error) in FORBIDDEN:
        fix = "allow writing there"
    else:
        fix = "see that the folder exists, is whole and can be written"
    return (
        f"{path}: cannot be written ({_reason(error)}); {fix}, then run the same command again: what was "
        "committed before is kept"
    )


def _number(error: BaseException) -> int | None:
    """The operating system's number of an error, which Lance has in its text only."""
    found = re.search(r"os error (\d+)", str(error))
    return int(found[1]) if found else getattr(error, "errno", None)


def _reason(error: BaseException) -> str:
    """One short line of an error, without the places in Lance's sources that it ends in."""
    line = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r",? /\S+\.rs:\d+.*", "", line)[:200]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A block that no other process or thread is in at the same time, for the same folder.

    The operating system takes the lock away from a process that ends, however it ends.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Has ``write`` write a file beside ``path``, which then takes its place: whole or not at all."""
    temporary = path.with_suffix(".partial")
    with writing(path):
        try:
            write(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """JSON lines, whole or not at all."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_whole(path, lambda file: file.write_text(text, encoding="utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """A Parquet file, whole or not at all."""
    write_whole(path, lambda file: pq.write_table(table, file))


def open_lance(path: Path) -> lance.LanceDataset:
    """The Lance dataset at ``path``, once its data files are there and as long as they were written.

    Raises:
        InputError: it is damaged.
    """
    with reading(path):
        dataset = lance.dataset(str(path))
        if not dataset.schema.names:  # as a list of files reads that was overwritten by zeros
            raise OSError("it has no columns")
        for file in (file for fragment in dataset.get_fragments() for file in fragment.data_files()):
            found = (path / "data" / file.path).stat().st_size
            if file.file_size_bytes not in (None, found):
                raise OSError(f"data/{file.path} has {found} bytes, {file.file_size_bytes} were written")
    return dataset


def scan(dataset: lance.LanceDataset, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows in the order of their positions, in batches of about BATCH_BYTES."""
    options: dict[str, Any] = {
        "batch_size": _rows_of(dataset, BATCH_BYTES),
        "io_buffer_size": 8 * BATCH_BYTES,
    }
    yield from dataset.to_batches(columns=columns, batch_readahead=1, fragment_readahead=1, **options)


def _rows_of(dataset: lance.LanceDataset, size: int) -> int:
    """How many rows take ``size`` bytes on disk, at least 1."""
    fragments = dataset.get_fragments()
    rows = sum(fragment.physical_rows for fragment in fragments)
    total = sum(file.file_size_bytes or 0 for fragment in fragments for file in fragment.data_files())
    return max(1, size * rows // max(1, total))


def tidy(dataset: lance.LanceDataset) -> None:
    """Merges small data files and removes earlier versions, after every TIDY_COMMITS commits.

    Each version lists every file: ten thousand commits of one contribution would leave gigabytes of lists.
    Whoever calls it holds the lock. An interrupt leaves the rows as they were.
    """
    if dataset.version % TIDY_COMMITS == 0:
        _compact(dataset, drafts=False)


def erase(path: Path, contributors: Collection[int]) -> int:
    """Removes contributors' rows from the files of a Lance dataset, old versions included.

    Repeated, it completes what was interrupted.

    Returns:
        how many rows the dataset had of them; datasets without contributors have none.
    """
    with writing(path), locked(path):
        dataset = open_lance(path)
        if "contributor" not in dataset.schema.names or not contributors:
            return 0
        theirs = f"contributor in ({', '.join(map(str, contributors))})"
        rows = dataset.count_rows(theirs)
        if rows:
            dataset.delete(theirs)
        _compact(dataset, drafts=True)
        return rows


def _compact(dataset: lance.LanceDataset, drafts: bool) -> None:
    """Merges data files below TARGET_BYTES, drops deleted rows from all, and keeps this version only.

    Args:
        dataset: changed in place.
        drafts: whether files that no version knows are removed, too: drafts, and those of interrupted commits.
    """
    dataset.optimize.compact_files(
        target_rows_per_fragment=_rows_of(dataset, TARGET_BYTES),
        materialize_deletions=True,
        materialize_deletions_threshold=0.0,
        batch_size=_rows_of(dataset, BATCH_BYTES),
        num_threads=1,
    )
    if any(fragment.num_deletions for fragment in dataset.get_fragments()):
        raise RuntimeError("deleted rows are still in its files")
    dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=drafts)


def sweep(path: Path) -> None:
    """Removes files that no version of a Lance dataset knows: what killed processes left behind."""
    with writing(path), locked(path):
        dataset = open_lance(path)
        known = {file.path for fragment in dataset.get_fragments() for file in fragment.data_files()}
        if {file.name for file in (path / "data").glob("*")} - known:
            dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


def write_draft(path: Path, rows: pa.Table) -> str:
    """Writes rows into a Lance dataset's folder without making them part of it.

    Returns:
        what ``commit_drafts`` and ``read_draft`` take.

    Raises:
        InputError: they cannot be written.
    """
    with writing(path):
        (fragment,) = write_fragments(rows, str(path), mode="append", schema=rows.schema)
    return json.dumps(fragment.to_json())


def read_draft(path: Path, draft: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Rows of a draft; all columns where none are named.

    Raises:
        InputError: it is no draft of this dataset, or not whole.
    """
    with reading(path):
        file = _file_of(path, draft)
        return (
            LanceFileReader(str(file), columns=None if columns is None else [*columns]).read_all().to_table()
        )


def commit_drafts(path: Path, drafts: Sequence[str]) -> lance.LanceDataset:
    """Makes drafts part of the dataset, all of them or none."""
    for draft in drafts:
        _file_of(path, draft)
    fragments = [FragmentMetadata.from_json(draft) for draft in drafts]
    version = lance.dataset(str(path)).version
    return lance.LanceDataset.commit(str(path), lance.LanceOperation.Append(fragments), read_version=version)


def remove_draft(path: Path, draft: str) -> None:
    """Deletes a draft's file."""
    _file_of(path, draft).unlink()


def _file_of(path: Path, draft: str) -> Path:
    """The one data file of a draft, once it lies in the dataset's folder and is as long as it says.

    Raises:
        ValueError, KeyError, TypeError, OSError: it is not so.
    """
    fields = json.loads(draft)
    (file,) = fields["files"]
    if not re.fullmatch(r"[0-9a-f]+\.lance", file["path"]) or fields["deletion_file"] is not None:
        raise ValueError(f"{file['path']!r:.80} is no draft")
    found = path / "data" / file["path"]
    if found.stat().st_size != file["file_size_bytes"]:
        raise OSError(f"data/{file['path']} is not as long as its draft says")
    return found
