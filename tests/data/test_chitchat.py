"""Real messages: counts, order, a trait constant within people, a question that the text does not mark."""

import pickle
import re
from importlib import metadata, util

import numpy as np
import pytest

from tiprdc_fl.data.cache import cache_folder
from tiprdc_fl.data.chitchat import ATTRIBUTES, _columns, chitchat
from tiprdc_fl.errors import InputError

SIZE = (64, 64)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def data(cache):
    return chitchat(None, SIZE, 0)


@pytest.fixture(scope="module")
def everything(data):
    return data.load(data.people)


def test_counts(data, everything):
    assert (data.name, data.modality, data.attributes) == ("chitchat", "text", ATTRIBUTES)
    assert data.people.tolist() == list(range(1315))
    assert len(everything) == 257_797
    assert set(everything.people.tolist()) == set(range(1315))
    assert {len(column) for column in everything.attributes.values()} == {len(everything.inputs)}


def test_types(everything):
    assert everything.people.dtype == everything.raw_bytes.dtype == np.int64
    assert everything.rows.dtype == np.int32
    assert {column.dtype for column in everything.attributes.values()} == {np.dtype(np.int8)}
    assert {value for column in everything.attributes.values() for value in np.unique(column)} == {0, 1}


def test_the_trait_is_constant_within_people_and_near_the_median(everything):
    trait, people = everything.attributes["Ends_With_Punctuation"], everything.people
    share = np.bincount(people, trait) / np.bincount(people)
    assert set(share) == {0, 1}
    assert 0.5 < share.mean() < 0.6


def test_no_text_shows_the_question_mark_it_ended_with(everything):
    assert all(re.search(r"[?\s]$|^\s|^$", text) is None for text in everything.inputs)
    assert everything.attributes["Question"].mean() == pytest.approx(0.1486, abs=1e-4)


def test_raw_bytes_are_utf8_and_rows_count_from_0(everything):
    picked = range(0, len(everything), 37)
    assert [len(everything.inputs[i].encode()) for i in picked] == everything.raw_bytes[picked].tolist()
    starts = np.flatnonzero(np.diff(everything.people, prepend=-1))
    assert (everything.rows[starts] == 0).all()
    assert (np.diff(everything.rows)[np.diff(everything.people) == 0] == 1).all()


def test_people_come_in_the_order_asked_for(data, everything):
    asked = [700, 3, 1314, 3]
    examples = data.load(asked)
    expected = np.concatenate([np.flatnonzero(everything.people == person) for person in asked])
    assert examples.inputs == [everything.inputs[i] for i in expected]
    assert examples.people.tolist() == everything.people[expected].tolist()
    assert len(data.load([])) == 0
    assert data.load([]).inputs == []


def test_labels_are_the_same_examples_without_texts(data):
    loaded, labels = data.load([5, 900]), data.labels([5, 900])
    assert labels.inputs is None
    for name in ATTRIBUTES:
        assert labels.attributes[name].tolist() == loaded.attributes[name].tolist()
    for name in ("people", "rows", "raw_bytes"):
        assert getattr(labels, name).tolist() == getattr(loaded, name).tolist()


def test_arguments_and_copies_change_nothing(data):
    others = [chitchat(cache_folder(), (1, 1), 99), pickle.loads(pickle.dumps(data))]
    assert all(other.load([8, 2]).inputs == data.load([8, 2]).inputs for other in others)


def test_the_json_is_read_once(data, monkeypatch):
    monkeypatch.setattr("json.loads", pytest.fail)
    assert len(chitchat(None, SIZE, 0).people) == 1315


def test_an_unknown_person_is_an_error(data):
    with pytest.raises(InputError, match="person 1315 has no message in chitchat"):
        data.labels([0, 1315])


def talk(*messages):
    """One conversation of (sender, second, text)."""
    turn = [{"sender": s, "timestamp": f"2018-05-02T19:38:{t:02}Z", "text": text} for s, t, text in messages]
    return {"messages": [turn]}


def test_people_are_numbered_by_sender_and_ordered_by_time_with_ties_in_place():
    table = _columns(
        {"x": talk(("b", 9, "late"), ("a", 5, "one"), ("b", 1, "early")), "y": talk(("a", 5, "two"))}
    )
    assert table["text"] == ["one", "two", "early", "late"]
    assert table["person"].tolist() == [0, 0, 1, 1]
    assert table["row"].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("sent", "text", "question"),
    [
        ("how are you?", "how are you", 1),
        (" how are you ? ?? ", "how are you", 1),
        ("what?!", "what", 1),
        ("well...?", "well...", 1),
        ("you? me!", "you? me!", 0),
        ("fine.", "fine.", 0),
        ("ok", "ok", 0),
        ("né…", "né…", 0),
    ],
)
def test_questions_lose_their_mark_and_the_rest_stays(sent, text, question):
    table = _columns({"x": talk(("a", 0, sent))})
    assert (table["text"], table["Question"].tolist()) == ([text], [question])
    assert table["bytes"].tolist() == [len(text.encode())]


def test_messages_without_text_are_left_out_and_still_count_for_the_habit():
    table = _columns({"x": talk(("a", 0, "?"), ("a", 1, " "), ("a", 2, "hi!"), ("a", 3, "no"))})
    assert table["text"] == ["hi!", "no"]
    assert table["row"].tolist() == [0, 1]
    assert table["Ends_With_Punctuation"].tolist() == [1, 1]


@pytest.mark.parametrize(("ends", "trait"), [("..", 1), (". ", 1), ("?x", 1), (".xx", 0), (",)", 0)])
def test_the_trait_asks_for_half_of_the_messages(ends, trait):
    table = _columns({"x": talk(*(("a", i, f"word{end}") for i, end in enumerate(ends)))})
    assert set(table["Ends_With_Punctuation"].tolist()) == {trait}


@pytest.mark.parametrize("lost", ["files", "metadata"])
def test_a_missing_package_is_explained(monkeypatch, lost):
    def unknown(name):
        raise metadata.PackageNotFoundError(name)

    if lost == "files":
        monkeypatch.setattr(util, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(metadata, "version", unknown)
    message = "data.name=chitchat needs the package chitchat-dataset: pip install 'tiprdc_fl[chitchat]'"
    with pytest.raises(InputError, match=re.escape(message)):
        chitchat(None, SIZE, 0)


def test_messages_picked_by_row_are_those_of_the_whole(data):
    whole = data.load([5, 900])
    rows = np.array([1, 0, len(data.labels([5])) - 1])
    chosen = data.pick(np.array([900, 5, 5]), rows)
    mine = [whole.people.tolist().index(person) + row for person, row in zip([900, 5, 5], rows, strict=True)]
    assert chosen.inputs == [whole.inputs[i] for i in mine]
    assert chosen.raw_bytes.tolist() == whole.raw_bytes[mine].tolist()
    for person, row in ((5, 100_000), (5, -1), (1315, 0)):
        with pytest.raises(InputError, match=f"person {person} has no example {row}: the data has changed"):
            data.pick(np.array([5, person]), np.array([0, row]))
