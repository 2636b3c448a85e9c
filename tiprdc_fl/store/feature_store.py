"""The feature store: a Lance dataset with a row for each example that contributors sent.

Columns: contributor (int64), row (int32, the example's number among the contributor's own), payload
(encoded features), task_NAME (int8 label), raw_bytes (size of the raw example), measurements of the
contributor, repeated on each of its rows (seconds of each stage on the device, sent_bytes of the whole
contribution). Codec and feature shape are in the schema's metadata. ``python -m tiprdc_fl.store`` runs the
commands of ``__main__``.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from tiprdc_fl.disk import reading, writing
from tiprdc_fl.errors import InputError
from tiprdc_fl.store.codec import channels, decode
from tiprdc_fl.store.lance import open_lance, scan
from tiprdc_fl.store.layout import Layout


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
