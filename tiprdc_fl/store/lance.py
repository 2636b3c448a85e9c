"""What a store needs of Lance and the disk: errors in words, one writer at a time, few files, rows erased."""

import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from lance.file import LanceFileReader
from lance.fragment import FragmentMetadata, write_fragments

from tiprdc_fl.disk import locked, reading, writing

TARGET_BYTES = 4 * 2**20  # of a data file once small ones are merged; larger ones, as drafts, are left alone
BATCH_BYTES = 4 * 2**20  # read at once
TIDY_COMMITS = 100  # after so many: each commit lists every data file, and is kept


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
