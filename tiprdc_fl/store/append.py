"""Contributions are appended to a store: gathered, then committed together."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa

from tiprdc_fl.disk import locked, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.store.feature_store import FeatureStore, stored_contributors
from tiprdc_fl.store.lance import commit_drafts, open_lance, read_draft, remove_draft, tidy
from tiprdc_fl.store.withdrawal import withdrawn

COMMIT_BYTES = 32 * 2**20  # replies are gathered up to this size, then committed as one
COMMIT_SECONDS = 10.0  # or for this long: slow contributors' work is not lost for more


@dataclass(frozen=True)
class Draft:
    """Contributions that a worker has written into the store's folder; part of the store once committed.

    Attributes:
        file: as ``storage.write_draft`` returns it.
        contributors: whose they are.
        rows: how many.
        size: in bytes.
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
        """As of a table."""
        return self.size


def open_draft(store: FeatureStore, file: str, asked: Sequence[int]) -> Draft:
    """A draft, once it holds contributions of exactly those who were asked.

    Raises:
        InputError: it does not.
    """
    keys = read_draft(store.path, file, ["contributor", "row"])
    people, rows = keys.column("contributor").to_numpy(), keys.column("row").to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(people)) + 1])
    numbered = np.arange(len(people)) - np.repeat(starts, np.diff([*starts, len(people)]))
    ids = people[starts].tolist() if len(people) else []
    if sorted(ids) != sorted(asked) or not np.array_equal(rows, numbered):
        raise InputError(f"a draft of {len(ids):,} contributors is not of the {len(asked):,} who were asked")
    size = json.loads(file)["files"][0]["file_size_bytes"]
    return Draft(file, frozenset(ids), len(people), size)


def append(store: FeatureStore, contributions: Iterable[pa.Table | Draft]) -> None:
    """Stores contributions as they come, in commits of about COMMIT_BYTES or COMMIT_SECONDS.

    A contribution is in one commit, so it is stored whole or not at all. Those of contributors who have withdrawn
    by then, or whose contribution another process has committed meanwhile, are left out.

    Raises:
        InputError: the store is damaged or cannot be written; earlier commits are kept.
    """
    open_lance(store.path)  # nobody is asked in vain
    waiting: list[pa.Table | Draft] = []
    size, last, version = 0, time.monotonic(), 0
    try:
        for one in contributions:
            waiting.append(one)
            size += one.nbytes
            if size >= COMMIT_BYTES or time.monotonic() - last >= COMMIT_SECONDS:
                full, waiting, size = waiting, [], 0  # before the commit: an interrupt must not repeat it
                version = _commit(store, full, version)
                last = time.monotonic()
    finally:  # an interrupt keeps what has arrived
        _commit(store, waiting, version)


def _commit(store: FeatureStore, waiting: Sequence[pa.Table | Draft], version: int) -> int:
    """Commits what may be stored; takes the dataset's version after this writer's last commit, returns the new."""
    waiting = [one for one in waiting if len(one)]
    if not waiting:
        return version
    path, schema = store.path, store.layout.schema()
    with writing(path), locked(path):  # a withdrawal waits, or is known here
        found = lance.dataset(str(path)).version
        barred = withdrawn(path.parent) | (stored_contributors(store) if found != version else set())
        drafts = [one for one in waiting if isinstance(one, Draft)]
        spoilt = [one for one in drafts if one.contributors & barred]
        tables = [one for one in waiting if not isinstance(one, Draft)]
        tables += [read_draft(path, one.file).cast(schema) for one in spoilt]
        whole = [one.file for one in drafts if one not in spoilt]
        if whole:
            tidy(commit_drafts(path, whole))
        if tables:
            rows = pa.concat_tables([table.replace_schema_metadata(schema.metadata) for table in tables])
            rows = rows.filter(np.isin(rows.column("contributor").to_numpy(), list(barred), invert=True))
            if len(rows):
                tidy(lance.write_dataset(rows, str(path), mode="append"))
        for one in spoilt:
            remove_draft(path, one.file)
        return lance.dataset(str(path)).version
