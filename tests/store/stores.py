"""Stores with random features, which can be searched for in files."""

from pathlib import Path

import pyarrow as pa

from tiprdc_fl import seeding
from tiprdc_fl.store.append import append
from tiprdc_fl.store.feature_store import FeatureStore, open_store
from tiprdc_fl.store.layout import STAGES, Layout

LAYOUT = Layout("digest", "float16", (64,), ("Smiling",))


def payloads(contributor: int) -> list[bytes]:
    """Three examples' features, 128 random bytes each."""
    return [seeding.generator(7, contributor, row).bytes(128) for row in range(3)]


def rows(contributor: int, **changes) -> pa.Table:
    columns = {
        "contributor": [contributor] * 3,
        "row": [0, 1, 2],
        "payload": payloads(contributor),
        "raw_bytes": [10] * 3,
        "task_Smiling": [0, 1, 0],
        "sent_bytes": [500] * 3,
        **{f"{stage}_seconds": [0.1] * 3 for stage in STAGES},
    } | changes
    schema = LAYOUT.schema()
    return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)


def store_at(path: Path, people) -> FeatureStore:
    """A store of several commits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = open_store(path, LAYOUT)
    for contributor in people:
        append(store, [rows(contributor)])
    return open_store(path)
