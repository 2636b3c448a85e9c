"""Appending contributions to a store in few large commits."""

import json
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa

from tiprdc_fl.disk import locked, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.store.feature_store import FeatureStore, stored_contributors
from tiprdc_fl.store.lance import commit_drafts, open_lance, read_draft, remove_draft, tidy
from tiprdc_fl.store.withdrawal import withdrawn

COMMIT_BYTES = 32 * 2**20  # contributions are gathered up to this size before a commit
COMMIT_SECONDS = 10.0  # or up to this age, which bounds the work that a crash can lose


@dataclass(frozen=True)
class Draft:
    """Contributions that a worker wrote into the store's folder. A commit makes them part of the store.

    Attributes:
        file: description of the file, as ``store.lance.write_draft`` returns it.
        contributors: ids of its contributors.
        rows: number of rows.
        size: size of the file in bytes.
    """

    file: str
    contributors: frozenset[int]
    rows: int
    size: int

    def __len__(self) -> int:
        """Number of rows."""
        return self.rows

    @property
    def nbytes(self) -> int:
        """Size in bytes, under the name that a table has for it."""
        return self.size


def open_draft(store: FeatureStore, file: str, asked: Sequence[int]) -> Draft:
    """Opens a draft, and checks that it holds one contribution of each contributor asked and no others.

    Raises:
        InputError: it holds something else, or its file is damaged.
    """
    keys = read_draft(store.path, file, ["contributor", "row"])
    people, rows = keys.column("contributor").to_numpy(), keys.column("row").to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(people)) + 1])
    expected_rows = np.arange(len(people)) - np.repeat(starts, np.diff([*starts, len(people)]))
    ids = people[starts].tolist() if len(people) else []
    if sorted(ids) != sorted(asked) or not np.array_equal(rows, expected_rows):
        raise InputError(
            f"a draft of {len(ids):,} contributors must hold one contribution of each of the {len(asked):,} "
            "contributors asked, and no other"
        )
    size = json.loads(file)["files"][0]["file_size_bytes"]
    return Draft(file, frozenset(ids), len(people), size)


def append(store: FeatureStore, contributions: Iterable[pa.Table | Draft]) -> None:
    """Stores contributions as they arrive, with a commit after COMMIT_BYTES or COMMIT_SECONDS.

    A contribution is stored in one commit, hence completely or not at all. A contribution is skipped if its
    contributor has withdrawn, or if another process has committed one of the same contributor meanwhile.

    Raises:
        InputError: the store is damaged or cannot be written. Earlier commits are kept.
    """
    open_lance(store.path)  # a damaged store must fail before the first contributor is asked
    waiting: list[pa.Table | Draft] = []
    size, last, version = 0, time.monotonic(), 0
    try:
        for contribution in contributions:
            waiting.append(contribution)
            size += contribution.nbytes
            if size >= COMMIT_BYTES or time.monotonic() - last >= COMMIT_SECONDS:
                batch, waiting, size = waiting, [], 0  # emptied first: an interrupt must not commit twice
                version = _commit(store, batch, version)
                last = time.monotonic()
    finally:  # an interrupt keeps what has arrived
        _commit(store, waiting, version)


def _commit(store: FeatureStore, waiting: Sequence[pa.Table | Draft], version: int) -> int:
    """Commits the waiting contributions, except of contributors who have withdrawn or are stored already.

    Args:
        store: the store.
        waiting: contributions to commit.
        version: version of the dataset after this process's last commit. While it is unchanged, no other process
            has stored anything.

    Returns:
        The version after this commit.
    """
    waiting = [part for part in waiting if len(part)]
    if not waiting:
        return version
    path = store.path
    with writing(path), locked(path):  # the lock orders this against a withdrawal: it waits, or is seen here
        changed = lance.dataset(str(path)).version != version
        excluded = withdrawn(path.parent) | (stored_contributors(store) if changed else set())
        drafts = [part for part in waiting if isinstance(part, Draft)]
        tables = [part for part in waiting if not isinstance(part, Draft)]
        valid = [draft for draft in drafts if not draft.contributors & excluded]
        partial = [draft for draft in drafts if draft.contributors & excluded]  # some rows must not be stored
        tables += [read_draft(path, draft.file) for draft in partial]
        if valid:
            tidy(commit_drafts(path, [draft.file for draft in valid]))
        _commit_tables(store, tables, excluded)
        for draft in partial:
            remove_draft(path, draft.file)
        return lance.dataset(str(path)).version


def _commit_tables(store: FeatureStore, tables: Sequence[pa.Table], excluded: Collection[int]) -> None:
    """Commits the rows of all tables, except those of excluded contributors."""
    if not tables:
        return
    schema = store.layout.schema()
    rows = pa.concat_tables(table.cast(schema).replace_schema_metadata(schema.metadata) for table in tables)
    rows = rows.filter(np.isin(rows.column("contributor").to_numpy(), list(excluded), invert=True))
    if len(rows):
        tidy(lance.write_dataset(rows, str(store.path), mode="append"))
