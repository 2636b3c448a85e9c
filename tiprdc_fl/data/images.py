"""Image files on disk, which are decoded once and then shared by all processes.

The first use of a set of files on a machine decodes all of them to uint8 pixels, in one file of the cache folder.
Every process maps that file into memory and reads only the images that it needs.
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
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from tiprdc_fl.data.cache import cached
from tiprdc_fl.data.examples import Dataset, Examples, Inputs, MappedImages, People, positions_of
from tiprdc_fl.disk import reading_input, unreadable
from tiprdc_fl.errors import InputError

_FORMAT = 3  # version of the decoded file; raise it when the preprocessing or the layout changes
_CHUNK = 512  # images decoded at a time: 60 MB at 218x178
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # errors of Pillow


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """All n image files of a dataset, and the size of the decoded images.

    Attributes:
        dataset: name of the dataset, with which the name of the decoded file begins.
        folder: absolute path of the folder that ``names`` are relative to.
        names: relative paths of the image files, in the order of the decoded images.
        size: (height, width) of the decoded images in pixels.
    """

    dataset: str
    folder: Path
    names: Sequence[str]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ImageTable:
    """The n images of a dataset and their labels, ordered by person.

    Attributes:
        files: the image files, in the same order as the arrays below.
        people: person of each image, int64 [n], ascending.
        rows: number of each image among those of its person, int32 [n], from 0.
        attributes: names of the attributes.
        labels: labels 0 or 1, int8 [n, attributes].
        test_people: ids of the people of the official test images, or None; see ``Dataset``.
    """

    files: ImageFiles
    people: np.ndarray
    rows: np.ndarray
    attributes: tuple[str, ...]
    labels: np.ndarray
    test_people: np.ndarray | None = None


def image_dataset(table: ImageTable) -> Dataset:
    """The dataset of a table; the first load of images decodes all files."""
    return Dataset(
        name=table.files.dataset,
        modality="image",
        people=np.unique(table.people),
        attributes=table.attributes,
        load=functools.partial(_load, table),
        labels=functools.partial(_labels, table),
        test_people=table.test_people,
    )


def images_of(files: ImageFiles, picked: np.ndarray) -> MappedImages:
    """The images at the positions ``picked`` of ``files.names``, fitted to ``files.size`` by ``fit``.

    The first use decodes all files in parallel, with a progress bar in a terminal, into n * 3 * height * width
    bytes of the cache folder. The files are decoded anew if the list of names, the size, or the size or
    modification time of a file changes.

    Args:
        files: the image files. Pass the same object each time: a new one has to look at every file again.
        picked: positions, int64 [k]; in any order, with repetitions.

    Returns:
        k images, none of which has been read yet.

    Raises:
        InputError: a file is missing or is not a readable image, or the cache folder cannot be used.
    """
    return MappedImages(_mapped(files), np.asarray(picked, np.int64))


def fit(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """Crops an image around its centre to the aspect of ``size``, and resizes it with antialiasing.

    Every image dataset uses this function, so that all extractors see the same preprocessing.

    Args:
        pixels: uint8 [3, h, w], of any size.
        size: (height, width) in pixels.

    Returns:
        The image, uint8 [3, height, width]; unchanged if it has this size already.
    """
    height, width = size
    rows, columns = pixels.shape[1:]
    crop_height = max(1, min(rows, round(columns * height / width)))
    crop_width = max(1, min(columns, round(rows * width / height)))
    top, left = (rows - crop_height) // 2, (columns - crop_width) // 2
    cropped = pixels[:, top : top + crop_height, left : left + crop_width]
    if (crop_height, crop_width) == (height, width):
        return cropped
    # Integer arithmetic is equal on every processor, within 1 of Pillow's filter, and several times as fast.
    return interpolate(cropped[None], (height, width), mode="bilinear", antialias=True)[0]


def _load(table: ImageTable, people: People) -> Examples:
    """Examples of ``people`` with their images, which stay on disk until they are used."""
    picked = _select(table, people)
    return _examples(table, picked, images_of(table.files, picked))


def _labels(table: ImageTable, people: People) -> Examples:
    """Examples of ``people`` without their images; decodes nothing."""
    return _examples(table, _select(table, people), None)


def _select(table: ImageTable, people: People) -> np.ndarray:
    return positions_of(people, table.people, f"image in {table.files.folder}")


def _examples(table: ImageTable, picked: np.ndarray, inputs: Inputs | None) -> Examples:
    """Examples at the positions ``picked`` of the table."""
    height, width = table.files.size
    labels = table.labels[picked]
    return Examples(
        inputs=inputs,
        attributes={name: labels[:, i].copy() for i, name in enumerate(table.attributes)},
        people=table.people[picked],
        rows=table.rows[picked],
        raw_bytes=np.full(len(picked), 3 * height * width, np.int64),
    )


@functools.lru_cache(maxsize=4)  # the digest in the key needs a look at every image file
def _mapped(files: ImageFiles) -> np.ndarray:
    """All images, uint8 [n, 3, height, width], mapped into memory from the decoded file."""
    height, width = files.size
    key = f"{files.dataset}-{height}x{width}-{_digest(files)}.npy"
    path = cached(key, functools.partial(_decode_all, files))
    return np.asarray(np.load(path, mmap_mode="r"))


def _digest(files: ImageFiles) -> str:
    """Digest of everything that the decoded pixels depend on; files count by size and modification time."""
    images = [_stamp(files.folder, name) for name in files.names]
    content = repr((_FORMAT, str(files.folder), files.size, images))
    return hashlib.blake2b(content.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _stamp(folder: Path, name: str) -> tuple[str, int, int]:
    """A file's name, size in bytes and modification time in nanoseconds."""
    with reading_input(folder / name):
        stat = (folder / name).stat()
    return name, stat.st_size, stat.st_mtime_ns


def _decode_all(files: ImageFiles, path: Path) -> None:
    """Decodes the files in parallel, and writes the images in order to one .npy file."""
    count = len(files.names)
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, 3, *files.size)}
    decode = functools.partial(_decode, files.folder, size=files.size)
    with (
        path.open("wb") as file,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        _progress(f"Decoding {files.dataset}, once", count) as advance,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, _CHUNK):
            for pixels in pool.map(decode, files.names[start : start + _CHUNK]):
                file.write(pixels)
                advance()


def _decode(folder: Path, name: str, size: tuple[int, int]) -> bytes:
    """Decodes one image; returns the bytes of uint8 [3, height, width].

    Raises:
        InputError: the file is missing or is not a readable image.
    """
    try:
        with Image.open(folder / name) as opened:
            pixels = torch.from_numpy(_rgb(ImageOps.exif_transpose(opened), folder / name))
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno:  # an error of the operating system, not of Pillow
            raise unreadable(folder / name, error) from error
        reason = " ".join(str(error).split())
        raise InputError(f"{folder / name} is not a readable image: {reason}; restore this file") from error
    return fit(pixels.permute(2, 0, 1), size).contiguous().numpy().tobytes()


def _rgb(image: Image.Image, path: Path) -> np.ndarray:
    """RGB pixels of an image of any mode, uint8 [h, w, 3]; the white of 16 bits, 65535, becomes 255.

    Raises:
        InputError: the image has 32 bits a channel.
    """
    if image.mode in ("I", "F"):  # the file does not state which value is white
        raise InputError(f"{path} is a 32-bit image, whose white is unknown; save it with 8 bits a channel")
    if not image.mode.startswith("I;16"):
        return np.array(image.convert("RGB"))
    # Pillow's own conversion clips at 255, which would turn nearly all pixels white.
    grey = ((np.array(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


@contextlib.contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Shows a progress bar if standard error is a terminal; yields the function that counts one image."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
