"""CODECS: encode features as bytes on the device, and decode them at the collector.

A payload holds one example: its channels one after another, each in the codec's number format. A codec whose name
ends in "+zstd" puts them into one zstd frame. All functions take a batch of examples at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import zstandard
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.store.formats import Format, affine, floats

MAX_STEPS = 4096  # of one message; bounds what the collector decompresses
_LEVEL = 3
_MAGIC = b"\x28\xb5\x2f\xfd"  # first bytes of a zstd frame (RFC 8878, 3.1.1)
_GROUP_BYTES = 2**24  # payloads are checked in groups of this size, to bound the memory


@dataclass(frozen=True)
class Codec:
    """How an example becomes a payload.

    Attributes:
        format: number format of the channels.
        zstd: whether the payload is a zstd frame around them.
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
    """Number of rows of one example, and number of values in a row.

    Args:
        shape: shape of an example's features: (c, h, w), (k,), (-1, d) for messages of any number of steps, or
            (1, k) for messages of one.

    Returns:
        Rows, -1 for a message, which has one row for each step; and values of a row.
    """
    rows = 1 if len(shape) == 1 else shape[0]
    return rows, int(np.prod(shape if len(shape) == 1 else shape[1:]))


def payload_unit(codec: str, shape: Sequence[int]) -> int:
    """Bytes before zstd of the payload of one image, or of one step of a message."""
    rows, values = channels(shape)
    return abs(rows) * CODECS[codec].format.row_bytes(values)


def encode(rows: Tensor, counts: np.ndarray, codec: str) -> tuple[np.ndarray, np.ndarray]:
    """Encodes examples as payloads.

    Args:
        rows: channels of all examples one after another, float32 or bfloat16 [r, values] on the CPU.
        counts: number of rows of each example, int64 [n].
        codec: key of CODECS.

    Returns:
        All payloads end to end, uint8 [total], which may share memory with ``rows``; size of each in bytes,
        int64 [n].

    Raises:
        InputError: a value is not finite, or too large for the codec.
    """
    chosen = CODECS[codec]
    packed = chosen.format.pack(rows)
    flawed = np.any(list(chosen.format.flaws(packed).values()), axis=0)
    if flawed.any():
        raise InputError(_not_finite(rows, counts, codec, int(flawed.argmax())))
    body, sizes = packed.reshape(-1), counts * packed.shape[1]
    return _compress(body, sizes) if chosen.zstd else (body, sizes)


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
    """Decodes payloads in which ``faults`` invalid nothing; the inverse of ``encode``.

    Args:
        payload: all payloads end to end.
        sizes: size of each payload in bytes, int64 [n].
        codec: key of CODECS.
        values: number of values in a row.

    Returns:
        Rows, float32 [r, values], and the number of rows of each example, int64 [n].
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
    """The payload of each example, without a copy."""
    view, ends = np.frombuffer(payload, np.uint8).data, np.cumsum(sizes)
    pairs = zip((ends - sizes).tolist(), ends.tolist(), strict=True)
    return [view[start:end] for start, end in pairs]


def _compress(body: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compresses each example to a zstd frame whose header states the size of its content."""
    writer = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True, write_checksum=False)
    frames = [writer.compress(part) for part in _parts(body, sizes)]
    return np.frombuffer(b"".join(frames), np.uint8), np.array([len(frame) for frame in frames], np.int64)


def faults(payload: np.ndarray, sizes: np.ndarray, codec: str, shape: Sequence[int]) -> dict[int, str]:
    """Finds the payloads that are invalid for a codec and shape.

    It raises for no bytes whatever, and never decompresses more than the shape allows: a zstd frame is read only if
    its header states a permitted size, and into a buffer of exactly that size.

    Args:
        payload: all payloads end to end, uint8 [total].
        sizes: size of each payload in bytes, int64 [n].
        codec: key of CODECS.
        shape: shape of an example's features, as in ``channels``.

    Returns:
        The reason, in one line, for each invalid example, by its number.
    """
    if len(sizes) and (sizes.min() < 0 or sizes.max() > len(payload) or sizes.sum() != len(payload)):
        rest = f"bytes, and the sizes do not add up to the {len(payload)} bytes received"
        return {number: f"payload of {size} {rest}" for number, size in enumerate(sizes.tolist())}
    chosen, parts, invalid = CODECS[codec], _parts(payload, sizes), {}
    contents = np.array([_content(part) for part in parts], np.int64) if chosen.zstd else sizes
    _check_sizes(contents, codec, shape, invalid)
    width = chosen.format.row_bytes(channels(shape)[1])
    for group in _groups(contents, invalid):
        bodies = _decompress(parts, contents, group, invalid) if chosen.zstd else {n: parts[n] for n in group}
        packed = np.frombuffer(b"".join(bodies.values()), np.uint8).reshape(-1, width)
        numbers = np.array([*bodies], np.int64)
        owners = np.repeat(numbers, contents[numbers] // width)
        for reason, rows in chosen.format.flaws(packed).items():
            invalid.update(dict.fromkeys(owners[rows].tolist(), reason))
    return dict(sorted(invalid.items()))


def _content(frame: memoryview) -> int:
    """Size of the content that a frame's header states, in bytes; -1 if it states none, -2 if it is no frame."""
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError:
        return -2
    if frame[:4] != _MAGIC:  # the library accepts skippable frames too
        return -2
    return -1 if parameters.content_size > 2**62 else parameters.content_size


def _check_sizes(contents: np.ndarray, codec: str, shape: Sequence[int], invalid: dict[int, str]) -> None:
    """Adds to ``invalid`` the examples whose size does not fit the shape."""
    unit, message = payload_unit(codec, shape), channels(shape)[0] < 0
    units = contents // unit
    fits = (contents % unit == 0) & (units >= 1) & (units <= (MAX_STEPS if message else 1))
    expected = f"1 to {MAX_STEPS} times {unit} bytes" if message else f"{unit} bytes"
    word = "zstd frame with" if CODECS[codec].zstd else "payload of"
    unsized = {-2: "not a zstd frame", -1: "zstd frame does not say the size of its content"}
    for number in np.flatnonzero(~fits).tolist():
        size = int(contents[number])
        invalid[number] = unsized.get(size, f"{word} {size} bytes, expected {expected}")


def _groups(contents: np.ndarray, invalid: dict[int, str]) -> Iterator[list[int]]:
    """Yields numbers of the examples that are not in ``invalid``, in groups of about _GROUP_BYTES before zstd."""
    good = np.setdiff1d(np.arange(len(contents)), list(invalid))
    edges = np.flatnonzero(np.diff(np.cumsum(contents[good]) // _GROUP_BYTES)) + 1
    yield from (group.tolist() for group in np.split(good, edges) if len(group))


def _decompress(
    parts: list[memoryview], contents: np.ndarray, group: list[int], invalid: dict[int, str]
) -> dict[int, bytes]:
    """Contents of a group's frames, by example; unreadable frames are added to ``invalid`` instead."""
    reader, bodies = zstandard.ZstdDecompressor(), {}
    for number in group:
        try:
            # The library allocates the stated size, and fails if the frame holds more or less.
            room = int(contents[number])
            bodies[number] = reader.decompress(parts[number], max_output_size=room, allow_extra_data=False)
        except zstandard.ZstdError as error:
            invalid[number] = f"zstd frame cannot be read: {error}"
    return bodies
