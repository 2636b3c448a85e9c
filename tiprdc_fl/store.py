"""The feature store: a Lance dataset with a row for each example that contributors sent.

Columns: contributor (int64), row (int32, the example's number among the contributor's own), payload
(encoded features), task_NAME (int8 label), raw_bytes (size of the raw example), measurements of the
contributor, repeated on each of its rows (seconds of each stage on the device, sent_bytes of the whole
contribution). Codec and feature shape are in the schema's metadata. ``python -m tiprdc_fl.store`` runs the
commands of ``store_commands``.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.codec import channels, decode
from tiprdc_fl.storage import (
    commit_drafts,
    locked,
    open_lance,
    read_draft,
    reading,
    remove_draft,
    scan,
    tidy,
    writing,
)
from tiprdc_fl.withdrawal import withdrawn

STAGES = ("load", "prepare", "forward", "encode")
COMMIT_BYTES = 32 * 2**20  # replies are gathered up to this size, then committed as one
COMMIT_SECONDS = 10.0  # or for this long: slow contributors' work is not lost for more


def contribution_schema(tasks: Sequence[str]) -> pa.Schema:
    """What a contributor sends."""
    fields = [
        pa.field("contributor", pa.int64()),
        pa.field("row", pa.int32()),
        pa.field("payload", pa.large_binary()),
        pa.field("raw_bytes", pa.int64()),
        *(pa.field(f"task_{task}", pa.int8()) for task in tasks),
        *(pa.field(f"{stage}_seconds", pa.float64()) for stage in STAGES),
    ]
    return pa.schema([field.with_nullable(False) for field in fields])


@dataclass(frozen=True)
class Layout:
    """What a store holds, kept in its schema's metadata.

    Attributes:
        extractor: digest of the extractor that made the features.
        codec: key of CODECS.
        shape: of one example's features; a leading -1 for messages.
        tasks: names of the task labels.
    """

    extractor: str
    codec: str
    shape: tuple[int, ...]
    tasks: tuple[str, ...]

    def schema(self) -> pa.Schema:
        """Columns of the store: a contribution's and the size that it had when it arrived."""
        sent = pa.field("sent_bytes", pa.int64(), nullable=False)
        return (
            contribution_schema(self.tasks).append(sent).with_metadata({"layout": json.dumps(asdict(self))})
        )


@dataclass(frozen=True)
class FeatureStore:
    """An open store.

    Attributes:
        path: of the Lance dataset.
        layout: what it holds.
    """

    path: Path
    layout: Layout

    @cached_property
    def _dataset(self) -> lance.LanceDataset:
        return open_lance(self.path)

    @cached_property
    def keys(self) -> pa.Table:
        """Every column but the payload, ordered by (contributor, row), with each row's ``position``.

        Positions differ between two stores of the same features, because replies arrive in any order.

        Raises:
            InputError: the store is damaged.
        """
        columns = [name for name in self._dataset.schema.names if name != "payload"]
        with reading(self.path):
            table = self._dataset.to_table(columns=columns)
            table = table.append_column("position", pa.array(np.arange(len(table))))
            return table.sort_by([("contributor", "ascending"), ("row", "ascending")])

    def features(self, positions: np.ndarray) -> Tensor:
        """Features of the rows at ``positions``, float32 [n, *shape]; messages are padded with zeros.

        Raises:
            InputError: the store is damaged.
        """
        layout = self.layout
        with reading(self.path):
            column = self._dataset.take(positions, columns=["payload"]).column("payload")
            payloads = [memoryview(value.as_buffer()) for value in column]
            sizes = np.array([len(payload) for payload in payloads], np.int64)
            rows, counts = decode(b"".join(payloads), sizes, layout.codec, channels(layout.shape)[1])
        if layout.shape[0] > 0:
            return rows.reshape(len(positions), *layout.shape)
        return torch.nn.utils.rnn.pad_sequence(list(rows.split(counts.tolist())), batch_first=True)

    def digest(self) -> str:
        """SHA-256 over the layout, then over each row's SHA-256 in order of (contributor, row).

        A row's is over contributor, row, task labels and payload, not over measurements and sizes. Rows are read
        in the order in which they lie, so that only some 50 bytes of each are held, whatever its payload.

        Raises:
            InputError: the store is damaged.
        """
        with reading(self.path):
            people, rows, hashes = self._hashes()
        result = hashlib.sha256(json.dumps(asdict(self.layout)).encode())
        order = np.lexsort((rows, people))
        for start in range(0, len(order), 2**16):
            result.update(hashes[order[start : start + 2**16]].tobytes())
        return result.hexdigest()

    def _hashes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Contributor, row and SHA-256, uint8 [n, 32], of every row, in the order in which they lie."""
        names = ["contributor", "row", *(f"task_{task}" for task in self.layout.tasks)]
        count, start = self._dataset.count_rows(), 0
        people, rows = np.empty(count, np.int64), np.empty(count, np.int32)
        hashes = np.empty((count, 32), np.uint8)
        for batch in scan(self._dataset, [*names, "payload"]):
            here = slice(start, start := start + len(batch))
            people[here], rows[here] = (batch.column(name).to_numpy() for name in names[:2])
            hashes[here] = _hashed([batch.column(name).to_numpy() for name in names], batch.column("payload"))
        return people, rows, hashes


def _hashed(numbers: Sequence[np.ndarray], payloads: pa.Array) -> np.ndarray:
    """SHA-256 of each row's numbers, little-endian, and payload; uint8 [n, 32]."""
    parts = [number.astype(number.dtype.newbyteorder("<")).view(np.uint8) for number in numbers]
    heads = np.hstack([part.reshape(len(payloads), -1) for part in parts])
    hashes = bytearray()
    for head, payload in zip(heads, payloads, strict=True):
        one = hashlib.sha256(head)
        one.update(payload.as_buffer())
        hashes += one.digest()
    return np.frombuffer(hashes, np.uint8).reshape(-1, 32)


def open_store(path: Path, layout: Layout | None = None) -> FeatureStore:
    """The store at ``path``; with ``layout``, a new one where there is none.

    Raises:
        InputError: there is no store, it cannot be read, or it holds features of another layout.
    """
    if not path.exists():
        if layout is None:
            raise InputError(f"{path}: there is no feature store")
        with writing(path):
            lance.write_dataset(layout.schema().empty_table(), str(path))
    if not path.is_dir():
        raise InputError(f"{path}: not a feature store of tiprdc_fl, but a file")
    metadata = open_lance(path).schema.metadata
    try:
        fields = json.loads(metadata[b"layout"])
        found = Layout(fields["extractor"], fields["codec"], tuple(fields["shape"]), tuple(fields["tasks"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a feature store of tiprdc_fl ({error})") from error
    if layout not in (None, found):
        raise InputError(
            f"{path}: holds features of another run ({found}, not {layout}); use another run_dir"
        )
    return FeatureStore(path, found)


def stored_contributors(store: FeatureStore) -> set[int]:
    """Ids of the contributors whose contribution is committed.

    Raises:
        InputError: the store is damaged.
    """
    found: set[int] = set()
    with reading(store.path):
        for batch in scan(open_lance(store.path), ["contributor"]):
            found.update(np.unique(batch.column("contributor").to_numpy()).tolist())
    return found


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


if __name__ == "__main__":
    from tiprdc_fl.store_commands import main  # they stand on the store, which needs none of them

    sys.exit(main())
