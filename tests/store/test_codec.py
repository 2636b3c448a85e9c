"""Codecs: what they keep, and what they refuse of bytes that come from outside."""

import re
import resource
import sys
from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest
import torch
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tiprdc_fl.errors import InputError
from tiprdc_fl.store.codec import CODECS, MAX_STEPS, channels, decode, encode, faults, payload_unit

PLAIN = tuple(name for name in CODECS if "+" not in name)
FLOATS = ("float32", "float16")
LEVELS = {"uint8": 255, "uint4": 15, "uint2": 3}
IMAGE, MESSAGE, COMPONENTS = (3, 2, 5), (-1, 5), (7,)
VALUES = st.floats(-60_000, 60_000, width=32)


def rows_of(examples: int, shape: tuple[int, ...] = IMAGE, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Rectified features, a third of them 0; of messages, 1 to 6 steps each."""
    generator = np.random.default_rng(seed)
    rows, values = channels(shape)
    counts = generator.integers(1, 7, examples) if rows < 0 else np.full(examples, rows)
    drawn = generator.normal(0.5, 1, (counts.sum(), values)).astype(np.float32)
    return torch.from_numpy(drawn).relu(), counts


def bounds(rows: torch.Tensor, codec: str) -> torch.Tensor:
    """The largest error of each value that ``formats`` states for the codec."""
    name = codec.removesuffix("+zstd")
    if name == "float32":
        return torch.zeros_like(rows)
    if name == "float16":
        return torch.maximum(rows.abs() * 2**-11, torch.tensor(2.0**-25))
    least, largest = rows.double().aminmax(dim=1, keepdim=True)
    step = 1.001 * (largest - least + least.abs() / 1024 + 6e-8) / LEVELS[name] + 6e-8
    return step / 2 + torch.maximum(largest.abs(), least.abs()) * 2**-22


@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(VALUES, min_size=3, max_size=3), min_size=1, max_size=12))
@example([[60_000.0, 60_000.0, 60_000.0]])
@example([[-60_000.0, 60_000.0, 0.0]])
@example([[1e-30, 2e-8, 0.0]])
@example([[1e-7, -1e-7, 6e-8]])
def test_what_comes_back_is_within_the_stated_error(codec, values):
    rows = torch.tensor(values)
    payload, sizes = encode(rows, np.array([len(rows)]), codec)
    found, counts = decode(payload, sizes, codec, 3)
    assert (found.dtype, counts.tolist()) == (torch.float32, [len(rows)])
    assert ((found.double() - rows).abs() <= bounds(rows, codec)).all()
    assert faults(payload, sizes, codec, (-1, 3)) == {}


@pytest.mark.parametrize("shape", [IMAGE, MESSAGE, COMPONENTS, (3, 8, 8)])
@pytest.mark.parametrize("codec", CODECS)
def test_every_shape_comes_back_with_its_counts(codec, shape):
    rows, counts = rows_of(9, shape)
    payload, sizes = encode(rows, counts, codec)
    assert (payload.dtype, payload.shape, sizes.dtype) == (np.uint8, (sizes.sum(),), np.int64)
    for bytes_ in (payload, payload.tobytes(), memoryview(payload.tobytes())):
        found, again = decode(bytes_, sizes, codec, channels(shape)[1])
        assert np.array_equal(again, counts)
        assert ((found.double() - rows).abs() <= bounds(rows, codec)).all()
    found += 1  # memory of its own
    assert faults(payload, sizes, codec, shape) == {}
    if codec in PLAIN:
        units = counts if shape[0] < 0 else 1
        assert (sizes == payload_unit(codec, shape) * units).all()


@pytest.mark.parametrize("codec", CODECS)
def test_an_example_is_encoded_alike_alone_and_in_a_batch(codec):
    rows, counts = rows_of(5, MESSAGE)
    payload, sizes = encode(rows, counts, codec)
    alone = [encode(part, np.array([len(part)]), codec)[0] for part in rows.split(counts.tolist())]
    assert np.array_equal(np.concatenate(alone), payload)
    assert [len(one) for one in alone] == sizes.tolist()


@pytest.mark.parametrize("codec", CODECS)
def test_nothing_gives_nothing(codec):
    payload, sizes = encode(torch.zeros(0, 10), np.zeros(0, np.int64), codec)
    assert (len(payload), len(sizes)) == (0, 0)
    rows, counts = decode(payload, sizes, codec, 10)
    assert (rows.shape, len(counts)) == ((0, 10), 0)
    assert faults(payload, sizes, codec, IMAGE) == {}


@pytest.mark.parametrize("codec", PLAIN)
def test_zstd_loses_nothing(codec):
    rows, counts = rows_of(9, MESSAGE)
    found, _ = decode(*encode(rows, counts, f"{codec}+zstd"), f"{codec}+zstd", 5)
    assert torch.equal(found, decode(*encode(rows, counts, codec), codec, 5)[0])


@pytest.mark.parametrize("codec", CODECS)
def test_the_zeros_of_a_rectifier_stay_zeros(codec):
    rows, counts = rows_of(50)
    found, _ = decode(*encode(rows, counts, codec), codec, 10)
    assert (rows == 0).any(dim=1).sum() > 100
    assert (found[rows == 0] == 0).all()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("constant", [0.0, -0.0, 1.0, -3.3, 1e-9, 50_000.0])
def test_a_constant_channel(codec, constant):
    rows = torch.full((2, 10), constant)
    found, _ = decode(*encode(rows, np.array([2]), codec), codec, 10)
    assert ((found.double() - rows).abs() <= bounds(rows, codec)).all()


@pytest.mark.parametrize("codec", CODECS)
def test_bfloat16_is_as_good_as_the_float32_it_becomes(codec):
    rows, counts = rows_of(20)
    short = rows.mul(1000).to(torch.bfloat16)
    payload, sizes = encode(short, counts, codec)
    assert np.array_equal(payload, encode(short.float(), counts, codec)[0])
    if codec.startswith(FLOATS):
        assert torch.equal(decode(payload, sizes, codec, 10)[0], short.float())


@pytest.mark.parametrize(("values", "expected"), [(1, 1), (2, 1), (5, 3), (10, 5)])
def test_uint4_packs_two_values_in_a_byte(values, expected):
    assert payload_unit("uint4", (values,)) == 4 + expected
    rows = torch.arange(values).float()[None]
    payload, sizes = encode(rows, np.array([1]), "uint4")
    assert len(payload) == 4 + expected
    assert torch.allclose(decode(payload, sizes, "uint4", values)[0], rows, atol=0.5)


def test_the_bytes_of_a_quantised_channel():
    """Low 1 and step 0.25, little-endian, then integers from 0 to 15, the first in the low half of a byte."""
    payload, _ = encode(torch.tensor([[1.0, 4.75, 1.25]]), np.array([1]), "uint4")
    assert payload.tobytes() == np.array([1, 0.25], "<f2").tobytes() + bytes([0xF0, 0x01])


def test_channels_and_units():
    assert [channels(shape) for shape in (IMAGE, MESSAGE, COMPONENTS)] == [(3, 10), (-1, 5), (1, 7)]
    units = {codec: [payload_unit(codec, shape) for shape in (IMAGE, MESSAGE, COMPONENTS)] for codec in PLAIN}
    assert units == {
        "float32": [120, 20, 28],
        "float16": [60, 10, 14],
        "uint8": [42, 9, 11],
        "uint4": [27, 7, 8],
        "uint2": [21, 6, 6],
    }
    assert all(payload_unit(f"{codec}+zstd", IMAGE) == units[codec][0] for codec in PLAIN)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(codec, value):
    rows, counts = rows_of(4)
    rows[7, 3] = value
    with pytest.raises(InputError, match=r"features of example 2 are not finite in .*largest magnitude"):
        encode(rows, counts, codec)


@pytest.mark.parametrize(
    ("codec", "row"),
    [("float16", [1e6, 0.0]), ("uint8", [-1e6, 0.0]), ("uint4", [1e6, 0.0]), ("uint8+zstd", [3e38, 0.0])],
)
def test_values_that_do_not_fit_are_named_with_the_remedy(codec, row):
    rows = torch.tensor([[1.0, 2.0], row])
    with pytest.raises(InputError, match=r"example 1 are not finite in .*; use federation\.codec=float32"):
        encode(rows, np.array([1, 1]), codec)
    assert torch.equal(decode(*encode(rows, np.array([1, 1]), "float32"), "float32", 2)[0], rows)


# Faults.


def zstd(content: bytes, **options) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)


def faults_of(payloads: list[bytes], codec: str, shape: tuple[int, ...] = IMAGE) -> dict[int, str]:
    sizes = np.array([len(payload) for payload in payloads], np.int64)
    return faults(np.frombuffer(b"".join(payloads), np.uint8), sizes, codec, shape)


def good(codec: str, shape: tuple[int, ...] = IMAGE) -> bytes:
    return encode(*rows_of(1, shape), codec)[0].tobytes()


def head(low: float, step: float) -> bytes:
    return np.array([low, step], "<f2").tobytes()


WHOLE = good("uint8")
REST = WHOLE[14:]
NAN16 = np.full(30, np.nan, "<f2").tobytes()
ONE_INF32 = np.array([0] * 29 + [-np.inf], "<f4").tobytes()


@pytest.mark.parametrize(
    ("codec", "shape", "payload", "expected"),
    [
        ("float16", IMAGE, b"\0" * 59, "payload of 59 bytes, expected 60 bytes"),
        ("float16", IMAGE, b"\0" * 120, "payload of 120 bytes, expected 60 bytes"),
        ("uint8", IMAGE, b"", "payload of 0 bytes, expected 42 bytes"),
        ("uint4", COMPONENTS, b"\0" * 7, "payload of 7 bytes, expected 8 bytes"),
        ("float32", MESSAGE, b"\0" * 21, "payload of 21 bytes, expected 1 to 4096 times 20 bytes"),
        ("float32", MESSAGE, b"", "payload of 0 bytes, expected 1 to 4096 times 20 bytes"),
        ("uint4", MESSAGE, b"\0" * 7 * 4097, "payload of 28679 bytes, expected 1 to 4096 times 7 bytes"),
        ("float16", IMAGE, NAN16, "features are not finite"),
        ("float32", IMAGE, ONE_INF32, "features are not finite"),
        ("float16", MESSAGE, b"\0" * 18 + b"\0\x7c", "features are not finite"),
        ("uint8", IMAGE, head(np.nan, 1) + b"\0" * 10 + REST, "low or step of a channel is not finite"),
        ("uint8", IMAGE, head(0, np.inf) + b"\0" * 10 + REST, "low or step of a channel is not finite"),
        ("uint8", IMAGE, head(0, -1) + b"\0" * 10 + REST, "step of a channel is negative"),
        ("uint8+zstd", IMAGE, WHOLE, "not a zstd frame"),
        ("uint8+zstd", IMAGE, b"", "not a zstd frame"),
        ("uint8+zstd", IMAGE, b"\x50\x2a\x4d\x18\x2a\0\0\0" + b"\0" * 42, "not a zstd frame"),
        ("uint8+zstd", IMAGE, zstd(WHOLE)[:5], "not a zstd frame"),
        ("uint8+zstd", IMAGE, zstd(WHOLE, write_content_size=False), "does not say the size of its content"),
        ("uint8+zstd", IMAGE, zstd(WHOLE[1:]), "zstd frame with 41 bytes, expected 42 bytes"),
        ("uint8+zstd", IMAGE, zstd(b""), "zstd frame with 0 bytes, expected 42 bytes"),
        ("uint4+zstd", MESSAGE, zstd(b"\0" * 13), "zstd frame with 13 bytes, expected 1 to 4096 times 7"),
        ("uint4+zstd", MESSAGE, zstd(b"\0" * 7 * 4097), "zstd frame with 28679 bytes, expected 1 to 4096"),
        ("uint8+zstd", IMAGE, zstd(WHOLE) + b"x", "cannot be read: .* unused data"),
        ("uint8+zstd", IMAGE, zstd(WHOLE) * 2, "cannot be read: .* unused data"),
        ("uint8+zstd", IMAGE, zstd(WHOLE)[:-1], "cannot be read: .*"),
        ("uint8+zstd", IMAGE, zstd(WHOLE, write_checksum=True)[:-1] + b"\0", "cannot be read: .*checksum"),
        ("float16+zstd", IMAGE, zstd(NAN16), "features are not finite"),
        ("float32+zstd", IMAGE, zstd(ONE_INF32), "features are not finite"),
        ("uint8+zstd", IMAGE, zstd(head(0, -1) + b"\0" * 10 + REST), "step of a channel is negative"),
    ],
)
def test_each_fault_is_said_of_its_example_only(codec, shape, payload, expected):
    neighbour = good(codec, shape)
    found = faults_of([neighbour, payload, neighbour], codec, shape)
    assert list(found) == [1]
    assert faults_of([payload], codec, shape) == {0: found[1]}
    assert re.search(expected, found[1])
    assert "\n" not in found[1]


def test_faults_of_many_examples_are_told_apart():
    payloads = [good("float16"), NAN16, b"", good("float16"), NAN16]
    assert faults_of(payloads, "float16") == {
        1: "features are not finite",
        2: "payload of 0 bytes, expected 60 bytes",
        4: "features are not finite",
    }


def test_examples_are_looked_at_in_groups(monkeypatch):
    monkeypatch.setattr("tiprdc_fl.store.codec._GROUP_BYTES", 150)
    for codec, bad in (("float16", NAN16), ("float16+zstd", zstd(NAN16))):
        payloads = [bad if number in (0, 4, 9) else good(codec) for number in range(10)]
        assert list(faults_of(payloads, codec)) == [0, 4, 9]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("wrong", [-1, 1, -(2**63), 2**63 - 1, 2**62])
def test_sizes_that_do_not_add_up(codec, wrong):
    rows, counts = rows_of(3)
    payload, sizes = encode(rows, counts, codec)
    with np.errstate(over="ignore"):
        sizes[1] += wrong
    found = faults(payload, sizes, codec, IMAGE)
    assert list(found) == [0, 1, 2]
    assert (
        found[1] == f"payload of {sizes[1]} bytes, and the sizes do not add up to the {len(payload)} "
        "bytes received"
    )


def test_sizes_whose_sum_wraps_around():
    sizes = np.array([2**62] * 4, np.int64)
    assert len(faults(np.zeros(0, np.uint8), sizes, "float16", IMAGE)) == 4


def bomb(says: int, holds: int) -> bytes:
    """A frame of zeros in run-length blocks of 128 KiB, whose header says another size than it holds."""
    header = b"\x28\xb5\x2f\xfd\xa0" + says.to_bytes(4, "little")  # one segment, 4 bytes of size (RFC 8878)
    block = 2**17
    last = (1 | 1 << 1 | block << 3).to_bytes(3, "little") + b"\0"
    return header + ((1 << 1 | block << 3).to_bytes(3, "little") + b"\0") * (holds // block - 1) + last


def test_a_bomb_is_what_it_says():
    assert zstandard.ZstdDecompressor().decompress(bomb(2**20, 2**20)) == bytes(2**20)


@pytest.mark.parametrize(
    ("says", "shape", "expected"),
    [
        (2**30, (4, 4, 4), "zstd frame with 1073741824 bytes, expected 64 bytes"),
        (64, (4, 4, 4), "zstd frame cannot be read"),
        (2**30, (-1, 64), "zstd frame with 1073741824 bytes, expected 1 to 4096 times 64 bytes"),
        (64 * MAX_STEPS, (-1, 64), "zstd frame cannot be read"),
    ],
)
def test_a_bomb_is_refused_without_growing(says, shape, expected, monkeypatch):
    monkeypatch.setitem(CODECS, "bytes+zstd", _bytes_codec())
    frame = bomb(says, 2**30)
    unit = 1 if sys.platform == "darwin" else 1024
    start, before = perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (reason,) = faults_of([frame], "bytes+zstd", shape).values()
    assert reason.startswith(expected)
    assert perf_counter() - start < 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 2**25


def _bytes_codec():
    """uint8 without low and step, so that a unit is a round number."""
    plain = CODECS["uint8+zstd"]
    return replace(plain, format=replace(plain.format, row_bytes=lambda v: v, flaws=lambda packed: {}))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [IMAGE, MESSAGE])
@pytest.mark.parametrize("codec", CODECS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_what_passes_decodes_to_finite_features_of_the_shape(codec, shape, data):
    """Whatever is done to payloads, faults() does not raise, and what it accepts is features."""
    payload, sizes = encode(*rows_of(2, shape), codec)
    broken, sizes = bytearray(payload.tobytes()), sizes.copy()
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    move = data.draw(st.sampled_from([0, 0, 0, 1, -1, 1000]))
    sizes += (move, -move)
    payload = np.frombuffer(bytes(broken), np.uint8)
    found = faults(payload, sizes, codec, shape)
    assert set(found) <= {0, 1}
    start = 0
    for number, size in enumerate(sizes.tolist()):
        if number not in found:
            rows, counts = decode(payload[start : start + size], np.array([size]), codec, channels(shape)[1])
            assert torch.isfinite(rows).all()
            assert counts.tolist() == [len(rows)]
            assert len(rows) == shape[0] or (shape[0] < 0 and 1 <= len(rows) <= MAX_STEPS)
        start += size
