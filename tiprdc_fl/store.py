"""The feature store: a Lance dataset with a row for each example that contributors sent.

Columns: contributor (int64), row (int32, the example's number among the contributor's own), payload
(encoded features), task_NAME (int8 label), raw_bytes (size of the raw example), measurements of the
contributor, repeated on each of its rows (seconds of each stage on the device, sent_bytes of the whole
contribution). Codec and feature shape are in the schema's metadata.
"""

import hashlib
import json
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
from tiprdc_fl.federation.codec import decode, payload_unit

STAGES = ("load", "prepare", "forward", "encode")
MOST_CLASSES = 100  # of an attribute; a larger label is an error or an attack
COMMIT_BYTES = 32 * 2**20  # replies are gathered up to this size, then committed as one


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
        return lance.dataset(str(self.path))

    @cached_property
    def keys(self) -> pa.Table:
        """Every column but the payload, ordered by (contributor, row), with each row's ``position``.

        Positions differ between two stores of the same features, because replies arrive in any order.
        """
        columns = [name for name in self._dataset.schema.names if name != "payload"]
        table = self._dataset.to_table(columns=columns)
        table = table.append_column("position", pa.array(np.arange(len(table))))
        return table.sort_by([("contributor", "ascending"), ("row", "ascending")])

    def features(self, positions: np.ndarray) -> Tensor:
        """Features of the rows at ``positions``, float32 [n, *shape]; messages are padded with zeros."""
        column = self._dataset.take(positions, columns=["payload"]).column("payload")
        if self.layout.shape[0] > 0:
            flat = b"".join(memoryview(value.as_buffer()) for value in column)
            return torch.from_numpy(decode(flat, self.layout.codec, (len(positions), *self.layout.shape)))
        messages = [decode(value.as_buffer(), self.layout.codec, self.layout.shape) for value in column]
        return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(z) for z in messages], batch_first=True)

    def digest(self) -> str:
        """SHA-256 over (contributor, row, payload, task labels) in order of (contributor, row)."""
        result = hashlib.sha256(json.dumps(asdict(self.layout)).encode())
        columns = ["contributor", "row", "payload", *(f"task_{task}" for task in self.layout.tasks)]
        positions = self.keys.column("position").to_numpy()
        for chosen in np.array_split(positions, max(1, len(positions) // 1024)):
            for row in self._dataset.take(chosen, columns=columns).to_pylist() if len(chosen) else []:
                result.update(repr(list(row.values())).encode())
        return result.hexdigest()


def open_store(path: Path, layout: Layout | None = None) -> FeatureStore:
    """The store at ``path``; with ``layout``, a new one where there is none.

    Raises:
        InputError: there is no store, it cannot be read, or it holds features of another layout.
    """
    if not path.exists():
        if layout is None:
            raise InputError(f"{path}: there is no feature store")
        lance.write_dataset(layout.schema().empty_table(), str(path))
    try:
        metadata = lance.dataset(str(path)).schema.metadata
        fields = json.loads(metadata[b"layout"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a feature store of tiprdc_fl ({error})") from error
    found = Layout(fields["extractor"], fields["codec"], tuple(fields["shape"]), tuple(fields["tasks"]))
    if layout not in (None, found):
        raise InputError(
            f"{path}: holds features of another run ({found}, not {layout}); use another run_dir"
        )
    return FeatureStore(path, found)


def stored_contributors(store: FeatureStore) -> set[int]:
    """Ids of the contributors whose contribution is committed."""
    table = lance.dataset(str(store.path)).to_table(columns=["contributor"])
    return set(np.unique(table.column("contributor").to_numpy()).tolist())


def to_stream(batch: pa.RecordBatch) -> bytes:
    """A record batch as the bytes of an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def validate(stream: bytes, contributor: int, layout: Layout) -> pa.Table:
    """The rows of a contribution, once they are what was asked for.

    Args:
        stream: as ``to_stream`` makes it.
        contributor: who was asked.
        layout: of the store it goes to.

    Raises:
        InputError: what is wrong with it.
    """
    expected = contribution_schema(layout.tasks)
    try:
        table = pa.ipc.open_stream(stream).read_all()
        table.validate(full=True)
    except Exception as error:  # of any kind: these bytes come from outside
        raise InputError(f"not an Arrow stream: {type(error).__name__}") from error
    if not table.schema.equals(expected):
        raise InputError(f"columns {table.schema.names} are not the expected {expected.names}")
    if any(column.null_count for column in table.columns):
        raise InputError("there are missing values")
    _check_rows(table, contributor)
    _check_payloads(table.column("payload"), layout)
    _check_numbers(table, layout)
    return table.append_column(
        layout.schema().field("sent_bytes"), pa.array([len(stream)] * len(table), pa.int64())
    )


def _check_rows(table: pa.Table, contributor: int) -> None:
    if set(table.column("contributor").to_pylist()) - {contributor}:
        raise InputError(f"rows of another contributor than {contributor}, who was asked")
    if table.column("row").to_pylist() != list(range(len(table))):
        raise InputError("rows are not numbered 0, 1, 2, ...")


def _check_payloads(payloads: pa.ChunkedArray, layout: Layout) -> None:
    unit = payload_unit(layout.codec, layout.shape)
    for row, value in enumerate(payloads):
        payload = value.as_buffer()
        fits = payload.size == unit if layout.shape[0] > 0 else payload.size and payload.size % unit == 0
        if not fits:
            raise InputError(f"row {row}: payload of {payload.size} bytes, expected {unit} bytes each")
        if not np.isfinite(decode(payload, layout.codec, (-1,))).all():
            raise InputError(f"row {row}: features are not finite")


def _check_numbers(table: pa.Table, layout: Layout) -> None:
    for name in ("raw_bytes", *(f"{stage}_seconds" for stage in STAGES)):
        values = table.column(name).to_numpy()
        if not (np.isfinite(values) & (values >= 0)).all():
            raise InputError(f"{name}: a measurement is negative or not finite")
    for task in layout.tasks:
        labels = table.column(f"task_{task}").to_numpy()
        if len(labels) and not 0 <= labels.min() <= labels.max() < MOST_CLASSES:
            raise InputError(
                f"task_{task}: labels are from 0 to {MOST_CLASSES - 1}, got {labels.min()} to {labels.max()}"
            )


def append(store: FeatureStore, contributions: Iterable[pa.Table]) -> None:
    """Stores contributions as they come, in commits of about COMMIT_BYTES.

    A contribution is in one commit, so it is stored whole or not at all.
    """
    waiting: list[pa.Table] = []
    size = 0
    try:
        for table in contributions:
            waiting.append(table)
            size += table.nbytes
            if size >= COMMIT_BYTES:
                full, waiting, size = waiting, [], 0  # before the commit: an interrupt must not repeat it
                _commit(store, full)
    finally:  # an interrupt keeps what has arrived
        _commit(store, waiting)


def _commit(store: FeatureStore, tables: list[pa.Table]) -> None:
    if sum(map(len, tables)):
        rows = pa.concat_tables(tables).replace_schema_metadata(store.layout.schema().metadata)
        lance.write_dataset(rows, str(store.path), mode="append")
