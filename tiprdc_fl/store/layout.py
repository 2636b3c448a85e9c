"""Layout: the columns of a feature store and what its features are."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

STAGES = ("load", "prepare", "forward", "encode")


def contribution_schema(tasks: Sequence[str]) -> pa.Schema:
    """Columns that a contributor sends: features, task labels, measurements; no others are accepted."""
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
    """What a store holds; it is kept in the metadata of the store's schema.

    Attributes:
        extractor: digest of the extractor that made the features.
        codec: key of CODECS, which encoded the features.
        shape: shape of one example's features: (c, h, w), (k,), (-1, d) for messages of any number of steps, or
            (1, k) for messages of one.
        tasks: names of the task attributes whose labels are stored.
    """

    extractor: str
    codec: str
    shape: tuple[int, ...]
    tasks: tuple[str, ...]

    def schema(self) -> pa.Schema:
        """Columns of the store: those of a contribution, and the size of the contribution as received."""
        sent = pa.field("sent_bytes", pa.int64(), nullable=False)
        return (
            contribution_schema(self.tasks).append(sent).with_metadata({"layout": json.dumps(asdict(self))})
        )
