"""CelebA (Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015): photographs of celebrities.

Files, as the authors distribute them (202,599 images of 10,177 people):
    img_align_celeba/000001.jpg ...  aligned faces, 218 pixels high and 178 wide
    list_attr_celeba.txt             number of images; names of the attributes; file name and a -1 or 1 each
    identity_CelebA.txt              file name and number of the person
    list_eval_partition.txt          file name and 0 (training), 1 (validation) or 2 (test); may be missing
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiprdc_fl.data.examples import Dataset, check_attribute_names, numbered
from tiprdc_fl.data.images import ImageFiles, ImageTable, image_dataset
from tiprdc_fl.disk import is_file, is_folder, read_bytes, reading_input
from tiprdc_fl.errors import InputError

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
IDENTITIES = "identity_CelebA.txt"
PARTITION = "list_eval_partition.txt"
WANTED = (
    f"a folder with {IMAGES}/, {ATTRIBUTES} and {IDENTITIES}; "
    "CelebA can be requested from its authors' page (search 'CelebA dataset')"
)


def celeba(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """CelebA: people, their photographs and all attributes in the file (40 in the original).

    Only the text files are read now. The first ``load`` decodes all images into the cache folder, 3 * height *
    width bytes each (2.5 GB for all of CelebA at 64x64, 23.6 GB at 218x178); see ``images_of``.

    Args:
        root: folder with the entries named at the top of this file.
        image_size: (height, width). Images are cropped around their centre to this shape and then resized
            with antialiasing; at (218, 178) they are unchanged.
        seed: not used; every dataset takes the same arguments.

    Returns:
        The dataset. Its ``test_people`` are the people of the partition's test images, None without that file.

    Raises:
        InputError: a file or an image is missing, or a row is not as described above.
    """
    if root is None:
        raise InputError(f"data.name=celeba needs data.root=PATH: {WANTED}")
    return image_dataset(read_table(check_root(root), image_size))


@dataclass(frozen=True)
class _Words:
    """A text file divided at white space.

    Attributes:
        path: the file.
        text: bytes of the file, without a byte order mark, with a line end at the end.
        starts: position of each word's first byte, int64 [words].
        stops: position after each word's last byte, int64 [words].
        lines: number, from 1, of each line that is not blank, int64 [lines].
        counts: number of words in each of these lines, int64 [lines].
    """

    path: Path
    text: bytes
    starts: np.ndarray
    stops: np.ndarray
    lines: np.ndarray
    counts: np.ndarray

    def word(self, number: int) -> str:
        """The word at position ``number``, from 0."""
        return os.fsdecode(self.text[self.starts[number] : self.stops[number]])

    def words(self, numbers: np.ndarray) -> list[str]:
        """Several words, decoded together, because 202,599 calls for CelebA's file names would be slow."""
        spans = zip(self.starts[numbers].tolist(), self.stops[numbers].tolist(), strict=True)
        text = os.fsdecode(b" ".join([self.text[start:stop] for start, stop in spans]))
        return text.split(" ") if text else []


def check_root(root: Path) -> Path:
    """Checks that ``root`` holds CelebA's three entries; returns its absolute path.

    Raises:
        InputError: an entry is missing.
    """
    if not is_folder(root):
        raise InputError(f"data.root={root} is not a folder; data.name=celeba needs {WANTED}")
    entries = {IMAGES: is_folder, ATTRIBUTES: is_file, IDENTITIES: is_file}
    missing = [name for name, exists in entries.items() if not exists(root / name)]
    if missing:
        raise InputError(f"data.root={root} holds no {' and no '.join(missing)}; give {WANTED}")
    return root.resolve()


def read_table(root: Path, size: tuple[int, int]) -> ImageTable:
    """Reads the text files, and checks them against each other and against the images.

    Args:
        root: folder that ``check_root`` returned.
        size: (height, width) of the decoded images.

    Returns:
        The images, ordered by person and then by file name.

    Raises:
        InputError: an image or a row is missing, or a row does not follow the format.
    """
    names, attributes, labels = _read_attributes(root / ATTRIBUTES)
    listed = _read_identities(root / IDENTITIES)
    _check_same(names, listed, root)
    _check_images(names, root / IMAGES)
    people = np.fromiter((listed[name] for name in names), np.int64, len(names))
    order = np.lexsort((np.array(names), people))
    people = people[order]
    return ImageTable(
        files=ImageFiles("celeba", root / IMAGES, [names[i] for i in order.tolist()], size),
        people=people,
        rows=numbered(people),
        attributes=attributes,
        labels=labels[order],
        test_people=_read_partition(root / PARTITION, listed) if (root / PARTITION).exists() else None,
    )


def _read_words(path: Path) -> _Words:
    """Finds the words and lines of a file without a Python loop, because CelebA's has 8.3 million words."""
    text = read_bytes(path).removeprefix(b"\xef\xbb\xbf") + b"\n"
    codes = np.frombuffer(text, np.uint8)
    blank = np.concatenate(([True], codes <= ord(" ")))  # control characters count as blank, "\r" included
    edges = np.flatnonzero(blank[1:] != blank[:-1])  # starts and stops alternate
    starts, stops = edges[::2], edges[1::2]
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(codes == ord("\n"))), prepend=0)
    filled = np.flatnonzero(counts)
    return _Words(path, text, starts, stops, filled + 1, counts[filled])


def _check_columns(words: _Words, skip: int, columns: int, meaning: str) -> None:
    """Checks that all lines after the first ``skip`` ones have the same number of columns."""
    bad = np.flatnonzero(words.counts[skip:] != columns)
    if len(bad):
        row = skip + int(bad[0])
        raise InputError(
            f"{words.path}, line {words.lines[row]}: {words.counts[row]} columns instead of {columns} "
            f"({meaning}); restore this line from the original file"
        )


def _read_attributes(path: Path) -> tuple[list[str], tuple[str, ...], np.ndarray]:
    """Reads list_attr_celeba.txt: file names, names of the attributes, labels int8 [n, attributes]."""
    words = _read_words(path)
    if len(words.lines) < 2 or words.counts[0] != 1 or not words.word(0).isdecimal():
        raise InputError(
            f"{path}, line 1: a line with the number of images and a line with the names of the attributes "
            f"must come first; restore the original file"
        )
    attributes = tuple(words.words(np.arange(1, 1 + words.counts[1])))
    check_attribute_names(path, int(words.lines[1]), attributes)
    _check_columns(words, 2, 1 + len(attributes), f"a file name and {len(attributes)} labels")
    rows = len(words.lines) - 2
    if int(words.word(0)) != rows:
        raise InputError(
            f"{path}, line 1: announces {words.word(0)} images but {rows} rows follow; "
            f"restore the missing rows or correct the number"
        )
    names = words.words(np.arange(1 + len(attributes), len(words.starts), 1 + len(attributes)))
    _check_unique(names, words, skip=2)
    return names, attributes, _read_labels(words, attributes)


def _read_labels(words: _Words, attributes: tuple[str, ...]) -> np.ndarray:
    """Converts the words "-1", "0" and "1" to 0, 0 and 1, int8 [n, attributes].

    The authors write -1 and 1, but copies of the file with 0 and 1 exist. The number of columns is checked before.
    """
    columns = 1 + len(attributes)
    codes = np.frombuffer(words.text, np.uint8)
    starts = words.starts[columns:].reshape(-1, columns)[:, 1:]
    stops = words.stops[columns:].reshape(-1, columns)[:, 1:]
    first, last, lengths = codes[starts], codes[stops - 1], stops - starts
    single = lengths == 1
    positive = single & (last == ord("1"))
    negative = single & (last == ord("0")) | (lengths == 2) & (first == ord("-")) & (last == ord("1"))
    bad = np.argwhere(~(positive | negative))
    if len(bad):
        row, column = bad[0].tolist()
        raise InputError(
            f"{words.path}, line {words.lines[2 + row]}: {attributes[column]} is "
            f"{words.word((1 + row) * columns + 1 + column)!r} instead of -1 or 1 (or 0 for -1); "
            f"correct this label"
        )
    return positive.astype(np.int8)


def _read_pairs(path: Path, meaning: str) -> tuple[list[str], list[str], list[int]]:
    """Reads a file of two columns; returns distinct file names, second words and numbers of the lines."""
    words = _read_words(path)
    _check_columns(words, 0, 2, f"a file name and {meaning}")
    names = words.words(np.arange(0, len(words.starts), 2))
    _check_unique(names, words, skip=0)
    return names, words.words(np.arange(1, len(words.starts), 2)), words.lines.tolist()


def _read_identities(path: Path) -> dict[str, int]:
    """Reads identity_CelebA.txt: file name -> number of the person."""
    names, numbers, lines = _read_pairs(path, "the number of the person")
    for line, number in zip(lines, numbers, strict=True):
        if not number.isdecimal():
            raise InputError(f"{path}, line {line}: person {number!r} is not a number; correct this line")
    return dict(zip(names, map(int, numbers), strict=True))


def _read_partition(path: Path, listed: dict[str, int]) -> np.ndarray:
    """Reads list_eval_partition.txt; returns ids of the people of the test images, int64, ascending.

    Args:
        path: the file.
        listed: person of each image, by file name.
    """
    names, parts, lines = _read_pairs(path, "its part")
    for name, part, line in zip(names, parts, lines, strict=True):
        if name not in listed:
            raise InputError(f"{path}, line {line}: {name} is not in {IDENTITIES}; remove this line")
        if part not in ("0", "1", "2"):
            raise InputError(
                f"{path}, line {line}: part {part!r} instead of 0 (training), 1 (validation) or 2 (test); "
                f"correct this line"
            )
    if len(names) < len(listed):
        missing = listed.keys() - set(names)
        raise InputError(
            f"{path}: no row for {min(missing)} ({len(missing)} such images); restore the missing rows, or "
            f"remove the file to use no official division"
        )
    return _test_people(path, listed, {name for name, part in zip(names, parts, strict=True) if part == "2"})


def _test_people(path: Path, listed: dict[str, int], test: set[str]) -> np.ndarray:
    """People of the ``test`` images, int64, ascending.

    Raises:
        InputError: one of them has other images too; results on people of the training would say nothing.
    """
    people = {listed[name] for name in test}
    for name, person in listed.items():
        if person in people and name not in test:
            raise InputError(
                f"{path}: person {person} has test images and others, for example {name}; "
                f"give all images of a person the same part, or remove the file"
            )
    return np.array(sorted(people), np.int64)


def _check_unique(names: list[str], words: _Words, skip: int) -> None:
    """Checks that a file lists no image twice."""
    if len(set(names)) == len(names):
        return
    seen: dict[str, int] = {}
    for name, line in zip(names, words.lines[skip:].tolist(), strict=True):
        if name in seen:
            raise InputError(f"{words.path}, line {line}: {name} is also in line {seen[name]}; remove one")
        seen[name] = line


def _check_same(names: list[str], listed: dict[str, int], root: Path) -> None:
    """Checks that both files list the same images."""
    for extra, has, lacks in (
        (set(names) - listed.keys(), ATTRIBUTES, IDENTITIES),
        (listed.keys() - set(names), IDENTITIES, ATTRIBUTES),
    ):
        if extra:
            raise InputError(
                f"{root / lacks}: no row for {min(extra)}, which {has} lists ({len(extra)} such images); "
                f"both files must list the same images"
            )


def _check_images(names: list[str], folder: Path) -> None:
    """Checks that every listed image exists; other files in the folder are ignored."""
    with reading_input(folder), os.scandir(folder) as entries:
        present = {entry.name for entry in entries}
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of the {len(names)} listed images are missing, for example "
            f"{missing[0]}; restore them or remove their rows from {ATTRIBUTES} and {IDENTITIES}"
        )
