"""What contributors send: how it travels, and that nothing else gets into the store."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation import contribution
from tiprdc_fl.federation.contribution import (
    COLUMNS,
    HEADER,
    Contributions,
    concatenate,
    pack,
    payloads_of,
    rejections,
    sent_bytes,
    to_table,
    unpack,
)
from tiprdc_fl.store.codec import CODECS, channels, decode, encode
from tiprdc_fl.store.layout import STAGES, Layout

IMAGE = Layout("digest", "float16", (2, 3, 3), ("Smiling", "Young"))
TEXT = Layout("digest", "uint8+zstd", (-1, 4), ("Question",))


def contributions(counts: dict[int, int], layout: Layout = IMAGE, seed: int = 0) -> Contributions:
    """Random ones of each contributor with so many examples."""
    rng, n = np.random.default_rng(seed), sum(counts.values())
    steps, values = channels(layout.shape)
    rows = rng.integers(1, 5, n) if steps < 0 else np.full(n, steps)
    z = torch.from_numpy(rng.normal(size=(int(rows.sum()), values)).astype(np.float32))
    payload, sizes = encode(z, rows, layout.codec)
    return Contributions(
        contributor=np.array(list(counts), np.int64),
        examples=np.array(list(counts.values()), np.int32),
        seconds=rng.random((len(counts), len(STAGES))),
        payload=payload,
        payload_bytes=sizes.astype(np.int32),
        raw_bytes=rng.integers(0, 1000, n).astype(np.int32),
        labels=rng.integers(0, 2, (n, len(layout.tasks))).astype(np.int8),
    )


def equal(one: Contributions, other: Contributions) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("layout", [IMAGE, TEXT], ids=["image", "text"])
def test_contributions_arrive_as_they_were_sent(layout, codec):
    layout = replace(layout, codec=codec)
    sent = contributions({7: 3, 2**40: 1, 5: 0}, layout)
    found = unpack(pack(sent, layout), layout, 99)
    assert equal(found, sent)
    assert rejections(found, [7, 2**40, 5], layout) == {}
    table = to_table(found, set(), layout)
    assert table.schema == layout.schema()
    assert table["contributor"].to_pylist() == [7, 7, 7, 2**40]
    assert table["row"].to_pylist() == [0, 1, 2, 0]
    assert b"".join(table["payload"].to_pylist()) == sent.payload.tobytes()
    assert table["task_" + layout.tasks[-1]].to_pylist() == sent.labels[:, -1].tolist()
    assert table["encode_seconds"].to_pylist() == [sent.seconds[0, -1]] * 3 + [sent.seconds[1, -1]]


def test_several_are_joined_as_one():
    parts = [contributions({1: 2}), contributions({2: 0}), contributions({3: 4, 9: 1}, seed=1)]
    whole = concatenate(parts, 2)
    assert whole.contributor.tolist() == [1, 2, 3, 9]
    assert whole.examples.tolist() == [2, 0, 4, 1]
    assert equal(unpack(pack(whole, IMAGE), IMAGE, 99), whole)
    assert equal(unpack(pack(concatenate([], 2), IMAGE), IMAGE, 0), concatenate([], 2))


@pytest.mark.parametrize("counts", [{1: 1}, {1: 20}, {1: 0}, {1: 500}])
def test_sent_bytes_are_those_of_a_message_of_ones_own(counts):
    alone = contributions(counts)
    size = len(pack(alone, IMAGE))
    assert abs(int(sent_bytes(alone, IMAGE)[0]) - size) <= 64
    together = concatenate([contributions({8: 3}), alone, contributions({9: 0})], 2)
    assert sent_bytes(together, IMAGE)[1] == sent_bytes(alone, IMAGE)[0]


def broken(**changes: np.ndarray) -> bytes:
    """A file that is as ``pack`` makes it but for some columns, its digest correct."""
    return pack(replace(contributions({1: 2, 2: 1}), **changes), IMAGE)


def header(text: str) -> bytes:
    return save(dict(vars(contributions({1: 2}))), metadata={HEADER: text})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a file of contributions"),
        (b"\xff" * 100, "with a header of 18,446,744,073,709,551,615"),
        (pack(contributions({1: 2}), IMAGE)[:-1], "not a file of contributions"),
        (pack(contributions({1: 2}), IMAGE) + b"\0", "not a file of contributions"),
        (save({"a": np.zeros(1)}), "not a file of contributions"),
        (header("["), "not a file of contributions"),
        (header("[1, 2, 3]"), "not a file of contributions"),
        (header("[" * 10_000), "not a file of contributions"),
        (header("[" * 100_000), "with a header of 100,"),
        (header('[{"extractor": "x"}, ""]'), "answers to {'extractor': 'x'}, but .* was requested"),
        (pack(contributions({1: 2}), replace(IMAGE, codec="float32")), "answers to .*float32"),
        (pack(contributions({1: 2}), replace(IMAGE, tasks=("Smiling", "Male"))), "answers to .*Male"),
        (
            broken(contributor=np.array([1, 2], np.int32)),
            "contributor: int32 in 1 dimensions, expected int64",
        ),
        (broken(examples=np.array([[2], [1]], np.int32)), "examples: int32 in 2 dimensions"),
        (broken(examples=np.array([3, 1], np.int32)), r"payload_bytes: shape \(3,\), expected \(4,\)"),
        (broken(examples=np.array([4, -1], np.int32)), "examples: negative numbers"),
        (broken(contributor=np.array([1], np.int64)), r"examples: shape \(2,\), expected \(1,\)"),
        (
            broken(payload_bytes=np.array([36, 36, 35], np.int32)),
            r"payload: shape \(108,\), expected \(107,\)",
        ),
        (broken(payload_bytes=np.array([-36, 72, 72], np.int32)), "payload_bytes: negative numbers"),
        (broken(raw_bytes=np.array([1, -2, 3], np.int32)), "raw_bytes: negative numbers"),
        (broken(labels=np.zeros((3, 1), np.int8)), r"labels: shape \(3, 1\), expected \(3, 2\)"),
        (broken(seconds=np.zeros((2, 3))), r"seconds: shape \(2, 3\), expected \(2, 4\)"),
        (broken(examples=np.array([2**31 - 1] * 2, np.int32)), "2 contributors with 4,294,967,294 examples"),
    ],
)
def test_files_that_are_not_what_was_asked_for(data, message):
    with pytest.raises(InputError, match=message):
        unpack(data, IMAGE, 9)


def test_a_file_with_another_column_or_a_wrong_digest():
    columns = dict(vars(contributions({1: 2})))
    answers_to = json.dumps([contribution._layout_fields(IMAGE), "0"])
    with pytest.raises(InputError, match=r"columns .*'male'.* are not the expected"):
        unpack(save(columns | {"male": np.zeros(2)}, metadata={HEADER: answers_to}), IMAGE, 9)
    with pytest.raises(InputError, match="digest '0' is not that of the columns"):
        unpack(save(columns, metadata={HEADER: answers_to}), IMAGE, 9)


def test_a_file_that_is_too_large_is_not_parsed(monkeypatch):
    data = pack(contributions({1: 2}), IMAGE)
    monkeypatch.setattr(contribution, "MAX_BYTES", len(data) - 1)
    with pytest.raises(InputError, match="at most"):
        unpack(data, IMAGE, 9)


def test_a_message_may_not_name_more_than_were_asked_nor_more_examples_than_fit(monkeypatch):
    data = pack(contributions({1: 2, 2: 1}), IMAGE)
    with pytest.raises(InputError, match="2 contributors with 3 examples, at most 1 with"):
        unpack(data, IMAGE, 1)
    monkeypatch.setattr(contribution, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="2 contributors with 3 examples, at most 2 with 2"):
        unpack(data, IMAGE, 2)


def test_a_long_header_is_not_parsed():
    many = {f"column {number}": np.zeros(0) for number in range(2000)}
    with pytest.raises(InputError, match=r"with a header of 1\d\d,\d\d\d: at most .* and 65,536"):
        unpack(save(many), IMAGE, 9)


def changed(name: str, position, value, counts=None) -> Contributions:
    found = contributions(counts or {1: 2, 2: 1, 3: 2})
    getattr(found, name)[position] = value
    return found


NAN = np.full(36, 255, np.uint8)


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (changed("contributor", 1, 7), {1: "was not asked"}),
        (changed("contributor", 2, 1), {2: "is named twice in a reply"}),
        (changed("seconds", (0, 2), np.nan), {0: "seconds: a measurement is not from 0 to 86,400"}),
        (changed("seconds", (2, 0), -1), {2: "seconds: a measurement is not from 0 to 86,400"}),
        (changed("seconds", (1, 3), 1e308), {1: "seconds: a measurement is not from 0 to 86,400"}),
        (changed("raw_bytes", 3, 2**31 - 1), {2: "raw_bytes are more than 1,073,741,824"}),
        (changed("labels", (2, 1), -1), {1: "labels are from 0 to 99"}),
        (changed("labels", (4, 0), 100), {2: "labels are from 0 to 99"}),
        (changed("payload", slice(4 * 36, 5 * 36), NAN), {2: "row 1: .*not finite"}),
        (changed("payload_bytes", slice(0, 2), [35, 37]), {0: "row 0: .*35 bytes, expected 36"}),
    ],
)
def test_only_the_contributor_at_fault_is_refused(found, wrong):
    data = pack(found, IMAGE)
    told = rejections(unpack(data, IMAGE, 9), [1, 2, 3], IMAGE)
    assert list(told) == list(wrong)
    for position, pattern in wrong.items():
        assert re.match(pattern, told[position])
    left = to_table(found, set(told), IMAGE)["contributor"].to_pylist()
    people = found.contributor.tolist()
    assert left == [
        one for place, one in enumerate(people) if place not in told for _ in range(found.examples[place])
    ]


def test_an_implausible_number_of_examples(monkeypatch):
    monkeypatch.setattr(contribution, "MAX_EXAMPLES", 1)
    assert rejections(contributions({1: 1, 2: 2}), [1, 2], IMAGE) == {1: "more than 1 examples"}


def test_a_zstd_bomb_is_refused_by_its_header():
    layout = replace(IMAGE, codec="float16+zstd")
    bomb = np.frombuffer(zstandard.ZstdCompressor().compress(bytes(2**28)), np.uint8)
    found = contributions({1: 1, 2: 1}, layout)
    small = payloads_of(found, [1])[1]
    sizes = np.array([len(bomb), len(small)], np.int32)
    found = replace(
        found, payload=np.concatenate([bomb, np.frombuffer(small, np.uint8)]), payload_bytes=sizes
    )
    told = rejections(unpack(pack(found, layout), layout, 99), [1, 2], layout)
    assert list(told) == [0]
    assert "268435456 bytes, expected 36" in told[0]


@pytest.mark.slow
@pytest.mark.parametrize("layout", [IMAGE, TEXT], ids=["image", "text"])
@settings(max_examples=5_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_mutated_file_is_stored(layout, data):
    """Bytes changed, cut out, repeated or put in: the file is refused, or says what it said before."""
    sent = contributions({1: 2, 2: 1}, layout)
    file = bytearray(pack(sent, layout))
    for _ in range(data.draw(st.integers(1, 4))):
        place, length = data.draw(st.integers(0, len(file) - 1)), data.draw(st.integers(1, 9))
        kind = data.draw(st.sampled_from(["change", "cut", "repeat", "insert"]))
        piece = {
            "change": data.draw(st.binary(min_size=1, max_size=length)),
            "cut": b"",
            "repeat": bytes(file[place : place + length]) * 2,
            "insert": bytes(file[place : place + length]) + data.draw(st.binary(max_size=9)),
        }[kind]
        file[place : place + (len(piece) if kind == "change" else length)] = piece
    try:
        found = unpack(bytes(file), layout, 9)
    except InputError:
        return
    assert equal(found, sent)


COLUMN = st.sampled_from(list(COLUMNS))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [IMAGE, TEXT], ids=["image", "text"])
@settings(max_examples=2_500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_mutated_column_is_stored_but_as_a_valid_contribution(layout, data):
    """An attacker writes a correct digest over wrong columns: what is accepted has the form of a contribution."""
    sent = contributions({1: 2, 2: 1}, layout)
    changes = {}
    for name in data.draw(st.lists(COLUMN, min_size=1, max_size=2, unique=True)):
        column = getattr(sent, name)
        raw = bytearray(column.tobytes())
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        changes[name] = np.frombuffer(bytes(raw), column.dtype).reshape(column.shape)
    mutated = replace(sent, **changes)
    try:
        found = unpack(pack(mutated, layout), layout, 99)
    except InputError:
        return
    wrong = rejections(found, [1, 2], layout)
    table = to_table(found, set(wrong), layout)
    assert set(table["contributor"].to_pylist()) <= {1, 2}
    payloads = table["payload"].to_pylist()
    sizes = np.array([len(one) for one in payloads], np.int64)
    rows, counts = decode(b"".join(payloads), sizes, layout.codec, channels(layout.shape)[1])
    assert rows.isfinite().all()
    assert (counts == 2).all() if layout is IMAGE else (counts >= 1).all()
    for task in layout.tasks:
        assert all(0 <= label < 100 for label in table[f"task_{task}"].to_pylist())
