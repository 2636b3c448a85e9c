"""DIAL's two forms, on small folders written here exactly as they are handed round."""

import errno
import os
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tiprdc_fl.data.cache import cache_folder
from tiprdc_fl.data.dial import dial
from tiprdc_fl.data.examples import pick
from tiprdc_fl.errors import InputError

SIZE = (32, 32)
CELLS = ("pos_pos", "pos_neg", "neg_pos", "neg_neg")
AFRICAN, WHITE, NEITHER = (0.9, 0.05, 0.0, 0.05), (0.01, 0.01, 0.02, 0.96), (0.8, 0.0, 0.0, 0.2)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "dial").mkdir()
    return tmp_path / "dial"


def row(user, text, posteriors=WHITE, tweet=0):
    """A line of the TwitterAAE table."""
    values = "\t".join(map(str, posteriors))
    time, place, block = "Thu Nov 01 00:00:00 +0000 2012", "[-84.4, 33.7]", "131210083021"
    return f"{tweet}\t{time}\t{user}\t{place}\t{block}\t{text}\t{values}"


def write(path: Path, *lines: str, end="\n", mark=b"") -> None:
    path.write_bytes(mark + "".join(line + end for line in lines).encode())


def write_cells(root: Path, count=3, **changed) -> None:
    for name in CELLS:
        lines = changed.get(name, [f"{name} number {i}" for i in range(count)])
        write(root / name, *lines)


def everything(root: Path):
    data = dial(root, SIZE, 0)
    return data.load(data.people)


def test_people_are_users_and_their_tweets_stay_in_order(root):
    write(root / "twitteraae_all", row(70, "one"), row(5, "two", AFRICAN), row(70, "@bob three", AFRICAN))
    data = dial(root, SIZE, 0)
    assert (data.name, data.modality, data.attributes) == ("dial", "text", ("Race", "Mentioned"))
    assert list(data.people) == [0, 1]
    examples = data.load([0, 1])
    assert examples.inputs == ["two", "one", "three"]
    assert examples.people.tolist() == [0, 1, 1]
    assert examples.rows.tolist() == [0, 0, 1]
    assert examples.attributes["Race"].tolist() == [1, 0, 1]
    assert examples.attributes["Mentioned"].tolist() == [0, 0, 1]
    assert examples.raw_bytes.tolist() == [3, 3, 5]
    assert (examples.people.dtype, examples.rows.dtype) == (np.int64, np.int32)
    assert {column.dtype for column in examples.attributes.values()} == {np.dtype(np.int8)}
    assert examples.raw_bytes.dtype == np.int64


def test_only_confident_posteriors_count(root):
    lines = [row(1, "a", AFRICAN), row(1, "b", NEITHER), row(1, "c", (0, 0.9, 0, 0.1)), row(1, "d", WHITE)]
    write(root / "twitteraae_all", *lines, row(2, "e", ["nan"] * 4), row(1, "f", (1e-3, 0, 0, 1.0000001)))
    assert everything(root).inputs == ["a", "d", "f"]


@pytest.mark.parametrize(
    ("sent", "text", "mentioned"),
    [
        ("hello @Bob_1 you", "hello you", 1),
        ("@a @b hi", "hi", 1),
        ("RT @bob: hi", "RT hi", 1),
        ("mail me@home.org", "mail me@home.org", 0),
        ("see you @ home", "see you @ home", 0),
        ("\uff20bob hi", "hi", 1),
        ('she said "no', 'she said "no', 0),
        ('"quoted"', '"quoted"', 0),
        ("two\ttabs\there", "two tabs here", 0),
        ("é 😂 \u2028 x", "é 😂 x", 0),
        (r"lol \ud83d\ude02 \u00e9", "lol 😂 é", 0),
        (r"half \ud83d", "half", 0),
        (r"hey\n", r"hey\n", 0),
        ("1 2 3", "1 2 3", 0),
    ],
)
def test_texts_keep_all_but_mentions(root, sent, text, mentioned):
    write(root / "twitteraae_all", row(1, sent))
    examples = everything(root)
    assert examples.inputs == [text]
    assert examples.attributes["Mentioned"].tolist() == [mentioned]
    assert examples.raw_bytes.tolist() == [len(text.encode())]


def test_tweets_without_other_words_are_left_out(root):
    write(root / "twitteraae_all", row(1, "@bob"), row(2, ""), row(3, "hi"))
    examples = everything(root)
    assert (examples.inputs, examples.people.tolist()) == (["hi"], [0])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("tail", [(), ("", "")])
def test_line_ends_and_byte_order_marks_make_no_difference(root, end, mark, tail):
    write(root / "twitteraae_all", row(1, "a b"), row(2, "c", AFRICAN), *tail, end=end, mark=mark)
    examples = everything(root)
    assert (examples.inputs, examples.attributes["Race"].tolist()) == (["a b", "c"], [0, 1])


def test_pieces_of_any_size_give_the_same_examples(root, monkeypatch):
    module = sys.modules[dial.__module__]
    rng = np.random.default_rng(0)
    lines = [
        row(user, f"tweet {i} 😂" * (i % 4 + 1), AFRICAN) for i, user in enumerate(rng.integers(9, size=50))
    ]
    write(root / "twitteraae_all", *lines)
    whole = everything(root)
    monkeypatch.setattr(module, "_CHUNK", 7)
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "other"))
    pieces = everything(root)
    assert pieces.inputs == whole.inputs
    assert pieces.people.tolist() == whole.people.tolist()
    starts = np.flatnonzero(np.diff(whole.people, prepend=-1))
    assert (whole.rows[starts] == 0).all()
    assert (np.diff(whole.rows)[np.diff(whole.people) == 0] == 1).all()
    for person in range(9):  # in the order of the file
        numbers = [int(text.split()[1]) for text in dial(root, SIZE, 0).load([person]).inputs]
        assert numbers == sorted(numbers)


def test_people_come_in_the_order_asked_for_and_labels_agree(root):
    write(root / "twitteraae_all", *(row(i % 4, f"@x {i}" if i % 3 else f"{i}", AFRICAN) for i in range(20)))
    data = dial(root, SIZE, 0)
    loaded, labels = data.load([2, 0, 3, 2]), data.labels([2, 0, 3, 2])
    assert labels.inputs is None
    assert loaded.people.tolist() == labels.people.tolist() == [2] * 5 + [0] * 5 + [3] * 5 + [2] * 5
    assert loaded.inputs[:5] == loaded.inputs[15:] == ["2", "6", "10", "14", "18"]
    for name in data.attributes:
        assert loaded.attributes[name].tolist() == labels.attributes[name].tolist()
    for name in ("rows", "raw_bytes"):
        assert getattr(loaded, name).tolist() == getattr(labels, name).tolist()
    assert data.load([]).inputs == []


def test_the_whole_table_is_preferred_to_its_parts(root):
    for name in ("twitteraae_all", "twitteraae_all_aa", "twitteraae_limited", "twitteraae_all.zip"):
        write(root / name, row(1, name))
    assert everything(root).inputs == ["twitteraae_all"]
    (root / "twitteraae_all").unlink()
    assert everything(root).inputs == ["twitteraae_limited"]


def test_pieces_of_a_table_are_read_together(root):
    write(root / "b.tsv", row(1, "second"))
    write(root / "a.tsv", row(1, "first"))
    assert everything(root).inputs == ["first", "second"]


def test_tweets_are_parsed_once_and_again_when_a_file_changes(root, monkeypatch):
    path = root / "twitteraae_all"
    write(path, row(1, "old"))
    data = dial(root, SIZE, 0)
    copies = [data, pickle.loads(pickle.dumps(data)), dial(root, (64, 64), 9)]
    assert [copy.load([0]).inputs for copy in copies] == [["old"]] * 3
    assert len(list(cache_folder().glob("dial-*"))) == 1
    stat = path.stat()
    write(path, row(1, "new"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert everything(root).inputs == ["new"]
    assert len(list(cache_folder().glob("dial-*"))) == 2


def test_cells_carry_both_labels(root):
    write_cells(root)
    examples = everything(root)
    expected = {"pos_pos": (1, 1), "pos_neg": (1, 0), "neg_pos": (0, 1), "neg_neg": (0, 0)}
    found = zip(examples.inputs, examples.attributes["Mentioned"], examples.attributes["Race"], strict=True)
    for text, mentioned, race in found:
        assert expected[text.split()[0]] == (mentioned, race)
    assert len(examples) == 12


def test_twenty_consecutive_tweets_of_a_cell_stand_for_a_person(root):
    write_cells(root, count=45, pos_neg=["@bob", "", *(f"x {i}" for i in range(20))])
    data = dial(root, SIZE, 0)
    examples = data.load(data.people)
    assert np.bincount(examples.people).tolist() == [20, 20, 5] + [20] + [20, 20, 5] * 2
    assert data.load([1]).inputs == [f"pos_pos number {i}" for i in range(20, 40)]
    for column in examples.attributes.values():
        assert all(len(set(column[examples.people == person].tolist())) == 1 for person in data.people)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_may_hold_numbers_of_words(root, end):
    write_cells(root, pos_pos=["0 2 1", "2", "9 lives"])
    write(root / "vocab", "hello", "", "😂", "é", end=end)
    assert dial(root, SIZE, 0).load([0]).inputs == ["hello 😂", "😂", "9 lives"]


def expect(message: str, root: Path | None) -> None:
    """Opening the folder must fail with this one line, and leave nothing in the cache."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        dial(root, SIZE, 0)
    assert "\n" not in str(caught.value)
    assert list(cache_folder().glob("dial-*")) == []


def test_folders_that_hold_no_dial_are_explained(root):
    expect("data.name=dial needs data.root=PATH: a folder with twitteraae_all", None)
    expect("none is not a folder; data.name=dial needs a folder with", root / "none")
    expect(f"data.root={root} holds neither a table nor cells of DIAL; give a folder", root)
    write(root / "pos_neg", "x")
    expect("holds no pos_pos and no neg_pos and no neg_neg; give", root)
    write(root / "twitteraae_all", row(1, "x"))
    expect("holds both a table and cells of DIAL", root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t2\t3", "3 columns instead of 10 (tweet id, time, user id"),
        (row(1, "x").replace("\tx\t", "\t"), "9 columns instead of 10"),
        ("no table", "1 columns instead of 10"),
        (row(1, "x", (0.1, "b", 0, 0)), "the posterior 'b' is not a number from 0 to 1"),
        (row(1, "x", (0.1, "", 0, 0)), "the posterior '' is not a number"),
        (row(1, "x", (0.1, 0, 0, -84.4)), "the posterior '-84.4' is not a number from 0 to 1"),
        (row(1, "x", (0.1, 0, 0, "inf")), "the posterior 'inf' is not a number from 0 to 1"),
        (row("bob", "x"), "the user id 'bob' is not a whole number"),
        (row(2**63, "x"), "the user id '9223372036854775808' is not a whole number"),
    ],
)
def test_a_wrong_line_of_the_table_is_named(root, line, message):
    write(root / "twitteraae_all", row(1, "x"), line)
    expect(f"{root / 'twitteraae_all'}, line 2: {message}", root)


def test_a_byte_that_is_no_utf8_is_named(root):
    (root / "twitteraae_all").write_bytes((row(1, "x") + "\n" + row(1, "é") + "\n").encode("latin-1"))
    expect(f"{root / 'twitteraae_all'}, line 2: the byte 0xe9 is not UTF-8", root)


def test_cells_and_their_vocabulary_must_fit(root):
    write_cells(root, neg_pos=["0 1 2", "1 3"])
    expect(f"{root / 'neg_pos'}, line 1: numbers of words, but {root} has no vocab", root)
    write(root / "vocab", "a", "b", "c")
    expect(f"{root / 'neg_pos'}, line 2: there is no word 3 among the 3 of vocab", root)


@pytest.mark.parametrize("lines", [[], [row(1, "x", NEITHER)], [row(1, "@bob")]])
def test_a_table_that_leaves_no_tweet_is_an_error(root, lines):
    write(root / "twitteraae_all", *lines)
    expect(f"{root / 'twitteraae_all'}: no tweet is left", root)


def test_an_unknown_person_is_an_error(root):
    write(root / "twitteraae_all", row(1, "x"))
    with pytest.raises(InputError, match="person 1 has no tweet in dial"):
        dial(root, SIZE, 0).labels([0, 1])


@pytest.mark.parametrize("name", ["pos_neg", "vocab", ""])
def test_what_may_not_be_read_is_named(root, name, monkeypatch):
    write_cells(root)
    write(root / "vocab", "hello")
    originals = {"open": Path.open, "iterdir": Path.iterdir}

    def refusing(method: str):
        def refuse(path: Path, *args, **kwargs):
            if path == root / name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return originals[method](path, *args, **kwargs)

        return refuse

    for method in originals:
        monkeypatch.setattr(Path, method, refusing(method))
    expect(f"{root / name} cannot be read: Permission denied; give the account that runs this", root)


def test_tweets_picked_by_row_are_those_of_the_whole(root):
    write(root / "twitteraae_all", *(row(i % 4, f"{i}", AFRICAN) for i in range(20)))
    data = dial(root, SIZE, 0)
    chosen = pick(data, np.array([3, 0, 3]), np.array([4, 1, 0]))
    assert chosen.inputs == ["19", "4", "3"]
    with pytest.raises(InputError, match="person 2 has no example 5: the data has changed"):
        pick(data, np.array([2]), np.array([5]))
