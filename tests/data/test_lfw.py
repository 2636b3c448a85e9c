"""LFW's format, on small folders written here exactly as the authors distribute it."""

import errno
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiprdc_fl.data import DATASETS
from tiprdc_fl.data.lfw import ATTRIBUTES, lfw, read_table
from tiprdc_fl.errors import InputError

# A few of the 73 names, as the file has them.
NAMES = ["Male", "Asian", "Black Hair", "Eyeglasses", "5 o' Clock Shadow", "Mouth Closed"]
# Person and number of each row, in the order of the file, which is not that of the people.
ROWS = [
    ("José Núñez", 2),
    ("Aaron Eckhart", 1),
    ("Abdel Aziz Al-Hakim", 1),
    ("José Núñez", 10),
    ("José Núñez", 1),
]
SORTED = ["Aaron Eckhart", "Abdel Aziz Al-Hakim", "José Núñez"]
SCORES = np.random.default_rng(0).normal(0, 2, (len(ROWS), len(NAMES)))
FIRST = 3  # line of the first row


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def attribute_text() -> str:
    rows = [
        "\t".join([person, str(number), *map(repr, scores)])
        for (person, number), scores in zip(ROWS, SCORES.tolist(), strict=True)
    ]
    return "\n".join(["# lfw_attributes.txt", "\t".join(["#", "person", "imagenum", *NAMES]), *rows]) + "\n"


def write_images(folder: Path) -> None:
    """The rows' images, each of one colour that says which row it is."""
    for i, (person, number) in enumerate(ROWS):
        name = person.replace(" ", "_")
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (250, 250), (40 * i,) * 3).save(folder / name / f"{name}_{number:04}.jpg")


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder of five images of three people in LFW's layout."""
    write_images(tmp_path / "LFW" / "lfw")
    (tmp_path / "LFW" / ATTRIBUTES).write_text(attribute_text(), encoding="utf-8")
    return tmp_path / "LFW"


def edit(path: Path, line: int, text: str | None) -> None:
    """Replace a line (counted from 1), or remove it."""
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[line - 1 : line] = [] if text is None else [text]
    path.write_text("\n".join(lines), encoding="utf-8")


def row(index: int, **changes: str) -> str:
    """A row of the file with some cells replaced."""
    cells = attribute_text().split("\n")[FIRST - 1 + index].split("\t")
    titles = ["person", "imagenum", *NAMES]
    return "\t".join(changes.get(title, cell) for title, cell in zip(titles, cells, strict=True))


def test_people_rows_labels_and_pixels(root):
    data = DATASETS["lfw"].open(root, (64, 64), 0)
    assert (data.name, data.modality, data.attributes) == ("lfw", "image", tuple(NAMES))
    assert list(data.people) == [0, 1, 2]
    assert data.test_people is None
    examples = data.load([2, 0, 1])
    order = [4, 0, 3, 1, 2]  # by person, then by number, which is not the text's order
    assert examples.people.tolist() == [2, 2, 2, 0, 1]
    assert examples.rows.tolist() == [0, 1, 2, 0, 0]
    assert examples.raw_bytes.tolist() == [3 * 64 * 64] * 5
    assert (examples.people.dtype, examples.rows.dtype) == (np.int64, np.int32)
    for i, name in enumerate(NAMES):
        assert examples.attributes[name].tolist() == (SCORES[order, i] > 0).astype(int).tolist()
        assert examples.attributes[name].dtype == np.int8
    images = examples.loaded[:]
    assert tuple(images.shape) == (5, 3, 64, 64)  # pyright: ignore
    assert [int(image.unique()) for image in images] == [40 * i for i in order]  # pyright: ignore


def test_images_are_cropped_to_the_aspect_asked_for(root):
    stripes = np.zeros((250, 250, 3), np.uint8)
    stripes[:, :23] = stripes[:, -23:] = 255  # outside the centre of aspect 218 to 178
    Image.fromarray(stripes).save(root / "lfw" / "Aaron_Eckhart" / "Aaron_Eckhart_0001.jpg", format="PNG")
    images = lfw(root, (218, 178), 0).load([0]).loaded[:]
    assert tuple(images.shape) == (1, 3, 218, 178)  # pyright: ignore
    assert not images.any()  # pyright: ignore


def test_a_score_of_zero_is_false(root):
    edit(root / ATTRIBUTES, FIRST + 1, row(1, Male="0", Asian="-0.0", Eyeglasses="1e-9"))
    labels = lfw(root, (8, 8), 0).labels([0]).attributes
    assert [labels[name].tolist() for name in ("Male", "Asian", "Eyeglasses")] == [[0], [0], [1]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("tail", ["", "\n\n", "\t\n"])
def test_line_ends_marks_and_empty_lines_make_no_difference(root, end, mark, tail):
    expected = lfw(root, (8, 8), 0).labels([0, 1, 2])
    text = (attribute_text().rstrip("\n") + tail).replace("\n", end)
    (root / ATTRIBUTES).write_bytes(mark + text.encode())
    data = lfw(root, (8, 8), 0)
    assert data.attributes == tuple(NAMES)
    labels = data.labels([0, 1, 2])
    assert all(np.array_equal(labels.attributes[name], expected.attributes[name]) for name in NAMES)


@pytest.mark.parametrize(
    "place", ["", "lfw", "lfw_funneled", "lfw-deepfunneled", "lfw-deepfunneled/lfw-deepfunneled"]
)
def test_the_images_may_be_where_each_archive_puts_them(root, tmp_path, place):
    moved = tmp_path / "moved"
    moved.mkdir()
    write_images(moved / place)
    (root / ATTRIBUTES).rename(moved / ATTRIBUTES)
    assert len(lfw(moved, (8, 8), 0).load([0, 1, 2])) == 5


def test_a_pickled_copy_and_a_relative_path_give_the_same(root, monkeypatch):
    monkeypatch.chdir(root.parent)
    data = lfw(Path(root.name), (8, 8), 0)
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(data)).load([0, 2]).loaded[:].equal(data.load([0, 2]).loaded[:])


def test_images_without_a_row_are_left_out_and_counted(root):
    extra = root / "lfw" / "Zoe_Nobody"
    extra.mkdir()
    Image.new("RGB", (250, 250)).save(extra / "Zoe_Nobody_0001.jpg")
    edit(root / ATTRIBUTES, FIRST + 3, None)
    (root / "lfw" / "Aaron_Eckhart" / "Thumbs.db").write_bytes(b"")
    found = read_table(root, (8, 8))
    assert found.left_out == 2
    assert list(found.names) == SORTED
    assert len(lfw(root, (8, 8), 0).load([0, 1, 2])) == 4


def expect(message: str, root: Path | None) -> None:
    """Opening the folder must fail with this one line."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        lfw(root, (8, 8), 0)
    assert "\n" not in str(caught.value)


def test_no_root_is_explained(tmp_path):
    expect("data.name=lfw needs data.root=PATH: a folder with lfw/NAME/NAME_0001.jpg", None)
    expect("LFW page of the University of Massachusetts, the attributes on Columbia University's", None)
    expect("none is not a folder; data.name=lfw needs a folder with lfw/NAME/", tmp_path / "none")


def test_missing_images_or_attributes_are_named(root, tmp_path):
    (root / ATTRIBUTES).rename(tmp_path / ATTRIBUTES)
    expect(f"data.root={root} holds no {ATTRIBUTES}; give a folder with lfw/NAME", root)
    expect(f"data.root={tmp_path} holds no NAME/NAME_0001.jpg; give a folder with lfw/NAME", tmp_path)


def test_two_versions_of_the_images_are_an_error(root):
    write_images(root / "lfw_funneled")
    expect(f"several versions of the images, {root / 'lfw'} and {root / 'lfw_funneled'}; keep one", root)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (
            2,
            None,
            ": no line '#', 'person', 'imagenum' and names of attributes, separated by tabs, at the top",
        ),
        (2, "#\tperson\timagenum", ": no line '#', 'person', 'imagenum' and names of attributes"),
        (
            2,
            "\t".join(["#", "person", "imagenum", *NAMES[:-1], "Male"]),
            ", line 2: two columns are named 'Male'; rename one, or remove one with its values",
        ),
        (2, "#\tname\tnumber\tMale", ": no line '#', 'person', 'imagenum' and names of attributes"),
        (
            4,
            row(1)[:-30],
            ", line 4: 7 columns instead of 8 (person, image number and 6 scores, separated by tabs)",
        ),
        (4, row(1) + "\t1.5", ", line 4: 9 columns instead of 8"),
        (4, "\t" + row(1).split("\t", 1)[1], ", line 4: the person is empty"),
        (4, row(1).replace("\t", " "), ", line 4: 1 columns instead of 8"),
        (4, row(1, imagenum="one"), ", line 4: image number 'one' is not a number; correct this line"),
        (4, row(1, imagenum="-1"), ", line 4: image number '-1' is not a number"),
        (
            4,
            row(1, Eyeglasses="yes"),
            ", line 4: Eyeglasses is 'yes' instead of a number; correct this score",
        ),
        (4, row(1, **{"Black Hair": ""}), ", line 4: Black Hair is '' instead of a number"),
        (4, row(1, Male="nan"), ", line 4: Male is 'nan' instead of a number"),
        (5, row(1), ", line 5: Aaron Eckhart 1 is also in line 4; remove one"),
    ],
)
def test_a_wrong_line_is_named(root, line, text, message):
    edit(root / ATTRIBUTES, line, text)
    expect(f"{root / ATTRIBUTES}{message}", root)


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({"imagenum": "2"}, "Aaron_Eckhart/Aaron_Eckhart_0002.jpg"),
        ({"person": "Nobody"}, "Nobody/Nobody_0001.jpg"),
        ({"person": "../lfw/Aaron Eckhart"}, "../lfw/Aaron_Eckhart/../lfw/Aaron_Eckhart_0001.jpg"),
    ],
)
def test_a_row_without_an_image_is_named(root, changes, file):
    edit(root / ATTRIBUTES, 4, row(1, **changes))
    expect(f"{root / ATTRIBUTES}, line 4: {root / 'lfw' / file} is missing; restore it or remove this", root)


def test_no_row_at_all_is_an_error(root):
    text = "\n".join(attribute_text().split("\n")[:2])
    (root / ATTRIBUTES).write_text(text)
    expect(
        f"{root / ATTRIBUTES}: no row for any of the 5 images in {root / 'lfw'}; restore the original", root
    )


def test_names_in_another_encoding_are_read_as_the_folders_have_them(root):
    old = root / "lfw" / "José_Núñez"
    new = (root / "lfw").__fspath__().encode() + b"/" + "José_Núñez".encode("latin-1")
    for path in old.iterdir():
        path.rename(path.with_name(path.name.encode("latin-1").decode(errors="surrogateescape")))
    old.rename(new.decode(errors="surrogateescape"))
    (root / ATTRIBUTES).write_bytes(attribute_text().encode("latin-1"))
    assert len(lfw(root, (8, 8), 0).load([0, 1, 2]).loaded[:]) == 5


def test_spaces_and_underscores_name_the_same_person(root):
    expected = lfw(root, (8, 8), 0).labels([0, 1, 2])
    edit(root / ATTRIBUTES, FIRST + 3, row(3, person="José_Núñez"))
    edit(root / ATTRIBUTES, FIRST + 2, row(2, person="Abdel_Aziz Al-Hakim"))
    found = read_table(root, (8, 8))
    assert list(found.names) == SORTED
    labels = lfw(root, (8, 8), 0).labels([0, 1, 2])
    assert labels.people.tolist() == expected.people.tolist() == [0, 1, 2, 2, 2]
    assert labels.attributes["Male"].tolist() == expected.attributes["Male"].tolist()
    edit(root / ATTRIBUTES, FIRST + 4, row(0, person="José_Núñez"))
    expect(f"{root / ATTRIBUTES}, line 7: José Núñez 2 is also in line 3; remove one", root)


def test_what_may_not_be_read_is_named(root, monkeypatch):
    def refuse(path, *_, **__):
        if Path(path) == denied:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    listed = os.scandir
    monkeypatch.setattr(os, "scandir", refuse)
    for denied in (root, root / "lfw" / "Aaron_Eckhart"):
        expect(f"{denied} cannot be read: Permission denied; give the account that runs this", root)
    denied = root / ATTRIBUTES
    monkeypatch.setattr(Path, "read_bytes", refuse)
    expect(f"{denied} cannot be read: Permission denied; give the account that runs this", root)
