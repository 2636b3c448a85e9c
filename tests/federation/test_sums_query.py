"""The query for masked sums: whoever carries it out, the totals have the same bits, and nothing else travels."""

import json
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from flwr.supercore.task_identity import TaskIdentity

from tests.federation.test_federation import PEOPLE, SOURCE, FakeGrid, collection_in
from tiprdc_fl import seeding
from tiprdc_fl.data.source import open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation import client_app, server_app
from tiprdc_fl.federation.collection import Collection
from tiprdc_fl.federation.engine import SUM_ENGINES, sums_inline
from tiprdc_fl.federation.secure_sums import decode, masking_groups
from tiprdc_fl.federation.totals import Totals
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import to_bytes
from tiprdc_fl.models.transport import Transport

GROUPS = [PEOPLE[:12], PEOPLE[12:]]
TRANSPORT = {"transform": "transport", "components": 4, "stated": ("Male",), "stated_values": (2,)}


@pytest.fixture(scope="module", autouse=True)
def identity():
    """What a simulation sets when it starts; without it Flower refuses to make a message."""
    for name in ("task_id", "run_id", "node_id"):
        setattr(TaskIdentity, name, 1)


@pytest.fixture(autouse=True)
def forgetful_worker():
    client_app._extractors.clear()
    yield
    client_app._extractors.clear()


@pytest.fixture(scope="module")
def weights() -> bytes:
    seeding.seed_torch(0, "test")
    architecture = Architecture("image", 4, image_size=(32, 32), precision="bfloat16", **TRANSPORT)
    network = build_extractor(architecture)
    assert isinstance(network, Transport)
    network.basis.normal_(std=0.1, generator=seeding.torch_generator(0, "basis"))
    return to_bytes(network, architecture)


def ignore(contributors: int) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def inline(tmp_path_factory, weights) -> Totals:
    return sums_inline(collection_in(tmp_path_factory.mktemp("inline"), weights), GROUPS, ignore)


def asked_of(grid: FakeGrid, collection: Collection) -> Totals:
    return server_app.run_sums(grid, collection, GROUPS, ignore, Event(), grid.nodes)  # pyright: ignore


@pytest.mark.flower
def test_flower_adds_up_the_same_bits_as_inline(tmp_path, weights, inline):
    heard = []
    collection = collection_in(tmp_path, weights, size=7)
    totals = SUM_ENGINES["flower"](collection, GROUPS, heard.append)
    assert np.array_equal(totals.values, inline.values)
    assert (totals.groups, sum(heard)) == (2, len(PEOPLE))


@pytest.mark.parametrize("size", [1, 7, None])
@pytest.mark.parametrize("failures", [0, 5])
def test_neither_messages_nor_those_sent_again_change_a_bit(tmp_path, weights, inline, size, failures):
    grid = FakeGrid(failures, nodes=8)
    collection = collection_in(tmp_path, weights, size=size)
    totals = asked_of(grid, collection)
    assert np.array_equal(totals.values, inline.values)
    assert totals.values[:, 1].sum() == pytest.approx(len(open_dataset(SOURCE).load(PEOPLE)))


def test_a_group_whose_member_s_message_is_lost_is_left_out(tmp_path, weights):
    """Retries are used up for one message; asking the group again without its member would tell of that member."""
    grid = FakeGrid(failures=1, nodes=8)
    collection = replace(collection_in(tmp_path, weights, size=5), retries=0)
    totals = asked_of(grid, collection)
    assert (totals.groups, totals.incomplete) == (1, 1)
    asked = [person for message in grid.sent for person in message.content["request"]["contributors"]]
    assert sorted(asked) == sorted(PEOPLE)  # each once


def test_a_node_that_fails_says_nothing(tmp_path, weights, monkeypatch):
    def broken(source):
        raise InputError("line 3: Male=1,hello")

    monkeypatch.setattr(client_app, "open_dataset", broken)
    grid = FakeGrid(failures=0, nodes=8)
    with pytest.raises(InputError, match=r"of 2 masking groups 0 are complete"):
        asked_of(grid, collection_in(tmp_path, weights))


def test_a_reply_holds_masked_numbers_and_nothing_else(tmp_path, weights, monkeypatch):
    replies = []
    answer = client_app.sums
    monkeypatch.setattr(
        client_app, "sums", lambda message, context: replies.append(answer(message, context)) or replies[-1]
    )
    asked_of(FakeGrid(failures=0, nodes=8), collection_in(tmp_path, weights, size=10))
    records = [reply.content["answer"] for reply in replies if "answer" in reply.content]
    assert {name for record in records for name in record} == {
        "contributions",
        "draft",
        "failures",
        "peak_memory_bytes",
    }
    assert all((record["draft"], list(record["failures"])) == ("", []) for record in records)
    sent = b"".join(record["contributions"] for record in records)
    numbers = decode(np.frombuffer(sent, "<u8"))
    assert len(numbers) == len(PEOPLE) * 2 * (2 + 4 + 10)
    assert (np.abs(numbers) > 2.0**16).mean() > 0.99  # a person's own are below 1,000


def test_a_request_names_the_groups_of_its_contributors_alone(tmp_path, weights):
    grid = FakeGrid(failures=0, nodes=8)
    asked_of(grid, collection_in(tmp_path, weights, size=4))
    for message in grid.sent:
        request = message.content["request"]
        groups = [tuple(group) for group in json.loads(request["groups"])]
        assert all(set(group) & set(request["contributors"]) for group in groups)
        assert set(request["contributors"]) <= {member for group in groups for member in group}


def test_a_device_refuses_a_group_that_is_too_small(tmp_path, weights):
    collection = collection_in(tmp_path, weights, people=PEOPLE[:4])
    with pytest.raises(InputError, match=r"a masking group has at least 10 members"):
        sums_inline(collection, [PEOPLE[:4]], ignore)
    assert len(masking_groups(PEOPLE, 0)) == 1
