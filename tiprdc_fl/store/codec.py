"""CODECS: how features become bytes on the device, and features again at the collector.

A payload is one example: its channels one after another, each in the codec's number format, and around them
one zstd frame where the codec's name says so. All functions take a batch of examples at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.store.formats import Format, affine, floats

MOST_STEPS = 4096  # of one message: bounds what the collector decompresses
_LEVEL = 3
_MAGIC = b"\x28\xb5\x2f\xfd"  # of a zstd frame (RFC 8878, 3.1.1)
_GROUP_BYTES = 2**24  # of payloads that are looked at together, however large all of them are


@dataclass(frozen=True)
class Codec:
    """How a payload is made.

    Attributes:
        format: of the numbers.
        zstd: whether a payload is a zstd frame around them.
    """

    format: Format
    zstd: bool = False

    @property
    def label(self) -> str:
        """The numbers, and how far one that comes back is from the one that was sent."""
        packed = ", compressed without loss" if self.zstd else ""
        return f"{self.format.label}{packed}; error: {self.format.error}"


_FORMATS = {
    "float32": floats(32),
    "float16": floats(16),
    "uint8": affine(8),
    "uint4": affine(4),
    "uint2": affine(2),
}
CODECS: dict[str, Codec] = {name: Codec(numbers) for name, numbers in _FORMATS.items()} | {
    f"{name}+zstd": Codec(numbers, zstd=True) for name, numbers in _FORMATS.items()
}


def channels(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and values of a row of one example; rows are -1 for a message, which has one for each step.

    Args:
        shape: of an example's features: (c, h, w), (k,), or (-1, d) for a message of any number of steps.
    """
    rows = 1 if len(shape) == 1 else shape[0]
    return rows, int(np.prod(shape if len(shape) == 1 else shape[1:]))


def payload_unit(codec: str, shape: Sequence[int]) -> int:
    """Bytes, before zstd, of one image's payload, or of one step of a message's."""
    rows, values = channels(shape)
    return abs(rows) * CODECS[codec].format.row_bytes(values)


def encode(rows: Tensor, counts: np.ndarray, codec: str) -> tuple[np.ndarray, np.ndarray]:
    """The payloads of examples.

    Args:
        rows: channels of all examples one after another, float32 or bfloat16 [r, values] on the CPU.
        counts: rows of each example, int64 [n].
        codec: a key of CODECS.

    Returns:
        all payloads end to end, uint8 [total], perhaps in the memory of ``rows``; bytes of each, int64 [n].

    Raises:
        InputError: a value is not finite, or not once it is encoded.
    """
    chosen = CODECS[codec]
    packed = chosen.format.pack(rows)
    flawed = np.any(list(chosen.format.flaws(packed).values()), axis=0)
    if flawed.any():
        raise InputError(_not_finite(rows, counts, codec, int(flawed.argmax())))
    body, sizes = packed.reshape(-1), counts * packed.shape[1]
    return _compressed(body, sizes) if chosen.zstd else (body, sizes)


def _not_finite(rows: Tensor, counts: np.ndarray, codec: str, row: int) -> str:
    example = int(np.searchsorted(np.cumsum(counts), row, side="right"))
    remedy = "" if codec.startswith("float32") else "; use federation.codec=float32"
    largest = float(rows[row].abs().max())
    return (
        f"features of example {example} are not finite in {codec} (largest magnitude {largest:.3g}){remedy}"
    )


def decode(
    payload: np.ndarray | bytes | memoryview, sizes: np.ndarray, codec: str, values: int
) -> tuple[Tensor, np.ndarray]:
    """The inverse of ``encode``, for payloads in which ``faults`` finds nothing.

    Args:
        payload: all payloads end to end.
        sizes: bytes of each, int64 [n].
        codec: a key of CODECS.
        values: of one row.

    Returns:
        rows, float32 [r, values], and rows of each example, int64 [n].
    """
    chosen = CODECS[codec]
    width = chosen.format.row_bytes(values)
    if chosen.zstd:
        reader = zstandard.ZstdDecompressor()
        bodies = [reader.decompress(part) for part in _parts(payload, sizes)]
        payload, sizes = b"".join(bodies), np.array([len(body) for body in bodies], np.int64)
    packed = np.frombuffer(payload, np.uint8).reshape(-1, width)
    return chosen.format.unpack(packed, values), sizes // width


def _parts(payload: np.ndarray | bytes | memoryview, sizes: np.ndarray) -> list[memoryview]:
    """Each example's payload, without a copy."""
    view, ends = np.frombuffer(payload, np.uint8).data, np.cumsum(sizes)
    pairs = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
    return [view[start:end] for start, end in pairs]


def _compressed(body: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A frame for each example, with the size of its content in the header."""
    writer = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True, write_checksum=False)
    frames = [writer.compress(part) for part in _parts(body, sizes)]
    return np.frombuffer(b"".join(frames), np.uint8), np.array([len(one) for one in frames], np.int64)


def faults(payload: np.ndarray, sizes: np.ndarray, codec: str, shape: Sequence[int]) -> dict[int, str]:
    """Which examples are no payloads of this codec and shape, and why, in one line each.

    Never raises, whatever the bytes are, and never decompresses more than the shape allows: a frame's header
    is believed only where it names a size that fits, and its body has no more room than that.

    Args:
        payload: all payloads end to end, uint8 [total].
        sizes: bytes of each, int64 [n].
        codec: a key of CODECS.
        shape: of an example's features, as in ``channels``.
    """
    if len(sizes) and (sizes.min() < 0 or sizes.max() > len(payload) or sizes.sum() != len(payload)):
        rest = f"bytes, and all of them do not add up to the {len(payload)} bytes there are"
        return {number: f"payload of {size} {rest}" for number, size in enumerate(sizes.tolist())}
    chosen, parts, found = CODECS[codec], _parts(payload, sizes), {}
    contents = np.array([_content(part) for part in parts], np.int64) if chosen.zstd else sizes
    _check_sizes(contents, codec, shape, found)
    width = chosen.format.row_bytes(channels(shape)[1])
    for group in _groups(contents, found):
        bodies = _opened(parts, contents, group, found) if chosen.zstd else {n: parts[n] for n in group}
        packed = np.frombuffer(b"".join(bodies.values()), np.uint8).reshape(-1, width)
        numbers = np.array([*bodies], np.int64)
        owners = np.repeat(numbers, contents[numbers] // width)
        for reason, rows in chosen.format.flaws(packed).items():
            found.update(dict.fromkeys(owners[rows].tolist(), reason))
    return dict(sorted(found.items()))


def _content(frame: memoryview) -> int:
    """Bytes that a frame says it holds: -1 where it does not, -2 where it is none."""
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError:
        return -2
    if frame[:4] != _MAGIC:  # the library takes skippable frames, too
        return -2
    return -1 if parameters.content_size > 2**62 else parameters.content_size


def _check_sizes(contents: np.ndarray, codec: str, shape: Sequence[int], found: dict[int, str]) -> None:
    """Adds the examples whose contents have no size of this shape."""
    unit, message = payload_unit(codec, shape), channels(shape)[0] < 0
    units = contents // unit
    fits = (contents % unit == 0) & (units >= 1) & (units <= (MOST_STEPS if message else 1))
    expected = f"1 to {MOST_STEPS} times {unit} bytes" if message else f"{unit} bytes"
    word = "zstd frame with" if CODECS[codec].zstd else "payload of"
    unsized = {-2: "not a zstd frame", -1: "zstd frame does not say the size of its content"}
    for number in np.flatnonzero(~fits).tolist():
        size = int(contents[number])
        found[number] = unsized.get(size, f"{word} {size} bytes, expected {expected}")


def _groups(contents: np.ndarray, found: dict[int, str]) -> Iterator[list[int]]:
    """Numbers of the examples without faults so far, in groups of about _GROUP_BYTES before zstd."""
    good = np.setdiff1d(np.arange(len(contents)), list(found))
    edges = np.flatnonzero(np.diff(np.cumsum(contents[good]) // _GROUP_BYTES)) + 1
    yield from (group.tolist() for group in np.split(good, edges) if len(group))


def _opened(
    parts: list[memoryview], contents: np.ndarray, group: list[int], found: dict[int, str]
) -> dict[int, bytes]:
    """What a group's frames hold, by example; those that cannot be read are added to ``found`` instead."""
    reader, bodies = zstandard.ZstdDecompressor(), {}
    for number in group:
        try:
            # The library makes room for what the header says, and fails where the frame holds more or less.
            room = int(contents[number])
            bodies[number] = reader.decompress(parts[number], max_output_size=room, allow_extra_data=False)
        except zstandard.ZstdError as error:
            found[number] = f"zstd frame cannot be read: {error}"
    return bodies
