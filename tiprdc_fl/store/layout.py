"""Columns of a store, and what a contribution may hold."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

STAGES = ("load", "prepare", "forward", "encode")


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
