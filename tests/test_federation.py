"""The federation: whoever carries it out stores the same features; nothing private travels."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.data.source import DataSource, first_rows, hold, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation import client_app, server_app
from tiprdc_fl.federation.collector import (
    Collection,
    Request,
    collect,
    contributors_in_message,
    features_path,
    open_collection,
    read_collection,
    write_collection,
)
from tiprdc_fl.federation.contributor import Failure, contribute, contribute_each
from tiprdc_fl.federation.engine import ENGINES, run_inline
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import from_bytes, load_extractor, to_bytes
from tiprdc_fl.store import open_store

SOURCE = DataSource("faces", None, (32, 32), 0, most=4)
PEOPLE = tuple(range(10, 50))


@pytest.fixture(scope="module", autouse=True)
def identity():
    """What a simulation sets when it starts; without it Flower refuses to make a message."""
    for name in ("task_id", "run_id", "node_id"):
        setattr(TaskIdentity, name, 1)


@pytest.fixture(scope="module")
def weights() -> bytes:
    seeding.seed_torch(0, "test")
    size, noise = (32, 32), {"noise": "laplace", "noise_scale": 0.01}  # noise, too, is whoever's work it is
    architecture = Architecture("image", 4, image_size=size, precision="bfloat16", **noise)
    return to_bytes(build_extractor(architecture), architecture)


def collection_in(
    folder: Path, weights: bytes, hosted: int = 20, workers: int = 2, people=PEOPLE
) -> Collection:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extractor.safetensors").write_bytes(weights)
    request = Request(str(folder / "extractor.safetensors"), SOURCE, ("Smiling", "Eyeglasses"), "float16")
    return Collection(str(folder), request, tuple(people), hosted, workers, 2)


@pytest.fixture(scope="module")
def inline(tmp_path_factory, weights) -> Path:
    folder = tmp_path_factory.mktemp("inline")
    collected = run_inline(collection_in(folder, weights), lambda examples: None)
    assert (collected.asked, collected.answered, collected.failures) == (40, 40, ())
    return folder


@pytest.mark.parametrize(("hosted", "workers"), [(1, 2), (20, 2), (20, 1)])
def test_flower_stores_the_same_features_as_inline(tmp_path, weights, inline, hosted, workers, capfd):
    examples = []
    collection = collection_in(tmp_path, weights, hosted, workers)
    collected = ENGINES["flower"](collection, examples.append)
    assert (collected.asked, collected.answered, collected.failures) == (40, 40, ())
    assert len(examples) == 40
    assert sum(examples) == len(open_store(features_path(tmp_path)).keys)
    assert collected.worker_memory_bytes > 50e6
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    assert "".join(capfd.readouterr()) == ""  # Flower's and Ray's noise does not reach the terminal
    assert (tmp_path / "logs" / "flower.log").stat().st_size > 0
    assert list((tmp_path / "logs" / "ray").glob("*"))


def test_only_missing_contributors_are_asked(tmp_path, weights, inline):
    run_inline(collection_in(tmp_path, weights, people=PEOPLE[:15]), lambda examples: None)
    collected = run_inline(collection_in(tmp_path, weights), lambda examples: None)
    assert collected.asked == 25
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    assert ENGINES["flower"](collection_in(tmp_path, weights), lambda examples: None).asked == 0


def test_contributions_hold_no_private_attribute_and_no_raw_data(weights):
    """Changing every attribute that is not a task, and nothing else, changes no byte of what is sent."""
    dataset = open_dataset(SOURCE)
    examples = dataset.load([3])
    flipped = {
        name: labels if name in ("Smiling",) else (1 - labels).astype(np.int8)
        for name, labels in examples.attributes.items()
    }
    other = Examples(examples.inputs, flipped, examples.people, examples.rows, examples.raw_bytes)
    extractor = from_bytes(weights)
    streams = [
        contribute(extractor, hold(dataset, held), 3, ["Smiling"], "float16") for held in (examples, other)
    ]
    tables = [pa.ipc.open_stream(stream).read_all() for stream in streams]
    untimed = [t.select([c for c in t.column_names if not c.endswith("_seconds")]) for t in tables]
    assert untimed[0].equals(untimed[1])
    assert set(untimed[0].column_names) == {"contributor", "row", "payload", "raw_bytes", "task_Smiling"}
    assert not any(b"Male" in stream for stream in streams)
    pixels = examples.loaded[0].numpy().tobytes()  # pyright: ignore
    assert not any(pixels[start : start + 16] in streams[0] for start in range(0, len(pixels), 16))


def test_private_names_are_nowhere_in_the_store(inline):
    stored = b"".join(path.read_bytes() for path in features_path(inline).rglob("*") if path.is_file())
    assert b"Smiling" in stored
    assert b"Male" not in stored
    assert b"Male" not in (inline / "extractor.safetensors").read_bytes()


def failing(message: str) -> Dataset:
    good = open_dataset(SOURCE)

    def load(people):
        if list(people) == [11]:
            raise OSError(message)
        return good.load(people)

    return Dataset("faces", "image", good.people, good.attributes, load, good.labels)


def test_a_failing_contributor_is_named_and_disturbs_nobody(weights):
    answers = dict(
        contribute_each(
            from_bytes(weights), failing("the message was: hello"), [10, 11, 12], ["Smiling"], "float16"
        )
    )
    # The error's text may quote the contributor's data: only its type leaves the device.
    assert answers[11] == Failure(11, "load", "OSError")
    assert isinstance(answers[10], bytes)
    assert isinstance(answers[12], bytes)


def test_threads_are_restored(weights):
    before = torch.get_num_threads()
    list(contribute_each(from_bytes(weights), open_dataset(SOURCE), [1], ["Smiling"], "float32"))
    assert torch.get_num_threads() == before


def test_what_is_not_a_contribution_goes_to_quarantine(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=(10, 11, 12))
    store, _ = open_collection(collection)
    good = contribute(from_bytes(weights), open_dataset(SOURCE), 10, collection.request.tasks, "float16")
    answers = [(10, good), (11, b"\0garbage"), (12, Failure(12, "load", "gone")), (10, good)]
    sizes = []
    collected = collect(3, answers, store, tmp_path / "quarantine", sizes.append)
    assert (collected.asked, collected.answered, collected.examples) == (3, 1, sum(sizes))
    assert [(f.contributor, f.stage) for f in collected.failures] == [(11, "validate"), (12, "load")]
    assert collected.seconds > 0
    assert len(sizes) == 3  # the second answer of 10 is not counted again
    (line,) = (tmp_path / "quarantine" / "contributions.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["contributor"], entry["bytes"]) == (11, 8)
    assert bytes.fromhex(entry["sample"]) == b"\0garbage"
    assert open_collection(collection)[1] == [11, 12]


def test_messages_stay_within_a_size():
    paper = Architecture("image", 64, image_size=(218, 178))
    small = Architecture("image", 16, image_size=(32, 32))
    assert contributors_in_message(small, "float16", 20) == 20
    assert contributors_in_message(paper, "float32", 20) == 1
    assert contributors_in_message(small, "float16", 100_000) < 1000


def test_a_collection_survives_its_file(tmp_path, weights):
    collection = collection_in(tmp_path, weights)
    write_collection(collection)
    assert read_collection(tmp_path) == collection
    with pytest.raises(InputError, match="run_dir="):
        read_collection(tmp_path / "elsewhere")


class FakeGrid:
    """Nodes in this process: the first messages fail, and a worker forgets nothing."""

    def __init__(self, failures: int, nodes: int):
        self.failures, self.nodes, self.sent, self.replies = failures, nodes, [], {}
        self.most = 0

    def get_node_ids(self):
        return [1000 + index for index in range(self.nodes)]

    def push_messages(self, messages):
        for message in messages:
            key = str(len(self.sent))
            message.metadata.__dict__["_message_id"] = key
            self.sent.append(message)
            if self.failures > 0:
                self.failures -= 1
                self.replies[key] = Message(Error(1, "a worker\ndied"), reply_to=message)
            else:
                self.replies[key] = client_app.extract(message, None)  # pyright: ignore
            self.most = max(self.most, len(self.replies))
            yield key

    def pull_messages(self, ids):
        return [self.replies.pop(key) for key in list(ids)[:1]]


@pytest.fixture
def forgetful_worker():
    client_app._extractors.clear()
    yield
    client_app._extractors.clear()


def test_failed_messages_are_sent_again_to_another_node(tmp_path, weights, inline, forgetful_worker):
    grid = FakeGrid(failures=2, nodes=4)
    collected = server_app.run_collection(grid, collection_in(tmp_path, weights, hosted=10))  # pyright: ignore
    assert collected.answered == 40
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    asked = [tuple(m.content["request"]["contributors"]) for m in grid.sent]
    nodes = [m.metadata.dst_node_id for m in grid.sent]
    again = [nodes[i] for i, who in enumerate(asked) if who == asked[0]]
    assert again[0] != again[1]


def test_the_extractor_travels_only_to_those_who_lack_it(tmp_path, weights, forgetful_worker):
    grid = FakeGrid(failures=0, nodes=40)
    server_app.run_collection(grid, collection_in(tmp_path, weights, hosted=1, workers=1))  # pyright: ignore
    carried = sum("extractor" in message.content for message in grid.sent)
    assert carried == 4  # one worker, whose first four messages were in flight before it had answered any
    assert len(grid.sent) == 44
    assert grid.most <= 4


def test_retries_are_bounded(tmp_path, weights, forgetful_worker):
    grid = FakeGrid(failures=10**9, nodes=2)
    collected = server_app.run_collection(grid, collection_in(tmp_path, weights, hosted=20))  # pyright: ignore
    assert collected.answered == 0
    assert {failure.contributor for failure in collected.failures} == set(PEOPLE)
    assert {(f.stage, f.reason) for f in collected.failures} == {("message", "a worker died")}
    assert len(grid.sent) == 2 * 3


def test_a_reply_that_leaves_someone_out(weights, forgetful_worker):
    record = {"contributors": [1], "streams": [b"x"], "failures": [], "peak_memory_bytes": 5}
    message = Message(RecordDict({"contributions": ConfigRecord(record)}), 1, "query.extract")
    answers = dict(server_app._answers(message, server_app.Slice((1, 2), 0), lambda peak: None))
    assert answers[1] == b"x"
    assert answers[2].stage == "message"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"contributions": ConfigRecord({"contributors": [1, 2], "streams": [b"x"], "failures": []})},
        {"contributions": ConfigRecord({"contributors": [1]})},
        {
            "contributions": ConfigRecord(
                {"contributors": [], "streams": [], "failures": ["{"], "peak_memory_bytes": 1}
            )
        },
    ],
)
def test_a_malformed_reply_fails_its_contributors_only(content):
    message = Message(RecordDict(content), 1, "query.extract")
    answers = dict(server_app._answers(message, server_app.Slice((1, 2), 0), lambda peak: None))
    assert [(key, answer.stage) for key, answer in answers.items()] == [(1, "message"), (2, "message")]
    assert all("malformed" in answer.reason for answer in answers.values())


def test_labels_that_do_not_fit_fail_their_contributor_only(weights):
    good = open_dataset(SOURCE)
    examples = good.load([10, 11])
    wrong = {**examples.attributes, "Smiling": np.where(examples.people == 11, 1000, 0)}
    held = Examples(examples.inputs, wrong, examples.people, examples.rows, examples.raw_bytes)
    answers = dict(contribute_each(from_bytes(weights), hold(good, held), [10, 11], ["Smiling"], "float16"))
    assert isinstance(answers[10], bytes)
    assert isinstance(answers[11], Failure)
    assert answers[11].stage == "encode"


def test_the_flower_app_names_its_run_folder(tmp_path, weights, inline):
    from flwr.app import Context

    grid = FakeGrid(failures=0, nodes=2)
    write_collection(collection_in(tmp_path, weights))

    def context(config):
        return Context(1, 1, {}, RecordDict(), config)

    server_app.main(grid, context({"run-dir": str(tmp_path)}))  # pyright: ignore
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    with pytest.raises(InputError, match="run-dir is not set"):
        server_app.main(grid, context({}))  # pyright: ignore


def test_first_rows_and_extractor_of_the_fixture(weights, inline):
    examples = open_dataset(SOURCE).load([1, 2, 3])
    assert examples.rows.max() <= 3
    assert len(first_rows(examples, 1)) == 3
    assert load_extractor(inline / "extractor.safetensors").digest == from_bytes(weights).digest
