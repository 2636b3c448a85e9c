"""The feature store: a Lance dataset with one row for each example that contributors sent.

Columns: contributor (int64), row (int32, number of the example among those of its contributor), payload (encoded
features), task_NAME (int8 label), raw_bytes (size of the raw example). The contributor's measurements are repeated
on each of its rows: seconds of each stage on the device, and sent_bytes of the whole contribution. Codec and
feature shape are in the schema's metadata.
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
        path: folder of the Lance dataset.
        layout: what the dataset holds.
    """

    path: Path
    layout: Layout

    @cached_property
    def _dataset(self) -> lance.LanceDataset:
        return open_lance(self.path)

    @cached_property
    def keys(self) -> pa.Table:
        """All columns except the payload, sorted by (contributor, row), with the ``position`` of each row.

        Two stores of the same features differ in the positions, because replies arrive in any order.

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
        """SHA-256 over the layout and over the SHA-256 of each row, sorted by (contributor, row).

        The SHA-256 of a row covers contributor, row, task labels and payload, but no measurements or sizes. Rows
        are read in the order of their positions, so only some 50 bytes of each are in memory at a time.

        Raises:
            InputError: the store is damaged.
        """
        with reading(self.path):
            people, rows, hashes = self._hashes()
        result = hashlib.sha256(json.dumps(asdict(self.layout)).encode())
        order = np.lexsort((rows, people))
        for start in range(0, len(order), 2**16):  # in parts, to bound the memory of a copy
            result.update(hashes[order[start : start + 2**16]].tobytes())
        return result.hexdigest()

    def _hashes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Contributor, int64 [n], row, int32 [n], and SHA-256, uint8 [n, 32], in the order of positions."""
        names = ["contributor", "row", *(f"task_{task}" for task in self.layout.tasks)]
        count, start = self._dataset.count_rows(), 0
        people, rows = np.empty(count, np.int64), np.empty(count, np.int32)
        hashes = np.empty((count, 32), np.uint8)
        for batch in scan(self._dataset, [*names, "payload"]):
            span = slice(start, start := start + len(batch))
            people[span], rows[span] = (batch.column(name).to_numpy() for name in names[:2])
            hashes[span] = _row_hashes(
                [batch.column(name).to_numpy() for name in names], batch.column("payload")
            )
        return people, rows, hashes


def _row_hashes(numbers: Sequence[np.ndarray], payloads: pa.Array) -> np.ndarray:
    """SHA-256 of each row, uint8 [n, 32]: over its numbers in little-endian order, then its payload."""
    parts = [number.astype(number.dtype.newbyteorder("<")).view(np.uint8) for number in numbers]
    heads = np.hstack([part.reshape(len(payloads), -1) for part in parts])
    hashes = bytearray()
    for head, payload in zip(heads, payloads, strict=True):
        row_hash = hashlib.sha256(head)
        row_hash.update(payload.as_buffer())
        hashes += row_hash.digest()
    return np.frombuffer(hashes, np.uint8).reshape(-1, 32)


def open_store(path: Path, layout: Layout | None = None) -> FeatureStore:
    """Opens the store at ``path``.

    Args:
        path: folder of the Lance dataset.
        layout: the layout that the store must have; a missing store is created with it. None accepts any layout.

    Raises:
        InputError: the store is missing, cannot be read, or has another layout.
    """
    if not path.exists():
        if layout is None:
            raise InputError(
                f"{path}: there is no feature store; name a run folder that has collected features"
            )
        with writing(path):
            lance.write_dataset(layout.schema().empty_table(), str(path))
    if not path.is_dir():
        raise InputError(f"{path}: not a feature store of tiprdc_fl: it is a file, not a folder")
    metadata = open_lance(path).schema.metadata
    try:
        fields = json.loads(metadata[b"layout"])
        stored = Layout(
            extractor=fields["extractor"],
            codec=fields["codec"],
            shape=tuple(fields["shape"]),
            tasks=tuple(fields["tasks"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a feature store of tiprdc_fl ({error})") from error
    if layout not in (None, stored):
        raise InputError(
            f"{path}: holds features of another run ({stored}, not {layout}); use another run_dir"
        )
    return FeatureStore(path, stored)


def stored_contributors(store: FeatureStore) -> set[int]:
    """Ids of the contributors whose contributions are committed.

    Raises:
        InputError: the store is damaged.
    """
    contributors: set[int] = set()
    with reading(store.path):
        for batch in scan(open_lance(store.path), ["contributor"]):
            contributors.update(np.unique(batch.column("contributor").to_numpy()).tolist())
    return contributors
