"""Contributions: their columns, their encoding as one safetensors file, and their validation.

All contributions of one message travel as one safetensors file: typed columns of numbers, uncompressed, with
nothing executable. A column has one value for each contributor or for each example; ``examples`` says how many
examples each contributor has. The header repeats the request's layout and holds the SHA-256 of the columns.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tiprdc_fl.errors import InputError
from tiprdc_fl.store.codec import faults
from tiprdc_fl.store.layout import STAGES, Layout

# Limits on what is accepted from outside.
MAX_BYTES = 2**29  # a message's contributions; checked before they are parsed
MAX_HEADER_BYTES = 2**16  # the safetensors header, which describes the columns
MAX_ROWS = 1_000_000  # examples in a message: forty times those of a full message
MAX_SECONDS = 86_400.0  # one stage
MAX_RAW_BYTES = 2**30  # of the raw examples behind one item
MAX_EXAMPLES = 100_000  # of a contributor: four times the largest contributor of the datasets here
MAX_CLASSES = 100  # of an attribute; a larger label is an error or an attack
HEADER = "tiprdc_fl.contributions"


@dataclass(frozen=True, eq=False)
class Contributions:
    """What several contributors send, column by column: k contributors with n examples in all.

    Attributes:
        contributor: ids, int64 [k].
        examples: number of examples of each contributor, int32 [k].
        seconds: seconds that each stage took, float64 [k, stages].
        payload: encoded features of all examples, end to end, uint8 [bytes].
        payload_bytes: bytes of the payload that belong to each example, int32 [n].
        raw_bytes: size of each raw example, int32 [n].
        labels: task labels of each example, int8 [n, tasks].
    """

    contributor: np.ndarray
    examples: np.ndarray
    seconds: np.ndarray
    payload: np.ndarray
    payload_bytes: np.ndarray
    raw_bytes: np.ndarray
    labels: np.ndarray


# Type and number of dimensions of each column.
COLUMNS: dict[str, tuple[str, int]] = {
    "contributor": ("<i8", 1),
    "examples": ("<i4", 1),
    "seconds": ("<f8", 2),
    "payload": ("|u1", 1),
    "payload_bytes": ("<i4", 1),
    "raw_bytes": ("<i4", 1),
    "labels": ("|i1", 2),
}


def concatenate(parts: Sequence[Contributions], tasks: int) -> Contributions:
    """The contributions of all parts; of no parts, contributions of no contributors.

    Args:
        parts: contributions with the same tasks.
        tasks: number of tasks.
    """
    empty = {"seconds": (0, len(STAGES)), "labels": (0, tasks)}
    columns = {}
    for name, (kind, _) in COLUMNS.items():
        pieces = [np.empty(empty.get(name, (0,)), kind)]
        pieces += [getattr(part, name) for part in parts]
        columns[name] = np.concatenate(pieces).astype(kind)
    return Contributions(**columns)


def pack(contributions: Contributions, layout: Layout) -> bytes:
    """Encodes the contributions as a safetensors file whose header repeats the layout."""
    columns = dict(vars(contributions))
    header = {HEADER: json.dumps([_layout_fields(layout), _digest(columns)])}
    return save(columns, metadata=header)


def unpack(data: bytes, layout: Layout, asked: int) -> Contributions:
    """Decodes contributions from outside, and checks that their columns fit one another and the request.

    Args:
        data: a safetensors file, as ``pack`` returns it.
        layout: the layout that was requested.
        asked: number of contributors that were asked.

    Raises:
        InputError: the file as a whole is invalid, so no contribution in it can be used.
    """
    header_bytes = int.from_bytes(data[:8], "little")
    if len(data) > MAX_BYTES or header_bytes > MAX_HEADER_BYTES:
        raise InputError(
            f"{len(data):,} bytes with a header of {header_bytes:,}: at most {MAX_BYTES:,} and "
            f"{MAX_HEADER_BYTES:,} are accepted"
        )
    try:
        columns = load(data)
        answers_to, digest = json.loads(json.loads(data[8 : 8 + header_bytes])["__metadata__"][HEADER])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"not a file of contributions: {type(error).__name__}") from error
    if answers_to != _layout_fields(layout):
        raise InputError(f"answers to {answers_to!r:.200}, but {_layout_fields(layout)} was requested")
    _check_columns(columns)
    if digest != _digest(columns):
        raise InputError(f"digest {digest!r:.80} is not that of the columns")
    contributions = Contributions(**columns)
    _check_counts(contributions, layout, asked)
    return contributions


def _layout_fields(layout: Layout) -> dict[str, object]:
    """The layout as JSON returns it, so that it compares equal to a layout read from a header."""
    return json.loads(json.dumps(asdict(layout)))


def _digest(columns: dict[str, np.ndarray]) -> str:
    """SHA-256 of the columns; it detects damage in transit."""
    digest = hashlib.sha256()
    for name in COLUMNS:
        digest.update(np.ascontiguousarray(columns[name]).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _check_columns(columns: dict[str, np.ndarray]) -> None:
    if set(columns) != set(COLUMNS):
        raise InputError(f"columns {sorted(columns)!r:.200} are not the expected {sorted(COLUMNS)}")
    for name, (kind, dimensions) in COLUMNS.items():
        column = columns[name]
        if column.dtype != np.dtype(kind) or column.ndim != dimensions:
            raise InputError(
                f"{name}: {column.dtype} in {column.ndim} dimensions, expected {np.dtype(kind)} in {dimensions}"
            )


def _check_counts(contributions: Contributions, layout: Layout, asked: int) -> None:
    """Checks the shapes of the columns against one another, the layout and the number of contributors asked."""
    for name in ("examples", "payload_bytes", "raw_bytes"):
        if (getattr(contributions, name) < 0).any():
            raise InputError(f"{name}: negative numbers are not accepted")
    people, rows = len(contributions.contributor), int(contributions.examples.sum(dtype=np.int64))
    if people > asked or rows > MAX_ROWS:
        raise InputError(
            f"{people:,} contributors with {rows:,} examples, at most {asked:,} with {MAX_ROWS:,} are accepted"
        )
    shapes = {
        "examples": (people,),
        "seconds": (people, len(STAGES)),
        "payload_bytes": (rows,),
        "raw_bytes": (rows,),
        "labels": (rows, len(layout.tasks)),
        "payload": (int(contributions.payload_bytes.sum(dtype=np.int64)),),
    }
    for name, shape in shapes.items():
        if getattr(contributions, name).shape != shape:
            raise InputError(f"{name}: shape {getattr(contributions, name).shape}, expected {shape}")


def rejections(contributions: Contributions, asked: Sequence[int], layout: Layout) -> dict[int, str]:
    """Reasons to reject single contributions, by position; contributions without a reason are valid.

    Args:
        contributions: as ``unpack`` returns them.
        asked: ids of the contributors that the message asked.
        layout: the layout that was requested.
    """
    owner = np.repeat(np.arange(len(contributions.contributor)), contributions.examples)
    reasons: dict[int, str] = {}

    def reject(positions: np.ndarray, reason: str) -> None:
        for position in positions.tolist():
            reasons.setdefault(position, reason)

    first = np.zeros(len(contributions.contributor), bool)
    first[np.unique(contributions.contributor, return_index=True)[1]] = True
    reject(np.flatnonzero(~np.isin(contributions.contributor, np.asarray(asked, np.int64))), "was not asked")
    reject(np.flatnonzero(~first), "is named twice in a reply")
    reject(np.flatnonzero(contributions.examples > MAX_EXAMPLES), f"more than {MAX_EXAMPLES:,} examples")
    seconds = contributions.seconds
    timed = ((seconds >= 0) & (seconds <= MAX_SECONDS)).all(axis=1)  # False for a NaN
    reject(np.flatnonzero(~timed), f"seconds: a measurement is not from 0 to {MAX_SECONDS:,.0f}")
    oversized = np.unique(owner[contributions.raw_bytes > MAX_RAW_BYTES])
    reject(oversized, f"raw_bytes are more than {MAX_RAW_BYTES:,}")
    known = ((contributions.labels >= 0) & (contributions.labels < MAX_CLASSES)).all(axis=1)
    reject(np.unique(owner[~known]), f"labels are from 0 to {MAX_CLASSES - 1}")
    starts = np.cumsum(contributions.examples) - contributions.examples
    payload, sizes = contributions.payload, contributions.payload_bytes
    for row, reason in faults(payload, sizes, layout.codec, layout.shape).items():
        position = int(owner[row])
        reasons.setdefault(position, f"row {row - starts[position]}: {reason}")
    return reasons


def to_table(contributions: Contributions, skipped: set[int], layout: Layout) -> pa.Table:
    """The contributions as rows of the store.

    Args:
        contributions: k contributions.
        skipped: positions of contributions to leave out.
        layout: the store's layout.
    """
    owner = np.repeat(np.arange(len(contributions.contributor)), contributions.examples)
    starts = np.cumsum(contributions.examples) - contributions.examples
    columns = {
        "contributor": contributions.contributor[owner],
        "row": (np.arange(len(owner)) - starts[owner]).astype(np.int32),
        "payload": _binary(contributions.payload, contributions.payload_bytes),
        "raw_bytes": contributions.raw_bytes.astype(np.int64),
        **{f"task_{task}": contributions.labels[:, number] for number, task in enumerate(layout.tasks)},
        **{f"{stage}_seconds": contributions.seconds[owner, number] for number, stage in enumerate(STAGES)},
        "sent_bytes": sent_bytes(contributions, layout)[owner],
    }
    schema = layout.schema()
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema)
    return table.filter(pa.array(~np.isin(owner, list(skipped)))) if skipped else table


def _binary(payload: np.ndarray, sizes: np.ndarray) -> pa.Array:
    """The payloads as an Arrow column, without a copy."""
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(payload)]
    )


def payloads_of(contributions: Contributions, positions: Sequence[int]) -> dict[int, memoryview]:
    """Payloads of the contributors at the given positions, by position."""
    ends = np.concatenate([[0], np.cumsum(contributions.payload_bytes, dtype=np.int64)])
    last = np.cumsum(contributions.examples, dtype=np.int64)
    starts, stops = ends[last - contributions.examples], ends[last]
    payload = contributions.payload.data
    return {position: memoryview(payload[starts[position] : stops[position]]) for position in positions}


def sent_bytes(contributions: Contributions, layout: Layout) -> np.ndarray:
    """Size of each contribution as a message of its own, in bytes, int64 [k]; exact within 1 % or 64 bytes."""
    owner = np.repeat(np.arange(len(contributions.contributor)), contributions.examples)
    payload = np.bincount(owner, contributions.payload_bytes, len(contributions.contributor)).astype(np.int64)
    example = sum(np.dtype(COLUMNS[name][0]).itemsize for name in ("payload_bytes", "raw_bytes"))
    frame = len(pack(concatenate([], len(layout.tasks)), layout)) + 16 + contributions.seconds[:1].nbytes
    return frame + payload + contributions.examples * (example + len(layout.tasks))
