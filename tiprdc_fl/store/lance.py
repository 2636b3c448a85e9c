"""Operations on a Lance dataset: checked opening, scans, merging of small files, erasure, drafts."""

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

TARGET_BYTES = 4 * 2**20  # small data files are merged up to this size; larger ones, such as drafts, stay
BATCH_BYTES = 4 * 2**20  # size of a batch that is read at once
TIDY_COMMITS = 100  # commits between two merges; every commit keeps a list of all data files


def open_lance(path: Path) -> lance.LanceDataset:
    """Opens the Lance dataset at ``path``, and checks that no data file is missing or truncated.

    Raises:
        InputError: the dataset is damaged.
    """
    with reading(path):
        dataset = lance.dataset(str(path))
        if not dataset.schema.names:  # Lance reads a manifest of zeros like this
            raise OSError("it has no columns")
        for file in (file for fragment in dataset.get_fragments() for file in fragment.data_files()):
            size = (path / "data" / file.path).stat().st_size
            if file.file_size_bytes not in (None, size):
                raise OSError(f"data/{file.path} has {size} bytes, {file.file_size_bytes} were written")
    return dataset


def scan(dataset: lance.LanceDataset, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yields the rows in the order of their positions, in batches of about BATCH_BYTES."""
    options: dict[str, Any] = {
        "batch_size": _rows_in(dataset, BATCH_BYTES),
        "io_buffer_size": 8 * BATCH_BYTES,
    }
    yield from dataset.to_batches(columns=columns, batch_readahead=1, fragment_readahead=1, **options)


def _rows_in(dataset: lance.LanceDataset, size: int) -> int:
    """Number of rows that take ``size`` bytes on disk, at least 1."""
    fragments = dataset.get_fragments()
    rows = sum(fragment.physical_rows for fragment in fragments)
    total = sum(file.file_size_bytes or 0 for fragment in fragments for file in fragment.data_files())
    return max(1, size * rows // max(1, total))


def tidy(dataset: lance.LanceDataset) -> None:
    """Merges small data files and removes earlier versions, at every TIDY_COMMITS-th version.

    Each version lists every file, so ten thousand commits of one contribution would leave gigabytes of lists. The
    caller holds the dataset's lock. An interrupt leaves the rows unchanged.
    """
    if dataset.version % TIDY_COMMITS == 0:
        _compact(dataset, drafts=False)


def erase(path: Path, contributors: Collection[int]) -> int:
    """Removes the rows of contributors from all files of a Lance dataset, old versions included.

    A second call completes a call that was interrupted.

    Returns:
        Number of rows that the dataset held of them; 0 for a dataset without a contributor column.
    """
    with writing(path), locked(path):
        dataset = open_lance(path)
        if "contributor" not in dataset.schema.names or not contributors:
            return 0
        condition = f"contributor in ({', '.join(map(str, contributors))})"
        rows = dataset.count_rows(condition)
        if rows:
            dataset.delete(condition)
        _compact(dataset, drafts=True)
        return rows


def _compact(dataset: lance.LanceDataset, drafts: bool) -> None:
    """Merges data files below TARGET_BYTES, drops deleted rows from all files, and removes other versions.

    Args:
        dataset: the dataset, which is changed in place.
        drafts: whether files that belong to no version are removed too: drafts, and files of interrupted commits.
    """
    dataset.optimize.compact_files(
        target_rows_per_fragment=_rows_in(dataset, TARGET_BYTES),
        materialize_deletions=True,
        materialize_deletions_threshold=0.0,
        batch_size=_rows_in(dataset, BATCH_BYTES),
        num_threads=1,
    )
    if any(fragment.num_deletions for fragment in dataset.get_fragments()):
        raise RuntimeError("deleted rows are still in its files")
    dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=drafts)


def sweep(path: Path) -> None:
    """Removes data files that belong to no version of a Lance dataset; killed processes leave such files."""
    with writing(path), locked(path):
        dataset = open_lance(path)
        known = {file.path for fragment in dataset.get_fragments() for file in fragment.data_files()}
        if {file.name for file in (path / "data").glob("*")} - known:
            dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)


def write_draft(path: Path, rows: pa.Table) -> str:
    """Writes rows into the folder of a Lance dataset without making them part of the dataset.

    Returns:
        A description of the draft in JSON, for ``commit_drafts``, ``read_draft`` and ``remove_draft``.

    Raises:
        InputError: the file cannot be written.
    """
    with writing(path):
        (fragment,) = write_fragments(rows, str(path), mode="append", schema=rows.schema)
    return json.dumps(fragment.to_json())


def read_draft(path: Path, draft: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Reads the rows of a draft.

    Args:
        path: folder of the dataset.
        draft: as ``write_draft`` returns it.
        columns: names of the columns to read; None reads all.

    Raises:
        InputError: the description is not that of a draft of this dataset, or its file is truncated.
    """
    with reading(path):
        file = _file_of(path, draft)
        names = None if columns is None else list(columns)
        return LanceFileReader(str(file), columns=names).read_all().to_table()


def commit_drafts(path: Path, drafts: Sequence[str]) -> lance.LanceDataset:
    """Makes drafts part of the dataset in one commit, and returns the new version."""
    for draft in drafts:
        _file_of(path, draft)
    fragments = [FragmentMetadata.from_json(draft) for draft in drafts]
    version = lance.dataset(str(path)).version
    return lance.LanceDataset.commit(str(path), lance.LanceOperation.Append(fragments), read_version=version)


def remove_draft(path: Path, draft: str) -> None:
    """Deletes a draft's file."""
    _file_of(path, draft).unlink()


def _file_of(path: Path, draft: str) -> Path:
    """Path of a draft's only data file, which must lie in the dataset's folder and have the described size.

    Raises:
        ValueError, KeyError, TypeError: the description is not that of a draft.
        OSError: the file is missing or has another size.
    """
    fields = json.loads(draft)
    (file,) = fields["files"]
    if not re.fullmatch(r"[0-9a-f]+\.lance", file["path"]) or fields["deletion_file"] is not None:
        raise ValueError(f"{file['path']!r:.80} is not the file of a draft")
    data_file = path / "data" / file["path"]
    if data_file.stat().st_size != file["file_size_bytes"]:
        raise OSError(f"data/{file['path']} does not have the size that its draft states")
    return data_file
