"""A user's own folder: three formats of metadata, labels of every kind, and each mistake named."""

import csv
import errno
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from tiprdc_fl.data.folder.dataset import folder
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.stages.prepare import check_attributes

SIZE = (8, 8)
FORMATS = ("csv", "jsonl", "parquet")
MESSAGES = {
    "text": ["hi", 'she said "no", twice', "é 😂", "two\nlines", "last"],
    "contributor": [10, 9, 10, -3, 9],
    "Asks a question": [0, 1, 1, 0, 1],
    "mood": ["sad", "glad", "glad", "mad", "sad"],
    "score": [0.5, 1.5, 2.5, 3.5, 4.5],
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def write(root: Path, columns: dict[str, list[Any]], kind: str = "csv") -> Path:
    """Metadata with these columns."""
    path = root / f"metadata.{kind}"
    rows = list(zip(*columns.values(), strict=True))
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *rows])
    elif kind == "jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        pq.write_table(pa.table(columns), path)
    return path


def label(root: Path, values: list[Any], kind: str = "csv") -> list[int] | None:
    """What a column of these values gives; None if it is no attribute."""
    count = range(len(values))
    ids, texts = [f"{i:06}" for i in count], [f"message {i}" for i in count]
    write(root, {"text": texts, "contributor": ids, "other": [0 for _ in count], "wanted": values}, kind)
    data = folder(root, SIZE, 0)
    examples = data.labels(data.people)
    return examples.attributes["wanted"].tolist() if "wanted" in data.attributes else None


def write_images(root: Path, kind: str = "csv", **changed: list[Any]) -> Path:
    """Five images of one colour each, of three people, and their metadata."""
    names = ["a/1.png", "b/1.png", "2.png", "a/2.png", "with space.png"]
    for i, name in enumerate(names):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (i, 10 * i, 50 * i)).save(root / name)
    columns = {"file_name": names, "contributor": ["x", "y", "x", "z", "y"], "Smiling": [1, -1, -1, 1, -1]}
    return write(root, columns | changed, kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_messages(root, kind):
    write(root, MESSAGES, kind)
    data = folder(root, SIZE, 0)
    assert (data.name, data.modality, data.attributes) == ("folder", "text", ("Asks a question", "mood"))
    assert list(data.people) == [0, 1, 2]  # -3, 9, 10: as numbers, also from a CSV file
    examples = data.load(data.people)
    order = [3, 1, 4, 0, 2]
    assert examples.inputs == [MESSAGES["text"][i] for i in order]
    assert examples.people.tolist() == [0, 1, 1, 2, 2]
    assert examples.rows.tolist() == [0, 0, 1, 0, 1]
    assert examples.attributes["Asks a question"].tolist() == [0, 1, 1, 0, 1]
    assert examples.attributes["mood"].tolist() == [1, 0, 2, 2, 0]
    assert examples.raw_bytes.tolist() == [len(MESSAGES["text"][i].encode()) for i in order]
    assert (examples.people.dtype, examples.rows.dtype) == (np.int64, np.int32)
    assert {column.dtype for column in examples.attributes.values()} == {np.dtype(np.int8)}
    assert examples.raw_bytes.dtype == np.int64


@pytest.mark.parametrize("kind", FORMATS)
def test_images(root, kind):
    write_images(root, kind)
    data = folder(root, SIZE, 0)
    assert (data.modality, data.attributes) == ("image", ("Smiling",))
    examples = data.load([2, 0])
    assert examples.people.tolist() == [2, 0, 0]
    assert examples.attributes["Smiling"].tolist() == [1, 1, 0]
    assert examples.raw_bytes.tolist() == [3 * 8 * 8] * 3
    pixels = examples.inputs[np.arange(3)]
    assert (pixels.dtype, pixels.shape) == (torch.uint8, (3, 3, 8, 8))
    assert pixels[:, :, 0, 0].tolist() == [[3, 30, 150], [0, 0, 0], [2, 20, 100]]


def test_images_with_a_text_are_images(root):
    write_images(root, text=["one", "two", "three", "four", "five"])
    data = folder(root, SIZE, 0)
    assert (data.modality, data.attributes) == ("image", ("Smiling", "text"))


def test_people_come_in_the_order_asked_for_and_labels_agree(root):
    write_images(root)
    data = folder(root, SIZE, 0)
    loaded, labels = data.load([1, 0, 2, 1]), data.labels([1, 0, 2, 1])
    assert labels.inputs is None
    assert loaded.people.tolist() == labels.people.tolist() == [1, 1, 0, 0, 2, 1, 1]
    assert loaded.rows.tolist() == labels.rows.tolist() == [0, 1, 0, 1, 0, 0, 1]
    assert loaded.attributes["Smiling"].tolist() == labels.attributes["Smiling"].tolist()
    assert loaded.raw_bytes.tolist() == labels.raw_bytes.tolist()
    assert torch.equal(loaded.inputs[slice(0, 2)], loaded.inputs[slice(5, 7)])
    assert len(data.load([])) == 0
    assert pickle.loads(pickle.dumps(data)).load([1]).people.tolist() == [1, 1]


@pytest.mark.parametrize("kind", FORMATS)
def test_the_seed_changes_nothing_and_messages_may_be_asked_for_in_any_order(root, kind):
    write(root, MESSAGES, kind)
    first, second = folder(root, SIZE, 0), folder(root, (64, 64), 1)
    assert (
        first.load([2, 1, 2]).inputs
        == second.load([2, 1, 2]).inputs
        == ["hi", "é 😂", *first.load([1, 2]).inputs]
    )
    assert first.load([]).inputs == []


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1, 1], [0, 1, 1]),
        ([1, 1, 1], [1, 1, 1]),
        ([-1, 1, -1], [0, 1, 0]),
        ([-1, 0, 1], [0, 0, 1]),
        ([True, False, True], [1, 0, 1]),
        ([1.0, 0.0, 1.0], [1, 0, 1]),
        ([7, 0, 99], [1, 0, 2]),
        ([10, 9, 9], [1, 0, 0]),
        (["yes", "no", "yes"], [1, 0, 1]),
        (["True", "false", "TRUE"], [1, 0, 1]),
        (["a b", " a b ", "é"], [0, 0, 1]),
        (["10", "9", "9"], [1, 0, 0]),
        ([0.5, 1.0, 2.0], None),
        ([-1, 2, 1], None),
        ([100, 1, 2], None),
        ([-2, 1, 1], None),
    ],
)
def test_labels_of_every_kind(root, kind, values, expected):
    assert label(root, values, kind) == expected


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_nested_values_and_dates_are_no_labels(root, kind):
    assert label(root, [[1], [2]], kind) is None
    assert label(root, [{"a": 1}, {"a": 2}], kind) is None


def test_mixed_values_are_no_labels(root):
    assert label(root, ["yes", 1, True], "jsonl") is None
    assert label(root, [True, 0, 1], "jsonl") is None


@pytest.mark.parametrize("kind", FORMATS)
def test_a_hundred_different_texts_are_classes_and_more_are_not(root, kind):
    words = [f"w{i:03}" for i in range(101)]
    assert label(root, words[:100] * 2, kind) == list(range(100)) * 2
    assert label(root, words, kind) is None
    assert label(root, list(range(100)), kind) == list(range(100))


def test_columns_that_cannot_be_wanted_are_ignored(root):
    write(
        root,
        MESSAGES | {"": [0, 1, 2, 3, 4], "notes": [None] * 5, "long": ["a" * 9000] * 4 + [None]},
        "jsonl",
    )
    with pytest.raises(InputError, match="no value in the column 'long'"):
        folder(root, SIZE, 0)
    write(root, MESSAGES | {"": [0, 1, 2, 3, 4], "notes": [None] * 5}, "jsonl")
    assert folder(root, SIZE, 0).attributes == ("Asks a question", "mood")


def test_another_column_may_name_the_contributor(root):
    write(root, {"speaker": ["b", "a", "b", "b", "a"], **MESSAGES})
    data = folder(root, SIZE, 0, contributor="speaker")
    assert data.load([0]).inputs == [MESSAGES["text"][1], "last"]
    assert data.attributes == ("Asks a question", "mood")


def test_contributors_written_differently_are_different_people(root):
    write(root, MESSAGES | {"contributor": ["7", "07", "b", "B", "7"]})
    assert folder(root, SIZE, 0).labels([0, 1, 2, 3]).people.tolist() == [0, 1, 1, 2, 3]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("tail", ["", "\n\n"])
def test_line_ends_and_byte_order_marks_make_no_difference(root, kind, end, mark, tail):
    columns = MESSAGES | {"text": ["a", "b", "c", "d", "e"]}
    path = write(root, columns, kind)
    text = path.read_text(encoding="utf-8").strip() + tail
    path.write_bytes(mark + text.replace("\n", end).encode())
    examples = folder(root, SIZE, 0).load([0, 1, 2])
    assert examples.inputs == ["d", "b", "e", "a", "c"]
    assert examples.attributes["mood"].tolist() == [1, 0, 2, 2, 0]


def test_half_a_character_does_not_break_a_message(root):
    write(root, MESSAGES | {"text": ["\ud83d", "b", "c", "d", "e"]}, "jsonl")
    assert folder(root, SIZE, 0).load([2]).inputs == ["?", "c"]


def expect(message: str, root: Path | None, contributor: str | None = None) -> None:
    """Opening the folder must fail with this one line."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        folder(root, SIZE, 0, contributor)
    assert "\n" not in str(caught.value)


def test_folders_without_metadata_are_explained(root):
    expect("data.name=folder needs data.root=PATH: a folder with metadata.csv", None)
    expect("none is not a folder; data.name=folder needs a folder with", root / "none")
    expect(f"data.root={root} holds no metadata; data.name=folder needs", root)
    write(root, MESSAGES, "csv")
    write(root, MESSAGES, "parquet")
    expect(f"data.root={root} holds metadata.csv and metadata.parquet; keep the one", root)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("column", "values", "place", "message"),
    [
        ("mood", ["a", "b", None, "c", "d"], 2, "no value in the column 'mood'; fill it in"),
        ("mood", ["a", "b", "c", "d", "NA"], 4, "no value in the column 'mood'"),
        ("mood", [1, 0, None, 1, None], 2, "no value in the column 'mood'"),
        ("contributor", ["a", None, "b", "c", "d"], 1, "no contributor in the column 'contributor'"),
        ("contributor", ["a", "b", "c", "  ", "d"], 3, "no contributor in the column 'contributor'"),
        ("text", ["a", "b", None, "c", "d"], 2, "no message in the column 'text'"),
        ("text", ["a", " ", "b", "c", "d"], 1, "no message in the column 'text'"),
    ],
)
def test_a_missing_value_is_named_with_its_row(root, kind, column, values, place, message):
    path = write(root, MESSAGES | {"text": ["a", "b", "c", "d", "e"], column: values}, kind)
    number = {"csv": f"line {place + 2}", "jsonl": f"line {place + 1}", "parquet": f"row {place + 1}"}[kind]
    expect(f"{path}, {number}: {message}", root)


def test_lines_are_those_of_the_file_where_values_go_over_several(root):
    texts = ["one\ntwo\nthree", "b", "c", "d", "e"]
    path = write(root, MESSAGES | {"text": texts, "mood": ["a", "b", "", "c", "d"]})
    expect(f"{path}, line 6: no value in the column 'mood'", root)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("value", [0.5, True])
def test_contributors_are_text_or_integers(root, kind, value):
    path = write(root, MESSAGES | {"contributor": [value] * 5}, kind)
    unit = "row" if kind == "parquet" else "line"
    expect(f"{path}, {unit} 1: the contributor '{value}' in the column 'contributor' is neither text", root)


def test_an_unknown_column_of_contributors_is_explained(root):
    path = write(root, {"contributor id" if k == "contributor" else k: v for k, v in MESSAGES.items()})
    expect(
        f"{path} has no column 'contributor', which data.contributor=null asks for; there are text, contributor id",
        root,
    )
    expect(
        "no column 'zzz', which data.contributor=zzz asks for; there are text, contributor id, Asks",
        root,
        "zzz",
    )


def test_metadata_needs_examples_and_labels(root):
    path = write(root, {k: v for k, v in MESSAGES.items() if k != "text"})
    expect(
        f"{path} has neither a column file_name (paths of images) nor text (messages); there are contr", root
    )
    write(root, {k: MESSAGES[k] for k in ("text", "contributor", "score")})
    expect(
        f"{path} has no column of labels ('score': metadata.csv line 2 is '0.5', a fraction; labels are", root
    )
    write(root, {k: MESSAGES[k] for k in ("text", "contributor")})
    expect(f"{path} has no column of labels (no further column); add columns", root)


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_without_rows_is_an_error(root, kind):
    path = write(root, {name: [] for name in MESSAGES}, kind)
    expect(f"{path} has no rows", root)
    if kind != "parquet":
        path.write_text("\n")
        expect(f"{path} has no rows", root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,contributor,a\nx,1,0\nx,1\n", ", line 3: 2 columns instead of 3"),
        (
            "text,contributor,a\nx,1,0\n\nx,y,1,0\n",
            ", line 4: 4 columns instead of 3; put values with commas",
        ),
        (
            'text,contributor,a\n"x,1,0\nx,1,0\n',
            ": the row from line 2 to 3 is no CSV (unexpected end of data); close every double quote",
        ),
        (
            'text,contributor,a\n"one ""1""\ntwo",1,0\n"three\nfour","1\nx,1,0\nx,1,0\n',
            ": the row from line 4 to 7 is no CSV",
        ),
        (
            'text,contributor,a\nx,1,0\n"x,1,0\nx,1,0\n"y",1,0\n',
            ": the row from line 3 to 5 is no CSV",
        ),
        (
            "text;contributor;a\nx;1;0\n",
            " has no column 'contributor', which data.contributor=null asks for; there are text;contributor;a",
        ),
        ('text,contributor,a\n"x"y,1,0\n', ": the row from line 2 to 2 is no CSV"),
        ("text,contributor,a,a\nx,1,0,0\n", " has two columns 'a'; rename one"),
    ],
)
def test_a_malformed_csv_file_is_explained(root, content, message):
    (root / "metadata.csv").write_text(content)
    expect(f"{root / 'metadata.csv'}{message}", root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"text": "x"',
            "no JSON (Expecting ',' delimiter: line 1 column 13 (char 12)); write one object a line",
        ),
        ("[1]", "'[1]' is no JSON object"),
        ("3", "'3' is no JSON object"),
        ("[" * 100_000, "no JSON ("),
    ],
)
def test_a_malformed_line_of_json_is_named(root, line, message):
    path = write(root, MESSAGES, "jsonl")
    path.write_text(path.read_text() + line)
    expect(f"{path}, line 6: {message}", root)


def test_names_that_a_line_of_json_lacks_have_no_value(root):
    path = write(root, MESSAGES, "jsonl")
    path.write_text(path.read_text() + '{"text": "x", "contributor": 1, "mood": NaN, "Asks a question": 1}')
    expect(f"{path}, line 6: no value in the column 'mood'", root)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_byte_that_is_no_utf8_is_named(root, kind):
    path = write(root, MESSAGES | {"text": ["a", "b", "c", "d", "e"]}, kind)
    path.write_bytes(path.read_bytes().replace(b"glad", b"gl\xe4d", 1))
    expect(f"{path}, line {3 if kind == 'csv' else 2}: the byte 0xe4 is not UTF-8", root)


@pytest.mark.parametrize("content", [b"", b"no parquet at all", None])
def test_a_broken_parquet_file_is_an_error(root, content):
    path = write(root, MESSAGES, "parquet")
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    expect(f"{path} is not a readable Parquet file: ", root)


NAMES = ["a/1.png", "b/1.png", "2.png", "a/2.png", "with space.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./a//1.png", "a/1.png is also in line 2; remove one of the two"),
        ("/etc/passwd", "file_name '/etc/passwd' is not within the folder; give a path relative to"),
        ("a/../../x.png", "file_name 'a/../../x.png' is not within the folder"),
        ("", "no path in the column 'file_name'"),
    ],
)
def test_a_wrong_path_is_named(root, name, message):
    path = write_images(root, file_name=[*NAMES[:3], name, NAMES[4]])
    expect(f"{path}, line 5: {message}", root)


def test_missing_images_are_counted_and_the_first_named(root):
    path = write_images(root)
    (root / NAMES[3]).unlink()
    expect(f"{path}, line 5: no image {root / NAMES[3]}; restore them or remove their rows", root)
    for name in NAMES[1:3]:
        (root / name).unlink()
    expect(f"{path}, line 3: no image {root / NAMES[1]} and 2 more of the 5 images; restore them", root)


def test_a_path_written_with_backslashes_is_explained(root):
    path = write_images(root, file_name=[NAMES[0], "b\\1.png", *NAMES[2:]])
    expect(f"{path}, line 3: no image {root}/b\\1.png; write / instead of \\ in file_name", root)


@pytest.mark.parametrize("name", ["a" * 256 + ".png", "b/" + "é" * 200 + ".png", "c/" * 5000 + "1.png"])
def test_a_path_longer_than_a_file_name_can_be_is_named(root, name):
    path = write_images(root, file_name=[*NAMES[:4], name])
    expect(f"{path}, line 6: the file_name '{name[:40]}' ({len(name)} characters) cannot be looked up", root)


def test_an_image_that_does_not_decode_is_named(root):
    write_images(root)
    (root / "2.png").write_bytes(b"no image")
    data = folder(root, SIZE, 0)
    assert len(data.labels([0])) == 2
    with pytest.raises(InputError, match=r"2\.png is not a readable image"):
        data.load([0])


def test_an_unknown_person_is_an_error(root):
    write(root, MESSAGES)
    with pytest.raises(InputError, match="person 3 has no example in the folder"):
        folder(root, SIZE, 0).labels([0, 3])


def rows(count: int, **changed: Any) -> dict[str, list[Any]]:
    """Metadata of ``count`` messages; ``changed``: values of one column that differ, from the second row on."""
    columns = {"text": [f"m{i}" for i in range(count)], "contributor": [i % 4 for i in range(count)]}
    columns |= {"other": [i % 2 for i in range(count)]}
    for name, values in changed.items():
        columns[name] = [i % 2 for i in range(count)]
        columns[name][1 : 1 + len(values)] = values
    return columns


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["maybe"], "line 3 is 'maybe', a text, while the first is a whole number; write all in one way"),
        (["1", "true"], "line 4 is 'true', a truth value, while the first is a whole number"),
        (["0.5"], "line 3 is '0.5', a fraction; labels are truth values, whole numbers or text"),
        (["100"], "line 3 is '100', which is not from 0 to 99"),
        (["-7"], "line 3 is '-7', which is not from 0 to 99"),
        (["0", "2"], None),
        (["-1"], None),
    ],
)
def test_labels_are_of_one_kind(root, values, reason):
    write(root, rows(20, wanted=values))
    data = folder(root, SIZE, 0)
    assert ("wanted" in data.attributes) == (reason is None)
    assert set(data.refused) == ({"wanted"} if reason else set())
    if reason:
        assert data.refused["wanted"].startswith(f"metadata.csv {reason}")


def test_the_first_text_too_many_is_named(root):
    write(root, rows(200) | {"wanted": [f"w{i}" for i in range(200)]})
    reason = folder(root, SIZE, 0).refused["wanted"]
    assert reason.startswith("metadata.csv line 102 is 'w100', one text more than the 100 different")


@pytest.mark.parametrize(
    ("kind", "values", "reason"),
    [
        (
            "jsonl",
            [True, "yes", False],
            "metadata.jsonl line 2 is 'yes', a text, while the first is a truth value",
        ),
        ("jsonl", [1, 0, 0.5], "metadata.jsonl line 3 is '0.5', a fraction; labels are truth values"),
        ("parquet", [0.5, 1.0, 2.5], "metadata.parquet row 1 is '0.5', a fraction; labels are"),
        ("parquet", [[1], [2], [3]], "metadata.parquet row 1 is '[1]', a list; labels are"),
        ("jsonl", [None, None, None], "every value is missing"),
    ],
)
def test_values_of_other_kinds_are_named_where_files_have_kinds(root, kind, values, reason):
    write(root, rows(3) | {"wanted": values}, kind)
    assert folder(root, SIZE, 0).refused["wanted"].startswith(reason)


def test_a_refused_column_matters_only_to_who_asks_for_it(root):
    write(root, rows(6, **{"Has Glasses": [1, 0, 1, "0.5"]}))
    data = open_dataset(DataSource("folder", str(root), SIZE, 0, most=1))
    check_attributes(data, ["other"])
    message = (
        "data.name=folder: column 'Has Glasses' holds no labels: metadata.csv line 6 is '0.5', a fraction"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        check_attributes(data, ["other", "Has Glasses"])
    with pytest.raises(InputError, match=r"data\.name=folder has no attribute 'Has'; nearest: other"):
        check_attributes(data, ["Has"])


def test_the_home_folder_may_be_abbreviated(root, monkeypatch):
    write(root, MESSAGES)
    monkeypatch.setenv("HOME", str(root.parent))
    assert list(open_dataset(DataSource("folder", "~/mine", SIZE, 0)).people) == [0, 1, 2]
    with pytest.raises(InputError, match=r"data\.root=~no-such-user/x: .*; write the whole path"):
        open_dataset(DataSource("folder", "~no-such-user/x", SIZE, 0))


def test_a_root_longer_than_a_file_name_can_be_is_an_error(root):
    expect("cannot be read: File name too long; check this path", root / ("a" * 300))


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_that_may_not_be_read_are_named(root, kind, monkeypatch):
    path = write(root, MESSAGES, kind)

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    expect(f"{path} cannot be read: Permission denied; give the account that runs this the permission", root)
