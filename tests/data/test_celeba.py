"""CelebA's format, on small folders written here exactly as the authors distribute it."""

import errno
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.celeba_folder import ATTRIBUTES, IDENTITIES, IMAGES, NAMES, PARTITION, write_folder
from tiprdc_fl.data.cache import cache_folder
from tiprdc_fl.data.celeba import celeba
from tiprdc_fl.errors import InputError

FULL = (218, 178)
# Image -> person: people and images are interleaved, as in the original.
PEOPLE = {
    "000001.jpg": 2880,
    "000002.jpg": 7,
    "000003.jpg": 2880,
    "000004.jpg": 10177,
    "000005.jpg": 7,
    "000006.jpg": 2880,
}
LABELS = np.random.default_rng(0).integers(0, 2, (len(PEOPLE), 40))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder of six images in CelebA's layout; persons 7 and 10177 are for testing, 2880 is not."""
    return write_folder(tmp_path / "celeba", PEOPLE, LABELS, {7: 2, 10177: 2, 2880: 1})


def edit(path: Path, line: int, text: str | None) -> None:
    """Replace a line (counted from 1), or remove it."""
    lines = path.read_text().splitlines()
    lines[line - 1 : line] = [] if text is None else [text]
    path.write_text("\n".join(lines) + "\n")


def pixels(root: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(root / IMAGES / name).convert("RGB"))


def test_people_rows_and_labels(root):
    data = celeba(root, FULL, 0)
    assert (data.name, data.modality, data.attributes) == ("celeba", "image", tuple(NAMES))
    assert data.people.tolist() == [7, 2880, 10177]
    examples = data.labels(data.people)
    assert examples.inputs is None
    assert examples.people.tolist() == [7, 7, 2880, 2880, 2880, 10177]
    assert examples.rows.tolist() == [0, 1, 0, 1, 2, 0]
    assert examples.raw_bytes.tolist() == [3 * 218 * 178] * 6
    order = [1, 4, 0, 2, 5, 3]
    for i, name in enumerate(NAMES):
        assert examples.attributes[name].tolist() == LABELS[order, i].tolist()
    assert {column.dtype for column in examples.attributes.values()} == {np.dtype(np.int8)}
    assert (examples.people.dtype, examples.rows.dtype) == (np.int64, np.int32)


def test_rows_follow_file_names_wherever_they_are_listed(root):
    names = sorted(PEOPLE, reverse=True)
    (root / IDENTITIES).write_text("".join(f"{name} {PEOPLE[name]}\n" for name in names))
    lines = (root / ATTRIBUTES).read_text().splitlines()
    head, body = lines[:2], lines[2:]
    shuffled = celeba(root, FULL, 0)
    (root / ATTRIBUTES).write_text("\n".join([*head, *body[3:], *body[:3]]))
    again = celeba(root, FULL, 0)
    for data in (shuffled, again):
        examples = data.load([2880])
        assert examples.attributes["Male"].tolist() == LABELS[[0, 2, 5], NAMES.index("Male")].tolist()
        assert (examples.inputs[:][1].permute(1, 2, 0).numpy() == pixels(root, "000003.jpg")).all()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("tail", ["", "\n\n"])
def test_line_ends_and_byte_order_marks_make_no_difference(root, end, mark, tail):
    expected = celeba(root, FULL, 0).labels([7, 2880])
    for name in (ATTRIBUTES, IDENTITIES, PARTITION):
        text = (root / name).read_text().rstrip("\n") + tail
        (root / name).write_bytes(mark + text.replace("\n", end).encode())
    data = celeba(root, FULL, 0)
    examples = data.labels([7, 2880])
    assert data.test_people.tolist() == [7, 10177]
    assert examples.people.tolist() == expected.people.tolist()
    for name in NAMES:
        assert examples.attributes[name].tolist() == expected.attributes[name].tolist()


def test_at_full_size_pixels_are_exactly_the_decoded_ones(root):
    examples = celeba(root, FULL, 0).load([10177, 7])
    images = examples.inputs[:]
    assert images.dtype == torch.uint8
    assert images.shape == (3, 3, 218, 178)
    for image, name in zip(images, ["000004.jpg", "000002.jpg", "000005.jpg"], strict=True):
        assert (image.permute(1, 2, 0).numpy() == pixels(root, name)).all()


def test_people_come_in_the_order_asked_for_and_labels_agree(root):
    data = celeba(root, (16, 16), 0)
    loaded, labels = data.load([2880, 7, 2880]), data.labels([2880, 7, 2880])
    assert loaded.people.tolist() == labels.people.tolist() == [2880] * 3 + [7] * 2 + [2880] * 3
    assert torch.equal(loaded.inputs[:3], loaded.inputs[5:])
    assert torch.equal(loaded.inputs[3:5], data.load([7]).inputs[:])
    assert loaded.attributes["Male"].tolist() == labels.attributes["Male"].tolist()
    assert data.load([]).inputs[:].shape == (0, 3, 16, 16)


def test_what_is_loaded_may_be_changed(root):
    data = celeba(root, (16, 16), 0)
    data.load([7]).inputs[:].zero_()
    assert data.load([7]).inputs[:].any()


def test_labels_decode_nothing_and_a_pickled_copy_shares_the_decoded_images(root):
    data = celeba(root, (16, 16), 0)
    data.labels(data.people)
    assert not cache_folder().exists()
    copies = [data, pickle.loads(pickle.dumps(data)), celeba(root, (16, 16), 1)]
    first, *others = [copy.load([7, 10177]).inputs[:] for copy in copies]
    assert all(torch.equal(first, other) for other in others)
    assert len(list(cache_folder().glob("celeba-16x16-*.npy"))) == 1


def test_unlisted_images_are_ignored(root):
    (root / IMAGES / "999999.jpg").write_bytes(b"no image")
    (root / IMAGES / "Thumbs.db").write_bytes(b"")
    assert len(celeba(root, (8, 8), 0).load([7, 2880, 10177])) == 6


def expect(message: str, root: Path | None) -> None:
    """Opening the folder must fail with this one line."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        celeba(root, (8, 8), 0)
    assert "\n" not in str(caught.value)


def test_no_root_is_explained(tmp_path):
    expect(
        "data.name=celeba needs data.root=PATH: a folder with img_align_celeba/, list_attr_celeba.txt", None
    )
    expect("none is not a folder; data.name=celeba needs a folder with", tmp_path / "none")


@pytest.mark.parametrize("name", [ATTRIBUTES, IDENTITIES])
def test_a_missing_file_is_named(root, name):
    (root / name).unlink()
    expect(f"data.root={root} holds no {name}; give a folder with", root)


def test_everything_missing_is_named_together(tmp_path):
    message = f"holds no img_align_celeba and no {ATTRIBUTES} and no {IDENTITIES}; give"
    expect(message, tmp_path)


def test_labels_of_0_and_1_are_read_like_those_of_minus_1_and_1(root):
    expected = celeba(root, FULL, 0).labels([7, 2880, 10177])
    lines = (root / ATTRIBUTES).read_text().splitlines()
    rows = [line.replace("-1", "0") for line in lines[2:]]
    (root / ATTRIBUTES).write_text("\n".join([*lines[:2], *rows]))
    examples = celeba(root, FULL, 0).labels([7, 2880, 10177])
    for name in NAMES:
        assert examples.attributes[name].tolist() == expected.attributes[name].tolist()


def test_the_official_test_people_are_those_of_part_2(root):
    assert celeba(root, FULL, 0).test_people.tolist() == [7, 10177]
    (root / PARTITION).write_text("".join(f"{name} 0\n" for name in PEOPLE))
    assert celeba(root, FULL, 0).test_people.tolist() == []


def test_the_partition_may_be_missing(root):
    (root / PARTITION).unlink()
    assert celeba(root, FULL, 0).test_people is None


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (3, "000003.jpg", ", line 3: 1 columns instead of 2 (a file name and its part)"),
        (
            3,
            "000003.jpg 3",
            ", line 3: part '3' instead of 0 (training), 1 (validation) or 2 (test); correct",
        ),
        (3, "000003.jpg test", ", line 3: part 'test' instead of 0 (training)"),
        (3, "000009.jpg 0", f", line 3: 000009.jpg is not in {IDENTITIES}; remove this line"),
        (3, "000001.jpg 1", ", line 3: 000001.jpg is also in line 1; remove one"),
        (3, None, ": no row for 000003.jpg (1 such images); restore the missing rows, or remove the file"),
        (2, "000002.jpg 0", ": person 7 has test images and others, for example 000002.jpg; give all images"),
        (
            6,
            "000006.jpg 2",
            ": person 2880 has test images and others, for example 000001.jpg; give all images",
        ),
    ],
)
def test_a_wrong_line_of_the_partition_is_named(root, line, text, message):
    edit(root / PARTITION, line, text)
    expect(f"{root / PARTITION}{message}", root)


ROW = "000003.jpg " + "-1 " * 40


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (1, "7", "line 1: announces 7 images but 6 rows follow"),
        (1, "six", "line 1: a line with the number of images and a line with the names"),
        (1, None, "line 1: a line with the number of images and a line with the names"),
        (
            2,
            " ".join([*NAMES[:-1], "Male"]),
            "line 2: two columns are named 'Male'; rename one, or remove one with its values",
        ),
        (4, None, "line 1: announces 6 images but 5 rows follow"),
        (5, ROW + "1", "line 5: 42 columns instead of 41 (a file name and 40 labels)"),
        (8, ROW[:50], "line 8: 14 columns instead of 41"),
        (5, ROW.replace("-1", "-0", 1), "line 5: 5_o_Clock_Shadow is '-0' instead of -1 or 1 (or 0 for -1)"),
        (5, ROW.replace("-1", "00", 1), "line 5: 5_o_Clock_Shadow is '00' instead of -1 or 1"),
        (5, ROW.replace("-1", "2", 1), "line 5: 5_o_Clock_Shadow is '2' instead of -1 or 1"),
        (5, ROW[:-3] + "10", "line 5: Young is '10' instead of -1 or 1"),
        (5, ROW[:-3] + "11", "line 5: Young is '11' instead of -1 or 1"),
        (5, ROW[:-3] + "-2", "line 5: Young is '-2' instead of -1 or 1"),
        (5, ROW[:-3] + "-11", "line 5: Young is '-11' instead of -1 or 1"),
        (5, ROW[:-3] + "-", "line 5: Young is '-' instead of -1 or 1"),
        (5, ROW[:-3] + "yes", "line 5: Young is 'yes' instead of -1 or 1"),
        (7, ROW, "line 7: 000003.jpg is also in line 5; remove one"),
    ],
)
def test_a_wrong_line_of_attributes_is_named(root, line, text, message):
    edit(root / ATTRIBUTES, line, text)
    expect(f"{root / ATTRIBUTES}, {message}", root)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (3, "000003.jpg", ", line 3: 1 columns instead of 2 (a file name and the number of the person)"),
        (3, "000003.jpg x", ", line 3: person 'x' is not a number"),
        (3, "000003.jpg -4", ", line 3: person '-4' is not a number"),
        (3, "000001.jpg 5", ", line 3: 000001.jpg is also in line 1; remove one"),
        (3, None, f": no row for 000003.jpg, which {ATTRIBUTES} lists (1 such images)"),
    ],
)
def test_a_wrong_line_of_identities_is_named(root, line, text, message):
    edit(root / IDENTITIES, line, text)
    expect(f"{root / IDENTITIES}{message}", root)


def test_an_identity_without_attributes_is_named(root):
    with (root / IDENTITIES).open("a") as file:
        file.write("000008.jpg 1\n000007.jpg 1\n")
    expect(f"{root / ATTRIBUTES}: no row for 000007.jpg, which {IDENTITIES} lists (2 such images)", root)


def test_an_empty_file_is_named(root):
    (root / ATTRIBUTES).write_text("")
    expect(f"{root / ATTRIBUTES}, line 1: a line with the number of images", root)


def test_missing_images_are_counted_and_one_is_named(root):
    for name in ("000002.jpg", "000006.jpg"):
        (root / IMAGES / name).unlink()
    expect("2 of the 6 listed images are missing, for example 000002.jpg; restore them", root)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_image_that_does_not_decode_is_named_and_nothing_is_kept(root, content):
    path = root / IMAGES / "000005.jpg"
    intact = path.read_bytes()
    path.write_bytes(intact[: len(intact) // 2] if content is None else content)
    data = celeba(root, (8, 8), 0)
    assert len(data.labels([7])) == 2
    with pytest.raises(InputError, match=re.escape(f"{path} is not a readable image: ")) as caught:
        data.load([10177])
    assert "\n" not in str(caught.value)
    assert list(cache_folder().glob("celeba-*")) == []
    path.write_bytes(intact)
    assert len(celeba(root, (8, 8), 0).load([7])) == 2


def test_an_unknown_person_is_an_error(root):
    with pytest.raises(InputError, match="person 8 has no image in"):
        celeba(root, (8, 8), 0).labels([7, 8])


@pytest.mark.parametrize("name", [ATTRIBUTES, IDENTITIES, PARTITION, IMAGES])
def test_what_may_not_be_read_is_named(root, name, monkeypatch):
    listed, read = os.scandir, Path.read_bytes

    def refuse(path):
        if Path(path) == root / name:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path) if isinstance(path, Path) and path.suffix else listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    expect(f"{root / name} cannot be read: Permission denied; give the account that runs this", root)
