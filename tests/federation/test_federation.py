"""The federation: whoever carries it out stores the same features; nothing private travels."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.data.source import DataSource, first_rows, hold, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation import client_app, server_app
from tiprdc_fl.federation.collection import (
    Collection,
    Request,
    cohort_size,
    cohorts,
    features_path,
    open_collection,
    read_collection,
    write_collection,
    writes_drafts,
)
from tiprdc_fl.federation.collector import Answer, Traffic, collect
from tiprdc_fl.federation.contribution import Contributions, pack, to_table
from tiprdc_fl.federation.contributor import Failure, contribute, layout_of
from tiprdc_fl.federation.engine import ENGINES, run_inline
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import from_bytes, load_extractor, to_bytes
from tiprdc_fl.store.feature_store import open_store, stored_contributors
from tiprdc_fl.store.lance import sweep, write_draft
from tiprdc_fl.store.withdrawal import withdraw

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
    folder: Path, weights: bytes, size: int | None = None, workers: int = 2, people=PEOPLE
) -> Collection:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "extractor.safetensors").write_bytes(weights)
    request = Request(str(folder / "extractor.safetensors"), SOURCE, ("Smiling", "Eyeglasses"), "float16")
    return Collection(str(folder), request, tuple(people), workers, 2, contributors_per_message=size)


def made(weights: bytes, people, tasks=("Smiling", "Eyeglasses"), dataset=None) -> Contributions:
    extractor = from_bytes(weights)
    layout = layout_of(extractor, "float16", tasks)
    return contribute(extractor, dataset or open_dataset(SOURCE), people, layout)[0]


def packed(weights: bytes, people) -> bytes:
    layout = layout_of(from_bytes(weights), "float16", ("Smiling", "Eyeglasses"))
    return pack(made(weights, people), layout)


def ignore(contributors: int, examples: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def inline(tmp_path_factory, weights) -> Path:
    folder = tmp_path_factory.mktemp("inline")
    collected = run_inline(collection_in(folder, weights), ignore)
    assert (collected.asked, collected.answered, collected.failures) == (40, 40, ())
    return folder


@pytest.mark.flower
@pytest.mark.parametrize(
    ("size", "workers", "writer"), [(1, 2, "workers"), (None, 2, "collector"), (13, 1, "auto")]
)
def test_flower_stores_the_same_features_as_inline(tmp_path, weights, inline, size, workers, writer, capfd):
    heard = []
    collection = replace(collection_in(tmp_path, weights, size, workers), writer=writer)
    collected = ENGINES["flower"](
        collection, lambda contributors, examples: heard.append((contributors, examples))
    )
    assert (collected.asked, collected.answered, collected.failures) == (40, 40, ())
    contributors, examples = map(sum, zip(*heard, strict=True))
    assert contributors == 40
    assert examples == collected.examples == len(open_store(features_path(tmp_path)).keys)
    assert collected.worker_memory_bytes > 50e6
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    assert "".join(capfd.readouterr()) == ""  # Flower's and Ray's noise does not reach the terminal
    assert (tmp_path / "logs" / "flower.log").stat().st_size > 0
    assert list((tmp_path / "logs" / "ray").glob("*"))


def test_only_missing_contributors_are_asked(tmp_path, weights, inline):
    run_inline(collection_in(tmp_path, weights, people=PEOPLE[:15]), ignore)
    collected = run_inline(collection_in(tmp_path, weights), ignore)
    assert collected.asked == 25
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    assert ENGINES["flower"](collection_in(tmp_path, weights), ignore).asked == 0


def test_contributions_hold_no_private_attribute_and_no_raw_data(weights):
    """Changing every attribute that is not a task, and nothing else, changes no byte of what is sent."""
    dataset = open_dataset(SOURCE)
    examples = dataset.load([3])
    flipped = {
        name: labels if name in ("Smiling",) else (1 - labels).astype(np.int8)
        for name, labels in examples.attributes.items()
    }
    other = Examples(examples.inputs, flipped, examples.people, examples.rows, examples.raw_bytes)
    sent = [made(weights, [3], ["Smiling"], hold(dataset, held)) for held in (examples, other)]
    timeless = [{name: column for name, column in vars(one).items() if name != "seconds"} for one in sent]
    assert all((timeless[0][name] == timeless[1][name]).all() for name in timeless[0])
    assert set(timeless[0]) == {"contributor", "examples", "payload", "payload_bytes", "raw_bytes", "labels"}
    assert timeless[0]["labels"].shape == (len(examples), 1)
    layout = layout_of(from_bytes(weights), "float16", ["Smiling"])
    file = pack(sent[0], layout)
    assert b"Male" not in file
    pixels = examples.loaded[0].numpy().tobytes()  # pyright: ignore
    assert not any(pixels[start : start + 16] in file for start in range(0, len(pixels), 16))


def test_private_names_are_nowhere_in_the_store(inline):
    stored = b"".join(path.read_bytes() for path in features_path(inline).rglob("*") if path.is_file())
    assert b"Smiling" in stored
    assert b"Male" not in stored
    assert b"Male" not in (inline / "extractor.safetensors").read_bytes()


def answered(collection: Collection, *answers: Answer):
    """What the collector makes of these answers, and what it heard of each."""
    store, asked = open_collection(collection)
    heard = []
    quarantine = Path(collection.folder) / "quarantine"
    collected = collect(len(asked), answers, store, quarantine, lambda *numbers: heard.append(numbers))
    return collected, heard


def test_what_is_not_a_contribution_goes_to_quarantine(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=(10, 11, 12))
    answers = (
        Answer((10,), packed(weights, [10])),
        Answer((11,), b"\0garbage"),
        Answer((12,), None, (Failure(12, "load", "gone"),)),
        Answer((10,), packed(weights, [10])),
    )
    collected, heard = answered(collection, *answers)
    assert (collected.asked, collected.answered) == (3, 1)
    assert [(f.contributor, f.stage) for f in collected.failures] == [(11, "validate"), (12, "load")]
    assert collected.seconds > 0
    assert heard == [(1, collected.examples), (1, 0), (1, 0), (1, 0)]  # 10 is not stored twice
    (line,) = (tmp_path / "quarantine" / "contributions.jsonl").read_text().splitlines()
    entry = json.loads(line)
    assert (entry["contributor"], entry["bytes"]) == (11, 8)
    assert bytes.fromhex(entry["sample"]) == b"\0garbage"
    assert open_collection(collection)[1] == [11, 12]


def test_quarantine_keeps_nothing_of_a_contributor_who_has_withdrawn(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=(10, 11))
    withdraw(tmp_path, [11])
    answered(collection, Answer((11,), b"sent before"), Answer((10,), b"garbage"))
    (line,) = (tmp_path / "quarantine" / "contributions.jsonl").read_text().splitlines()
    assert json.loads(line)["contributor"] == 10


def test_one_bad_contribution_does_not_spoil_the_others_of_its_message(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=(10, 11, 12, 13))
    found = made(weights, [10, 11, 12])
    found.labels[found.examples[0] + 1, 0] = -1  # row 1 of contributor 11
    layout = open_collection(collection)[0].layout
    collected, _ = answered(collection, Answer((10, 11, 12, 13), pack(found, layout)))
    assert collected.answered == 2
    assert {f.contributor: f.stage for f in collected.failures} == {11: "validate", 13: "message"}
    entry = json.loads((tmp_path / "quarantine" / "contributions.jsonl").read_text())
    assert (entry["contributor"], entry["reason"]) == (11, "labels are from 0 to 99")
    payload = found.payload[found.payload_bytes[: found.examples[0]].sum() :].tobytes()
    assert bytes.fromhex(entry["sample"]) == payload[:256]
    assert open_collection(collection)[1] == [11, 13]


def test_nobody_answers_for_somebody_else(tmp_path, weights):
    """Contributors 11 and 12, who were asked, send a contribution of 10, who has not answered yet."""
    collection = collection_in(tmp_path, weights, people=(10, 11, 12))
    collected, _ = answered(collection, Answer((11, 12), packed(weights, [10, 11])))
    assert collected.answered == 1
    assert [(one.contributor, one.stage) for one in collected.failures] == [(12, "message")]
    entry = json.loads((tmp_path / "quarantine" / "contributions.jsonl").read_text())
    assert (entry["contributor"], entry["reason"]) == (10, "was not asked")
    assert open_collection(collection)[1] == [10, 12]


def test_two_collectors_of_one_run_store_nothing_twice(tmp_path, weights, inline):
    """The second has asked while the first had not committed yet; one of them carries drafts."""
    collection = collection_in(tmp_path, weights)
    stores = [open_collection(collection)[0] for _ in range(3)]
    sent = Answer(PEOPLE, packed(weights, PEOPLE))
    for store, answer in zip(
        stores, (sent, sent, Answer(PEOPLE, None, draft=drafted(collection, weights, PEOPLE))), strict=True
    ):
        collect(40, [answer], store, tmp_path / "quarantine", ignore)
        assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()


def test_what_goes_wrong_on_a_device_stays_there_but_for_its_type(
    weights, forgetful_worker, monkeypatch, tmp_path
):
    def broken(source):
        raise InputError("line 3: Male=1,hello")

    monkeypatch.setattr(client_app, "open_dataset", broken)
    collection = collection_in(tmp_path, weights, people=(10, 11))
    collected = server_app.run_collection(FakeGrid(failures=0, nodes=4), collection)  # pyright: ignore
    assert [(one.contributor, one.reason) for one in collected.failures] == [
        (10, "InputError"),
        (11, "InputError"),
    ]


def test_a_failed_message_is_asked_elsewhere_where_another_node_is_free(tmp_path, weights, forgetful_worker):
    collection = collection_in(tmp_path, weights, size=5, workers=1)
    grid = FakeGrid(failures=6, nodes=server_app.nodes_of(collection))
    server_app.run_collection(grid, collection)  # pyright: ignore
    asked: dict[tuple, list[int]] = {}
    for who, message in zip(asked_of(grid), grid.sent, strict=True):
        asked.setdefault(who, []).append(message.metadata.dst_node_id)
    again = [nodes for nodes in asked.values() if len(nodes) > 1]
    assert again
    assert all(one != other for nodes in again for one, other in pairwise(nodes))


def drafted(collection: Collection, weights: bytes, people, **changes) -> str:
    """What a worker writes of these people into the store's folder."""
    store, _ = open_collection(collection)
    found = replace(made(weights, people), **changes)
    return write_draft(store.path, to_table(found, set(), store.layout))


def files_of(collection: Collection) -> set[str]:
    return {path.name for path in (features_path(collection.folder) / "data").iterdir()}


def test_a_draft_is_stored_once_it_is_committed(tmp_path, weights, inline):
    collection = collection_in(tmp_path, weights)
    drafts = [drafted(collection, weights, part) for part in (PEOPLE[:25], PEOPLE[25:])]
    assert open_collection(collection)[1] == list(PEOPLE)
    parts = zip((PEOPLE[:25], PEOPLE[25:]), drafts, strict=True)
    collected, _ = answered(collection, *(Answer(part, None, draft=draft) for part, draft in parts))
    assert (collected.answered, collected.failures) == (40, ())
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()


@pytest.mark.parametrize("wrong", ["another's", "not of all", "twice", "elsewhere", "cut off", "no JSON"])
def test_a_draft_that_is_not_what_was_asked_for_is_not_stored(tmp_path, weights, wrong):
    collection = collection_in(tmp_path, weights)
    draft = drafted(collection, weights, [10, 11])
    asked = {"another's": (10, 12), "not of all": (10, 11, 12)}.get(wrong, (10, 11))
    if wrong == "twice":
        found = made(weights, [10, 11])
        draft = drafted(collection, weights, [10, 11], contributor=np.full_like(found.contributor, 10))
    elif wrong == "elsewhere":
        draft = draft.replace(json.loads(draft)["files"][0]["path"], "../../../../etc/passwd")
    elif wrong == "cut off":
        path = features_path(tmp_path) / "data" / json.loads(draft)["files"][0]["path"]
        path.write_bytes(path.read_bytes()[:-1])
    elif wrong == "no JSON":
        draft = "{"
    collected, _ = answered(collection, Answer(asked, None, draft=draft))
    assert collected.answered == 0
    assert [(one.contributor, one.stage) for one in collected.failures] == [
        (one, "validate") for one in asked
    ]
    assert len(open_store(features_path(tmp_path)).keys) == 0


def test_who_withdraws_before_a_draft_is_committed_is_left_out_and_erased(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=(10, 11))
    write_collection(collection)
    draft = drafted(collection, weights, [10, 11])

    def answers():
        yield Answer((10, 11), None, draft=draft)
        (tmp_path / "withdrawals.jsonl").write_text('{"contributor": 11, "time": "now"}\n')

    store, _ = open_collection(collection)
    collect(2, answers(), store, tmp_path / "quarantine", ignore)
    assert stored_contributors(open_store(features_path(tmp_path))) == {10}
    assert json.loads(draft)["files"][0]["path"] not in files_of(collection)


def test_drafts_of_killed_workers_are_swept_away(tmp_path, weights):
    collection = collection_in(tmp_path, weights)
    answered(collection, Answer((10,), packed(weights, [10])))
    before, digest = files_of(collection), open_store(features_path(tmp_path)).digest()
    drafted(collection, weights, [11])
    assert len(files_of(collection)) == len(before) + 1
    sweep(features_path(tmp_path))
    assert files_of(collection) == before
    assert open_store(features_path(tmp_path)).digest() == digest


def test_nobody_writes_into_the_store_unasked(weights, tmp_path):
    """A reply with a draft counts as one without where the collector has not asked for drafts."""
    collection = replace(collection_in(tmp_path, weights, people=(10,)), writer="collector")
    record = ANSWER | {"draft": drafted(collection, weights, [10])}
    message = Message(RecordDict({"answer": ConfigRecord(record)}), 1, "query.extract")
    exchange = server_app.Exchange(FakeGrid(0, 1), [1], collection, Traffic(), Event())  # pyright: ignore
    assert server_app._to_answer(message, server_app.CohortRequest((10,)), exchange).draft is None


def test_workers_write_where_they_share_the_disk_and_examples_are_large(tmp_path, weights):
    collection = collection_in(tmp_path, weights)  # 2 * 4 * 8 * 8 values an example, float16
    assert writes_drafts(collection)
    assert not writes_drafts(replace(collection, ray_address="auto"))
    assert not writes_drafts(replace(collection, writer="collector"))
    small = replace(collection, request=replace(collection.request, codec="uint4"))
    assert not writes_drafts(small)
    assert writes_drafts(replace(small, writer="workers"))


def test_contributions_of_another_extractor_are_refused(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=(10,))
    layout = open_collection(collection)[0].layout
    other = pack(made(weights, [10]), replace(layout, extractor="another"))
    collected, _ = answered(collection, Answer((10,), other))
    assert "answers to" in collected.failures[0].reason


def test_messages_stay_within_a_size(tmp_path, weights):
    paper = Architecture("image", 64, image_size=(218, 178))
    small = Architecture("image", 16, image_size=(32, 32))
    assert cohort_size(paper, "float32") == 1
    assert 20 < cohort_size(small, "float16") < 1000
    words = Architecture("text", 16, max_tokens=30, transform="project", components=500)
    assert cohort_size(replace(words, pooled=True), "float32") > 20 * cohort_size(words, "float32")
    collection = collection_in(tmp_path, weights)
    assert cohorts(range(1000), replace(collection, contributors_per_message=400)) == [
        tuple(range(400)),
        tuple(range(400, 800)),
        tuple(range(800, 1000)),
    ]
    parts = cohorts(PEOPLE, collection)  # a small collection is spread over the workers, too
    assert len(parts) >= 2 * collection.workers
    assert [one for part in parts for one in part] == list(PEOPLE)
    assert cohorts([], collection) == []


def test_a_collection_survives_its_file(tmp_path, weights):
    collection = collection_in(tmp_path, weights)
    write_collection(collection)
    assert read_collection(tmp_path) == collection
    with pytest.raises(InputError, match="run_dir="):
        read_collection(tmp_path / "elsewhere")


class FakeGrid:
    """Nodes in this process: the first messages that ask for somebody fail, and a worker forgets nothing."""

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
            if self.failures > 0 and message.content["request"]["contributors"]:
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


def asked_of(grid: FakeGrid) -> list[tuple[int, ...]]:
    return [tuple(message.content["request"]["contributors"]) for message in grid.sent]


def test_failed_messages_are_sent_again_to_another_node(tmp_path, weights, inline, forgetful_worker):
    grid = FakeGrid(failures=5, nodes=8)
    collected = server_app.run_collection(grid, collection_in(tmp_path, weights, size=10))  # pyright: ignore
    assert (collected.answered, collected.asked_again) == (40, 5)
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()
    nodes = [message.metadata.dst_node_id for message in grid.sent]
    again = [node for node, who in zip(nodes, asked_of(grid), strict=True) if who == PEOPLE[:10]]
    assert len(again) > 1
    assert again[0] != again[1]


def test_the_extractor_travels_once_to_each_worker(tmp_path, weights, forgetful_worker):
    grid = FakeGrid(failures=0, nodes=40)
    server_app.run_collection(grid, collection_in(tmp_path, weights, size=1, workers=1))  # pyright: ignore
    carried = ["extractor" in message.content for message in grid.sent]
    assert carried == [True, *[False] * 40]  # before anybody is asked for anything
    assert asked_of(grid) == [(), *((person,) for person in PEOPLE)]
    assert grid.most <= 4


def test_a_worker_that_lost_the_extractor_gets_it_again(tmp_path, weights, forgetful_worker, inline):
    grid = FakeGrid(failures=0, nodes=4)
    collection = collection_in(tmp_path, weights, size=4, workers=1)
    server_app.run_collection(grid, collection, lambda *_: client_app._extractors.clear())  # pyright: ignore
    assert sum("extractor" in message.content for message in grid.sent) > 2
    assert open_store(features_path(tmp_path)).digest() == open_store(features_path(inline)).digest()


def test_retries_are_bounded(tmp_path, weights, forgetful_worker):
    grid = FakeGrid(failures=10**9, nodes=2)
    collected = server_app.run_collection(grid, collection_in(tmp_path, weights, size=20))  # pyright: ignore
    assert collected.answered == 0
    assert {failure.contributor for failure in collected.failures} == set(PEOPLE)
    assert {(f.stage, f.reason) for f in collected.failures} == {("message", "a worker died")}
    asked = asked_of(grid)
    assert {who: asked.count(who) for who in asked} == {(): 2, PEOPLE[:20]: 3, PEOPLE[20:]: 3}
    assert collected.asked_again == 2 * 2


ANSWER = {"contributions": b"", "draft": "", "failures": [], "peak_memory_bytes": 1}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"missing": ConfigRecord({"extractor": True})},
        {"answer": ConfigRecord({})},
        {"answer": ConfigRecord(ANSWER | {"contributions": "text"})},
        {"answer": ConfigRecord(ANSWER | {"draft": 3})},
        {"answer": ConfigRecord(ANSWER | {"failures": ["{"]})},
        {"answer": ConfigRecord(ANSWER | {"failures": ['{"contributor": 1}']})},
        {"answer": ConfigRecord(ANSWER | {"peak_memory_bytes": "much"})},
    ],
)
def test_a_malformed_reply_fails_its_contributors_only(content, tmp_path, weights):
    message = Message(RecordDict(content), 1, "query.extract")
    collection = replace(collection_in(tmp_path, weights), writer="workers")
    exchange = server_app.Exchange(FakeGrid(0, 1), [1], collection, Traffic(), Event())  # pyright: ignore
    answer = server_app._to_answer(
        message, server_app.CohortRequest((1, 2), carries_extractor=True), exchange
    )
    assert answer.contributions is None
    assert [(one.contributor, one.stage) for one in answer.failures] == [(1, "message"), (2, "message")]
    assert all("malformed" in one.reason for one in answer.failures)


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
