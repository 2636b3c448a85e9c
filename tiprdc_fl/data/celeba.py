"""CelebA (Liu et al., "Deep Learning Face Attributes in the Wild", ICCV 2015): photographs of celebrities.

Files, as the authors distribute them (202,599 images of 10,177 people):
    img_align_celeba/000001.jpg ...  aligned faces, 218 pixels high and 178 wide
    list_attr_celeba.txt             number of images; names of the attributes; file name and a -1 or 1 each
    identity_CelebA.txt              file name and number of the person

Images are decoded once, to uint8 pixels in a file that every process maps into memory.
"""

import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tiprdc_fl.data.cache import cached
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.errors import InputError

IMAGES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
IDENTITIES = "identity_CelebA.txt"

_FORMAT = 1  # of the decoded file: raise it when the preprocessing or the layout changes
_CHUNK = 512  # images in flight: 60 MB at full size
_WANTED = (
    f"a folder with {IMAGES}/, {ATTRIBUTES} and {IDENTITIES}; "
    "CelebA can be requested from its authors' page (search 'CelebA dataset')"
)


@dataclass(frozen=True, eq=False)
class _Table:
    """What the text files say, ordered by person and, within a person, by file name.

    Attributes:
        folder: where the images are.
        size: height and width of the pixels to deliver.
        names: file names, n of them.
        people: int64 [n], ascending.
        rows: the image's number among the person's own, int32 [n].
        attributes: names of the attributes.
        labels: 0 or 1, int8 [n, attributes].
    """

    folder: Path
    size: tuple[int, int]
    names: list[str]
    people: np.ndarray
    rows: np.ndarray
    attributes: tuple[str, ...]
    labels: np.ndarray


@dataclass(frozen=True)
class _Words:
    """A text file cut at white space.

    Attributes:
        path: the file.
        text: its bytes, without a byte order mark, with a line end at the end.
        starts: position of each word's first byte, int64 [words].
        stops: position after each word's last byte, int64 [words].
        lines: number of each line that is not blank, counted from 1, int64 [lines].
        counts: its number of words, int64 [lines].
    """

    path: Path
    text: bytes
    starts: np.ndarray
    stops: np.ndarray
    lines: np.ndarray
    counts: np.ndarray

    def word(self, number: int) -> str:
        """The word ``number``, counted from 0."""
        return os.fsdecode(self.text[self.starts[number] : self.stops[number]])

    def words(self, numbers: np.ndarray) -> list[str]:
        """Several words, decoded together: a call for each of CelebA's 202,599 file names would be slow."""
        spans = zip(self.starts[numbers].tolist(), self.stops[numbers].tolist(), strict=True)
        joined = os.fsdecode(b" ".join([self.text[start:stop] for start, stop in spans]))
        return joined.split(" ") if joined else []


def celeba(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """CelebA's people, their photographs and all attributes the file names (40 in the original).

    Reads the text files only. The first ``load`` decodes all images into the cache folder, 3 * height *
    width bytes each (2.5 GB for all of CelebA at 64x64, 23.6 GB at 218x178); a change of an image's size or
    modification time leads to a new decoded file.

    Args:
        root: folder with the three entries named at the top of this file.
        image_size: (height, width). Images are cropped around their centre to this shape and then resized
            with antialiasing; at (218, 178) they stay as they are.
        seed: not used; every dataset takes the same arguments.

    Raises:
        InputError: a file or an image is missing, or a row is not as described above.
    """
    if root is None:
        raise InputError(f"data.name=celeba needs data.root=PATH: {_WANTED}")
    table = _read_table(_check_root(root), image_size)
    return Dataset(
        name="celeba",
        modality="image",
        people=np.unique(table.people),
        attributes=table.attributes,
        load=functools.partial(_load, table),
        labels=functools.partial(_labels, table),
    )


def _check_root(root: Path) -> Path:
    """``root`` as an absolute path; raises InputError unless it holds the three entries."""
    if not root.is_dir():
        raise InputError(f"data.root={root} is not a folder; data.name=celeba needs {_WANTED}")
    entries = {IMAGES: Path.is_dir, ATTRIBUTES: Path.is_file, IDENTITIES: Path.is_file}
    missing = [name for name, exists in entries.items() if not exists(root / name)]
    if missing:
        raise InputError(f"data.root={root} holds no {' and no '.join(missing)}; give {_WANTED}")
    return root.resolve()


def _read_table(root: Path, size: tuple[int, int]) -> _Table:
    """Read both text files, check them against each other and the images, and order the rows."""
    names, attributes, labels = _read_attributes(root / ATTRIBUTES)
    listed = _read_identities(root / IDENTITIES)
    _check_same(names, listed, root)
    _check_images(names, root / IMAGES)
    people = np.fromiter((listed[name] for name in names), np.int64, len(names))
    order = np.lexsort((np.array(names), people))
    people = people[order]
    rows = np.arange(len(people)) - np.searchsorted(people, people)
    return _Table(
        folder=root / IMAGES,
        size=size,
        names=[names[i] for i in order.tolist()],
        people=people,
        rows=rows.astype(np.int32),
        attributes=attributes,
        labels=labels[order],
    )


def _read_words(path: Path) -> _Words:
    """Find the words and lines of a file without a Python loop: CelebA's has 8.3 million words."""
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf") + b"\n"
    codes = np.frombuffer(text, np.uint8)
    blank = np.concatenate(([True], codes <= ord(" ")))  # every control character counts, also "\r"
    edges = np.flatnonzero(blank[1:] != blank[:-1])  # starts and stops take turns
    starts, stops = edges[::2], edges[1::2]
    counts = np.diff(np.searchsorted(starts, np.flatnonzero(codes == ord("\n"))), prepend=0)
    filled = np.flatnonzero(counts)
    return _Words(path, text, starts, stops, filled + 1, counts[filled])


def _check_columns(words: _Words, skip: int, columns: int, meaning: str) -> None:
    """All rows after the first ``skip`` lines must have the same number of columns."""
    bad = np.flatnonzero(words.counts[skip:] != columns)
    if len(bad):
        row = skip + int(bad[0])
        raise InputError(
            f"{words.path}, line {words.lines[row]}: {words.counts[row]} columns instead of {columns} "
            f"({meaning}); restore this line from the original file"
        )


def _read_attributes(path: Path) -> tuple[list[str], tuple[str, ...], np.ndarray]:
    """Read list_attr_celeba.txt: file names, names of the attributes, labels int8 [n, attributes]."""
    words = _read_words(path)
    if len(words.lines) < 2 or words.counts[0] != 1 or not words.word(0).isdecimal():
        raise InputError(
            f"{path}, line 1: a line with the number of images and a line with the names of the attributes "
            f"must come first; restore the original file"
        )
    attributes = tuple(words.words(np.arange(1, 1 + words.counts[1])))
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
    """Turn the words "-1" and "1" into 0 and 1, int8 [n, attributes]; every row has all its columns."""
    columns = 1 + len(attributes)
    codes = np.frombuffer(words.text, np.uint8)
    starts = words.starts[columns:].reshape(-1, columns)[:, 1:]
    stops = words.stops[columns:].reshape(-1, columns)[:, 1:]
    first, last, lengths = codes[starts], codes[stops - 1], stops - starts
    positive = lengths == 1
    bad = np.argwhere((last != ord("1")) | ~(positive | (lengths == 2) & (first == ord("-"))))
    if len(bad):
        row, column = bad[0].tolist()
        raise InputError(
            f"{words.path}, line {words.lines[2 + row]}: {attributes[column]} is "
            f"{words.word((1 + row) * columns + 1 + column)!r} instead of -1 or 1; correct this label"
        )
    return positive.astype(np.int8)


def _read_identities(path: Path) -> dict[str, int]:
    """Read identity_CelebA.txt: file name -> number of the person."""
    words = _read_words(path)
    _check_columns(words, 0, 2, "a file name and the number of the person")
    names = words.words(np.arange(0, len(words.starts), 2))
    _check_unique(names, words, skip=0)
    numbers = words.words(np.arange(1, len(words.starts), 2))
    for line, number in zip(words.lines.tolist(), numbers, strict=True):
        if not number.isdecimal():
            raise InputError(f"{path}, line {line}: person {number!r} is not a number; correct this line")
    return dict(zip(names, map(int, numbers), strict=True))


def _check_unique(names: list[str], words: _Words, skip: int) -> None:
    """No image may be listed twice in one file."""
    if len(set(names)) == len(names):
        return
    seen: dict[str, int] = {}
    for name, line in zip(names, words.lines[skip:].tolist(), strict=True):
        if name in seen:
            raise InputError(f"{words.path}, line {line}: {name} is also in line {seen[name]}; remove one")
        seen[name] = line


def _check_same(names: list[str], listed: dict[str, int], root: Path) -> None:
    """Both files must list the same images."""
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
    """Every listed image must be there; others in the folder are ignored."""
    with os.scandir(folder) as entries:
        present = {entry.name for entry in entries}
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of the {len(names)} listed images are missing, for example "
            f"{missing[0]}; restore them or remove their rows from {ATTRIBUTES} and {IDENTITIES}"
        )


def _select(table: _Table, people: Sequence[int]) -> np.ndarray:
    """Positions in the table of all images of ``people``, in the order of ``people``."""
    starts = np.searchsorted(table.people, people, side="left").tolist()
    stops = np.searchsorted(table.people, people, side="right").tolist()
    for person, start, stop in zip(people, starts, stops, strict=True):
        if start == stop:
            raise InputError(f"person {person} has no image in {table.folder}; ask for one of its people")
    return np.concatenate([np.arange(0), *map(np.arange, starts, stops)])


def _examples(table: _Table, picked: np.ndarray, inputs: torch.Tensor | None) -> Examples:
    """Examples at the positions ``picked`` of the table."""
    height, width = table.size
    labels = table.labels[picked]
    return Examples(
        inputs=inputs,
        attributes={name: labels[:, i].copy() for i, name in enumerate(table.attributes)},
        people=table.people[picked],
        rows=table.rows[picked],
        raw_bytes=np.full(len(picked), 3 * height * width, np.int64),
    )


def _labels(table: _Table, people: Sequence[int]) -> Examples:
    """Examples of ``people`` without their images; decodes nothing."""
    return _examples(table, _select(table, people), None)


def _load(table: _Table, people: Sequence[int]) -> Examples:
    """Examples of ``people`` with their images."""
    picked = _select(table, people)
    return _examples(table, picked, torch.from_numpy(_pixels(table)[picked]))


@functools.lru_cache(maxsize=2)  # per process: finding the key looks at every image file
def _pixels(table: _Table) -> np.ndarray:
    """All images of the table, uint8 [n, 3, height, width], mapped from the decoded file."""
    height, width = table.size
    key = f"celeba-{height}x{width}-{_digest(table)}.npy"
    return np.load(cached(key, functools.partial(_decode_all, table)), mmap_mode="r")


def _digest(table: _Table) -> str:
    """Names the decoded file: everything its pixels depend on, images by size and modification time."""
    with os.scandir(table.folder) as entries:
        stats = {entry.name: entry.stat() for entry in entries}
    images = [(name, stats[name].st_size, stats[name].st_mtime_ns) for name in table.names]
    content = repr((_FORMAT, str(table.folder), table.size, images))
    return hashlib.blake2b(content.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _decode_all(table: _Table, path: Path) -> None:
    """Decode the table's images in parallel and write them in order as one .npy file."""
    shape = (len(table.names), 3, *table.size)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    decode = functools.partial(_decode, table.folder, size=table.size)
    with path.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool, _progress(shape[0]) as advance:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, shape[0], _CHUNK):
            for pixels in pool.map(decode, table.names[start : start + _CHUNK]):
                file.write(pixels)
                advance()


def _decode(folder: Path, name: str, size: tuple[int, int]) -> bytes:
    """Pixels of one image, the bytes of uint8 [3, height, width]: cropped around the centre, then resized."""
    height, width = size
    try:
        with Image.open(folder / name) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{folder / name} is not a readable image: {error}; restore this file") from error
    crop_width = max(1, min(image.width, round(image.height * width / height)))
    crop_height = max(1, min(image.height, round(image.width * height / width)))
    left, top = (image.width - crop_width) // 2, (image.height - crop_height) // 2
    box = (left, top, left + crop_width, top + crop_height)
    # Pillow's filter widens with the reduction, so it averages all the pixels it replaces.
    resized = image.crop(box).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).transpose(2, 0, 1).tobytes()


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A progress bar, if somebody watches; yields the function that counts one image."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Decoding CelebA, once", total=total)
        yield lambda: bar.advance(task)
