"""What contributors send: how it travels, and whether it is what was asked for.

The contributions that one message brings travel as one safetensors file: columns of numbers with their types and
shapes in a header, nothing compressed and nothing that could be run. A column has a value for each contributor or
for each example; ``examples`` says how many examples each contributor has. The header says what was asked for, and
has the SHA-256 of the columns.
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

MOST_BYTES = 2**29  # of a message's contributions, looked at before they are parsed
MOST_HEADER = 2**16  # bytes of it that say what the columns are
MOST_ROWS = 1_000_000  # examples in a message: forty times what a full one has
MOST_SECONDS = 86_400.0  # of a stage
MOST_RAW_BYTES = 2**26  # of an example
MOST_EXAMPLES = 100_000  # of a contributor: four times the most that anybody wrote in the datasets here
MOST_CLASSES = 100  # of an attribute; a larger label is an error or an attack
HEADER = "tiprdc_fl.contributions"


@dataclass(frozen=True, eq=False)
class Contributions:
    """What several contributors send, column by column: k contributors with n examples in all.

    Attributes:
        contributor: ids, int64 [k].
        examples: how many each of them has, int32 [k].
        seconds: of each stage of their work, float64 [k, stages].
        payload: their examples' encoded features laid end to end, uint8 [bytes].
        payload_bytes: size of each example's, int32 [n].
        raw_bytes: size of each raw example, int32 [n].
        labels: of the tasks, int8 [n, tasks].
    """

    contributor: np.ndarray
    examples: np.ndarray
    seconds: np.ndarray
    payload: np.ndarray
    payload_bytes: np.ndarray
    raw_bytes: np.ndarray
    labels: np.ndarray


# Type and dimensions of every column.
COLUMNS: dict[str, tuple[str, int]] = {
    "contributor": ("<i8", 1),
    "examples": ("<i4", 1),
    "seconds": ("<f8", 2),
    "payload": ("|u1", 1),
    "payload_bytes": ("<i4", 1),
    "raw_bytes": ("<i4", 1),
    "labels": ("|i1", 2),
}


def joined(parts: Sequence[Contributions], tasks: int) -> Contributions:
    """Several of them as one; none of them as one without contributors."""
    empty = {"seconds": (0, len(STAGES)), "labels": (0, tasks)}
    columns = {
        name: np.concatenate([np.empty(empty.get(name, (0,)), kind), *(getattr(one, name) for one in parts)])
        for name, (kind, _) in COLUMNS.items()
    }
    return Contributions(**{name: column.astype(COLUMNS[name][0]) for name, column in columns.items()})


def pack(contributions: Contributions, layout: Layout) -> bytes:
    """The contributions as a safetensors file that says what they answer."""
    columns = dict(vars(contributions))
    header = {HEADER: json.dumps([_answers_to(layout), _digest(columns)])}
    return save(columns, metadata=header)


def unpack(data: bytes, layout: Layout, asked: int) -> Contributions:
    """The contributions in a safetensors file, once their columns fit one another and the request.

    Args:
        data: as ``pack`` makes it; from outside.
        layout: what was asked for.
        asked: of how many contributors.

    Raises:
        InputError: what is wrong with it; nothing in it is then of use.
    """
    size = int.from_bytes(data[:8], "little")
    if len(data) > MOST_BYTES or size > MOST_HEADER:
        raise InputError(
            f"{len(data):,} bytes with a header of {size:,}: at most {MOST_BYTES:,} and {MOST_HEADER:,} are read"
        )
    try:
        columns = load(data)
        answers_to, digest = json.loads(json.loads(data[8 : 8 + size])["__metadata__"][HEADER])
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"not a file of contributions: {type(error).__name__}") from error
    if answers_to != _answers_to(layout):
        raise InputError(f"answers to {answers_to!r:.200}, asked was {_answers_to(layout)}")
    _check_columns(columns)
    if digest != _digest(columns):
        raise InputError(f"digest {digest!r:.80} is not that of the columns")
    found = Contributions(**columns)
    _check_counts(found, layout, asked)
    return found


def _answers_to(layout: Layout) -> dict[str, object]:
    """The part of a layout that a contribution must know; as JSON gives it back."""
    return json.loads(json.dumps(asdict(layout)))


def _digest(columns: dict[str, np.ndarray]) -> str:
    """SHA-256 over the columns: what was damaged on its way is refused."""
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


def _check_counts(found: Contributions, layout: Layout, asked: int) -> None:
    """Columns of one length where they must be, and sizes that add up."""
    for name in ("examples", "payload_bytes", "raw_bytes"):
        if (getattr(found, name) < 0).any():
            raise InputError(f"{name}: a negative number")
    people, rows = len(found.contributor), int(found.examples.sum(dtype=np.int64))
    if people > asked or rows > MOST_ROWS:
        raise InputError(
            f"{people:,} contributors with {rows:,} examples, at most {asked:,} with {MOST_ROWS:,} are accepted"
        )
    shapes = {
        "examples": (people,),
        "seconds": (people, len(STAGES)),
        "payload_bytes": (rows,),
        "raw_bytes": (rows,),
        "labels": (rows, len(layout.tasks)),
        "payload": (int(found.payload_bytes.sum(dtype=np.int64)),),
    }
    for name, shape in shapes.items():
        if getattr(found, name).shape != shape:
            raise InputError(f"{name}: shape {getattr(found, name).shape}, expected {shape}")


def judge(found: Contributions, asked: Sequence[int], layout: Layout) -> dict[int, str]:
    """What is wrong with which contributor's contribution, by position in ``found``; the others are valid.

    Args:
        found: as ``unpack`` returns it.
        asked: contributors that the message was for.
        layout: what was asked for.
    """
    owner = np.repeat(np.arange(len(found.contributor)), found.examples)
    wrong: dict[int, str] = {}

    def blame(positions: np.ndarray, reason: str) -> None:
        for position in positions.tolist():
            wrong.setdefault(position, reason)

    first = np.zeros(len(found.contributor), bool)
    first[np.unique(found.contributor, return_index=True)[1]] = True
    blame(np.flatnonzero(~np.isin(found.contributor, np.asarray(asked, np.int64))), "was not asked")
    blame(np.flatnonzero(~first), "is named twice in a reply")
    blame(np.flatnonzero(found.examples > MOST_EXAMPLES), f"more than {MOST_EXAMPLES:,} examples")
    timed = ((found.seconds >= 0) & (found.seconds <= MOST_SECONDS)).all(axis=1)  # a NaN is neither
    blame(np.flatnonzero(~timed), f"seconds: a measurement is not from 0 to {MOST_SECONDS:,.0f}")
    blame(np.unique(owner[found.raw_bytes > MOST_RAW_BYTES]), f"raw_bytes are more than {MOST_RAW_BYTES:,}")
    known = ((found.labels >= 0) & (found.labels < MOST_CLASSES)).all(axis=1)
    blame(np.unique(owner[~known]), f"labels are from 0 to {MOST_CLASSES - 1}")
    starts = np.cumsum(found.examples) - found.examples
    for row, reason in faults(found.payload, found.payload_bytes, layout.codec, layout.shape).items():
        position = int(owner[row])
        wrong.setdefault(position, f"row {row - starts[position]}: {reason}")
    return wrong


def to_table(found: Contributions, wrong: set[int], layout: Layout) -> pa.Table:
    """The store's rows of the contributions, those at the positions ``wrong`` left out."""
    owner = np.repeat(np.arange(len(found.contributor)), found.examples)
    starts = np.cumsum(found.examples) - found.examples
    columns = {
        "contributor": found.contributor[owner],
        "row": (np.arange(len(owner)) - starts[owner]).astype(np.int32),
        "payload": _binary(found.payload, found.payload_bytes),
        "raw_bytes": found.raw_bytes.astype(np.int64),
        **{f"task_{task}": found.labels[:, number] for number, task in enumerate(layout.tasks)},
        **{f"{stage}_seconds": found.seconds[owner, number] for number, stage in enumerate(STAGES)},
        "sent_bytes": sent_bytes(found, layout)[owner],
    }
    schema = layout.schema()
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema)
    return table.filter(pa.array(~np.isin(owner, list(wrong)))) if wrong else table


def _binary(payload: np.ndarray, sizes: np.ndarray) -> pa.Array:
    """The payloads as a column, without a copy."""
    offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(sizes), [None, pa.py_buffer(offsets), pa.py_buffer(payload)]
    )


def payloads_of(found: Contributions, positions: Sequence[int]) -> dict[int, memoryview]:
    """The payload of the contributors at some positions."""
    ends = np.concatenate([[0], np.cumsum(found.payload_bytes, dtype=np.int64)])
    last = np.cumsum(found.examples, dtype=np.int64)
    starts, stops = ends[last - found.examples], ends[last]
    return {one: memoryview(found.payload.data[starts[one] : stops[one]]) for one in positions}


def sent_bytes(found: Contributions, layout: Layout) -> np.ndarray:
    """Size of each contributor's contribution as a message of its own, int64 [k]; within 1 % or 64 bytes."""
    owner = np.repeat(np.arange(len(found.contributor)), found.examples)
    payload = np.bincount(owner, found.payload_bytes, len(found.contributor)).astype(np.int64)
    example = sum(np.dtype(COLUMNS[name][0]).itemsize for name in ("payload_bytes", "raw_bytes"))
    frame = len(pack(joined([], len(layout.tasks)), layout)) + 16 + found.seconds[:1].nbytes
    return frame + payload + found.examples * (example + len(layout.tasks))
