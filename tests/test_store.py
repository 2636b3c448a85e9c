"""The codec, the store and its validation."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.codec import CODECS, decode, encode, payload_unit
from tiprdc_fl.store import (
    STAGES,
    Layout,
    append,
    contribution_schema,
    open_store,
    stored_contributors,
    to_stream,
    validate,
)

IMAGE = Layout("digest", "float16", (2, 3, 3), ("Smiling",))
TEXT = Layout("digest", "float32", (-1, 4), ("Question",))


def contribution(contributor: int, features, layout: Layout = IMAGE, **changes) -> bytes:
    count = len(features)
    columns = {
        "contributor": [contributor] * count,
        "row": list(range(count)),
        "payload": encode(features, layout.codec),
        "raw_bytes": [10] * count,
        f"task_{layout.tasks[0]}": [index % 2 for index in range(count)],
        **{f"{stage}_seconds": [0.1] * count for stage in STAGES},
    } | changes
    schema = contribution_schema(layout.tasks)
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return to_stream(pa.record_batch(arrays, schema=schema))


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2, 3, 3)).astype(np.float32)


@given(st.lists(st.floats(-60_000, 60_000, width=32), min_size=1, max_size=50))
def test_codecs_return_what_they_got_within_their_error(values):
    features = np.array([values], dtype=np.float32)
    for codec, error in {"float32": 0, "float16": 2**-11}.items():
        (payload,) = encode(features, codec)
        assert len(payload) == payload_unit(codec, (len(values),)) == len(values) * CODECS[codec].itemsize
        found = decode(payload, codec, (-1,))
        assert (
            np.abs(found - features[0]) <= error * np.abs(features[0]) + 2.0**-24 * (codec != "float32")
        ).all()


def test_float16_keeps_bfloat16_features_exactly():
    z = torch.rand(1, 1000).mul(1000).to(torch.bfloat16).float().numpy()
    assert np.array_equal(decode(encode(z, "float16")[0], "float16", (1, -1)), z)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_features_that_do_not_fit_the_codec_are_named(value):
    with pytest.raises(InputError, match=r"example 1 are not finite in float16.*federation\.codec=float32"):
        encode(np.array([[1.0], [value]], dtype=np.float32), "float16")


def test_rows_come_back_as_they_were_sent_whatever_the_order_of_replies(tmp_path):
    people = {contributor: images(3, contributor) for contributor in (5, 2, 9)}
    digests = []
    for name, order in {"a": (5, 2, 9), "b": (9, 5, 2)}.items():
        store = open_store(tmp_path / name, IMAGE)
        append(store, (validate(contribution(c, people[c]), c, IMAGE) for c in order))
        store = open_store(tmp_path / name)
        assert store.keys.column("contributor").to_pylist() == [2, 2, 2, 5, 5, 5, 9, 9, 9]
        assert store.keys.column("row").to_pylist() == [0, 1, 2] * 3
        assert store.keys.column("sent_bytes").to_pylist()[0] == len(contribution(2, people[2]))
        positions = store.keys.column("position").to_numpy()
        expected = np.concatenate([people[2], people[5], people[9]])
        assert np.allclose(store.features(positions), expected, rtol=1e-3, atol=1e-6)
        assert torch.equal(store.features(positions[[7, 1]]), store.features(positions)[[7, 1]])
        digests.append(store.digest())
    assert digests[0] == digests[1]
    other = open_store(tmp_path / "c", IMAGE)
    append(other, [validate(contribution(2, people[5]), 2, IMAGE)])
    assert open_store(tmp_path / "c").digest() != digests[0]
    assert stored_contributors(store) == {2, 5, 9}


def test_messages_of_any_length_are_padded_with_zeros(tmp_path):
    store = open_store(tmp_path / "s", TEXT)
    messages = [np.ones((2, 4), np.float32), np.full((3, 4), 2.0, np.float32)]
    append(store, [validate(contribution(1, messages, TEXT), 1, TEXT)])
    features = open_store(tmp_path / "s").features(np.array([0, 1]))
    assert features.shape == (2, 3, 4)
    assert (features[0, 2] == 0).all()
    assert (features[0, :2] == 1).all()
    assert (features[1] == 2).all()


def test_commits_are_gathered(tmp_path, monkeypatch):
    import lance

    monkeypatch.setattr("tiprdc_fl.store.COMMIT_BYTES", 2000)
    store = open_store(tmp_path / "s", IMAGE)
    append(store, (validate(contribution(c, images(10)), c, IMAGE) for c in range(20)))
    versions = len(lance.dataset(str(tmp_path / "s")).versions())
    assert 2 < versions < 20
    assert len(stored_contributors(store)) == 20


def test_a_contribution_without_examples_is_valid_and_stores_nothing(tmp_path):
    store = open_store(tmp_path / "s", IMAGE)
    append(store, [validate(contribution(1, images(0)), 1, IMAGE)])
    assert stored_contributors(store) == set()


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"", "not an Arrow stream"),
        (b"\xff" * 100, "not an Arrow stream"),
        (contribution(1, images(2))[:200], "not an Arrow stream"),
        (to_stream(pa.record_batch({"a": [1]})), "columns .* are not the expected"),
        (contribution(2, images(2)), "another contributor than 1"),
        (contribution(1, images(2), row=[0, 0]), "rows are not numbered"),
        (contribution(1, images(2), row=[1, 2]), "rows are not numbered"),
        (
            contribution(1, images(2), payload=[b"\0" * 36, b"\0" * 35]),
            "row 1: payload of 35 bytes, expected 36",
        ),
        (contribution(1, images(1), payload=[np.full(18, np.nan, "<f2").tobytes()]), "row 0: .*not finite"),
        (contribution(1, images(1), payload=[b""]), "payload of 0 bytes"),
        (contribution(1, images(1), TEXT), "columns .* are not the expected"),
        (contribution(1, images(1), task_Smiling=[100]), "task_Smiling: labels are from 0 to 99, got 100"),
        (contribution(1, images(1), task_Smiling=[-3]), "task_Smiling: labels are from 0"),
        (contribution(1, images(1), raw_bytes=[-5]), "raw_bytes: a measurement is negative"),
        (contribution(1, images(1), load_seconds=[np.nan]), "load_seconds: .*not finite"),
    ],
)
def test_contributions_that_are_not_what_was_asked_for(stream, message):
    with pytest.raises(InputError, match=message):
        validate(stream, 1, IMAGE)


def test_missing_values_are_refused():
    table = pa.ipc.open_stream(contribution(1, images(2))).read_all()
    index = table.schema.get_field_index("raw_bytes")
    broken = table.set_column(index, table.schema.field(index), pa.array([None, 3], pa.int64()))
    with pytest.raises(InputError, match=r"missing values|not an Arrow stream"):
        validate(to_stream(broken.to_batches()[0]), 1, IMAGE)


def test_stores_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="there is no feature store"):
        open_store(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="not a feature store"):
        open_store(tmp_path / "text")
    open_store(tmp_path / "s", IMAGE)
    with pytest.raises(InputError, match=r"features of another run.*use another run_dir"):
        open_store(tmp_path / "s", TEXT)


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_no_mutated_contribution_crashes_the_validator(data):
    """Whatever arrives is either refused, or has the form of a contribution."""
    stream = bytearray(contribution(1, images(2)))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    try:
        table = validate(bytes(stream), 1, IMAGE)
    except InputError:
        return
    assert table.schema.names == IMAGE.schema().names
    assert all(np.isfinite(decode(p.as_buffer(), "float16", (-1,))).all() for p in table["payload"])


def test_an_interrupt_during_a_commit_stores_nothing_twice(tmp_path, monkeypatch):
    import lance

    written = lance.write_dataset
    store = open_store(tmp_path / "s", IMAGE)
    monkeypatch.setattr("tiprdc_fl.store.COMMIT_BYTES", 1)

    def interrupted(*arguments, **options):
        written(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(lance, "write_dataset", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append(store, (validate(contribution(c, images(3)), c, IMAGE) for c in range(3)))
    assert len(open_store(tmp_path / "s").keys) == 3


def test_what_arrived_before_an_interrupt_is_kept(tmp_path):
    store = open_store(tmp_path / "s", IMAGE)

    def arriving():
        yield validate(contribution(4, images(3)), 4, IMAGE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        append(store, arriving())
    assert stored_contributors(open_store(tmp_path / "s")) == {4}
