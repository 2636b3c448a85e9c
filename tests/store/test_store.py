"""The store: what it gives back, in which commits, and what of it survives."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from tiprdc_fl.errors import InputError
from tiprdc_fl.store.append import append
from tiprdc_fl.store.codec import channels, encode
from tiprdc_fl.store.feature_store import open_store, stored_contributors
from tiprdc_fl.store.layout import STAGES, Layout

IMAGE = Layout("digest", "float16", (2, 3, 3), ("Smiling",))
TEXT = Layout("digest", "float32", (-1, 4), ("Question",))


def contribution(contributor: int, features, layout: Layout = IMAGE) -> pa.Table:
    """Rows of the store."""
    count, (rows, values) = len(features), channels(layout.shape)
    steps = np.array([len(one) for one in features]) if rows < 0 else np.full(count, rows)
    flat = torch.from_numpy(
        np.concatenate([np.empty((0, values), np.float32), *[f.reshape(-1, values) for f in features]])
    )
    payload, sizes = encode(flat, steps, layout.codec)
    columns = {
        "contributor": [contributor] * count,
        "row": list(range(count)),
        "payload": [part.tobytes() for part in np.split(payload, np.cumsum(sizes)[:-1])][:count],
        "raw_bytes": [10] * count,
        "sent_bytes": [500] * count,
        f"task_{layout.tasks[0]}": [index % 2 for index in range(count)],
        **{f"{stage}_seconds": [0.1] * count for stage in STAGES},
    }
    return pa.table(
        {field.name: pa.array(columns[field.name], field.type) for field in layout.schema()}, layout.schema()
    )


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2, 3, 3)).astype(np.float32)


def test_rows_come_back_as_they_were_sent_whatever_the_order_of_replies(tmp_path):
    people = {contributor: images(3, contributor) for contributor in (5, 2, 9)}
    digests = []
    for name, order in {"a": (5, 2, 9), "b": (9, 5, 2)}.items():
        store = open_store(tmp_path / name, IMAGE)
        append(store, (contribution(c, people[c]) for c in order))
        store = open_store(tmp_path / name)
        assert store.keys.column("contributor").to_pylist() == [2, 2, 2, 5, 5, 5, 9, 9, 9]
        assert store.keys.column("row").to_pylist() == [0, 1, 2] * 3
        positions = store.keys.column("position").to_numpy()
        expected = np.concatenate([people[2], people[5], people[9]])
        assert np.allclose(store.features(positions), expected, rtol=1e-3, atol=1e-6)
        assert torch.equal(store.features(positions[[7, 1]]), store.features(positions)[[7, 1]])
        digests.append(store.digest())
    assert digests[0] == digests[1]
    other = open_store(tmp_path / "c", IMAGE)
    append(other, [contribution(2, people[5])])
    assert open_store(tmp_path / "c").digest() != digests[0]
    assert stored_contributors(store) == {2, 5, 9}


def test_messages_of_any_length_are_padded_with_zeros(tmp_path):
    store = open_store(tmp_path / "s", TEXT)
    messages = [np.ones((2, 4), np.float32), np.full((3, 4), 2.0, np.float32)]
    append(store, [contribution(1, messages, TEXT)])
    features = open_store(tmp_path / "s").features(np.array([0, 1]))
    assert features.shape == (2, 3, 4)
    assert (features[0, 2] == 0).all()
    assert (features[0, :2] == 1).all()
    assert (features[1] == 2).all()


def test_commits_are_gathered(tmp_path, monkeypatch):
    import lance

    monkeypatch.setattr("tiprdc_fl.store.append.COMMIT_BYTES", 2000)
    store = open_store(tmp_path / "s", IMAGE)
    append(store, (contribution(c, images(10)) for c in range(20)))
    versions = len(lance.dataset(str(tmp_path / "s")).versions())
    assert 2 < versions < 20
    assert len(stored_contributors(store)) == 20


def test_a_contribution_without_examples_is_valid_and_stores_nothing(tmp_path):
    store = open_store(tmp_path / "s", IMAGE)
    append(store, [contribution(1, images(0))])
    assert stored_contributors(store) == set()


def test_stores_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="there is no feature store"):
        open_store(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="not a feature store"):
        open_store(tmp_path / "text")
    open_store(tmp_path / "s", IMAGE)
    with pytest.raises(InputError, match=r"features of another run.*use another run_dir"):
        open_store(tmp_path / "s", TEXT)


def test_an_interrupt_during_a_commit_stores_nothing_twice(tmp_path, monkeypatch):
    import lance

    written = lance.write_dataset
    store = open_store(tmp_path / "s", IMAGE)
    monkeypatch.setattr("tiprdc_fl.store.append.COMMIT_BYTES", 1)

    def interrupted(*arguments, **options):
        written(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(lance, "write_dataset", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append(store, (contribution(c, images(3)) for c in range(3)))
    assert len(open_store(tmp_path / "s").keys) == 3


def test_what_arrived_before_an_interrupt_is_kept(tmp_path):
    store = open_store(tmp_path / "s", IMAGE)

    def arriving():
        yield contribution(4, images(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        append(store, arriving())
    assert stored_contributors(open_store(tmp_path / "s")) == {4}
