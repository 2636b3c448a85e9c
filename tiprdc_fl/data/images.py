"""Image files on disk, decoded once and shared by everybody who asks for them.

The first use of a set of files on a machine decodes all of them, to uint8 pixels in one file of the cache folder;
every process maps that file into memory and reads only the images it needs.
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

_FORMAT = 3  # of the decoded file: raise it when the preprocessing or the layout changes
_CHUNK = 512  # images in flight: 60 MB at 218x178
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """All images of a dataset and the size they are wanted in.

    Attributes:
        dataset: its name, which begins the name of the decoded file.
        folder: absolute path that ``names`` start from.
        names: relative paths of the image files, n of them.
        size: (height, width) of the pixels to deliver.
    """

    dataset: str
    folder: Path
    names: Sequence[str]
    size: tuple[int, int]


@dataclass(frozen=True, eq=False)
class ImageTable:
    """What is known about a dataset of image files, ordered by person.

    Attributes:
        files: the images, in the order of the rows below.
        people: whose image it is, int64 [n], ascending.
        rows: the image's number among the person's own, int32 [n], from 0.
        attributes: names of the attributes.
        labels: 0 or 1, int8 [n, attributes].
        test_people: ids of the people of the official test images, or None; see Dataset.
    """

    files: ImageFiles
    people: np.ndarray
    rows: np.ndarray
    attributes: tuple[str, ...]
    labels: np.ndarray
    test_people: np.ndarray | None = None


def image_dataset(table: ImageTable) -> Dataset:
    """The dataset of a table; decodes when images are asked for the first time."""
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

    The first use decodes all of the files, in parallel and with a progress bar if somebody watches, which takes
    n * 3 * height * width bytes of the cache folder. A file whose size or modification time changes, another
    list of names or another size lead to a new decoded file.

    Args:
        files: the dataset's files; the same object every time, since finding its decoded file looks at each.
        picked: positions, int64 [k]; in any order, also several times.

    Returns:
        k images, of which nothing has been read yet.

    Raises:
        InputError: a file is missing or is not a readable image, or the cache folder cannot be used.
    """
    return MappedImages(_mapped(files), np.asarray(picked, np.int64))


def fit(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """An image cropped around its centre to the aspect of ``size`` and then resized with antialiasing.

    Every image dataset uses this one function: an extractor meets the same preprocessing everywhere.

    Args:
        pixels: uint8 [3, h, w], of any size.
        size: (height, width) in pixels.

    Returns:
        uint8 [3, height, width]; the pixels are unchanged if the image has this size.
    """
    height, width = size
    rows, columns = pixels.shape[1:]
    crop_height = max(1, min(rows, round(columns * height / width)))
    crop_width = max(1, min(columns, round(rows * width / height)))
    top, left = (rows - crop_height) // 2, (columns - crop_width) // 2
    cropped = pixels[:, top : top + crop_height, left : left + crop_width]
    if (crop_height, crop_width) == (height, width):
        return cropped
    # Integer arithmetic, the same on every processor; within 1 of Pillow's filter and several times as fast.
    return interpolate(cropped[None], (height, width), mode="bilinear", antialias=True)[0]


def _load(table: ImageTable, people: People) -> Examples:
    """Examples of ``people`` with their images, which stay on the disk until they are used."""
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


@functools.lru_cache(maxsize=4)  # per process: finding the key looks at every image file
def _mapped(files: ImageFiles) -> np.ndarray:
    """All images, uint8 [n, 3, height, width], mapped from the decoded file."""
    height, width = files.size
    key = f"{files.dataset}-{height}x{width}-{_digest(files)}.npy"
    path = cached(key, functools.partial(_decode_all, files))
    return np.asarray(np.load(path, mmap_mode="r"))


def _digest(files: ImageFiles) -> str:
    """Names the decoded file: everything its pixels depend on, images by size and modification time."""
    images = [_stamp(files.folder, name) for name in files.names]
    content = repr((_FORMAT, str(files.folder), files.size, images))
    return hashlib.blake2b(content.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _stamp(folder: Path, name: str) -> tuple[str, int, int]:
    """A file's name, size in bytes and modification time in nanoseconds."""
    with reading_input(folder / name):
        stat = (folder / name).stat()
    return name, stat.st_size, stat.st_mtime_ns


def _decode_all(files: ImageFiles, path: Path) -> None:
    """Decode the files in parallel and write them in order as one .npy file."""
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
    """Pixels of one image, the bytes of uint8 [3, height, width]."""
    try:
        with Image.open(folder / name) as opened:
            pixels = torch.from_numpy(_rgb(ImageOps.exif_transpose(opened), folder / name))
    except _UNREADABLE as error:
        if isinstance(error, OSError) and error.errno:  # of the operating system, not of Pillow
            raise unreadable(folder / name, error) from error
        reason = " ".join(str(error).split())
        raise InputError(f"{folder / name} is not a readable image: {reason}; restore this file") from error
    return fit(pixels.permute(2, 0, 1), size).contiguous().numpy().tobytes()


def _rgb(image: Image.Image, path: Path) -> np.ndarray:
    """Pixels of an image of any kind, uint8 [h, w, 3]; 65535, the white of 16 bits, becomes 255."""
    if image.mode in ("I", "F"):  # nothing says which of their values is white
        raise InputError(f"{path} is a 32-bit image; save it with 8 bits a channel")
    if not image.mode.startswith("I;16"):
        return np.array(image.convert("RGB"))
    # Pillow's own conversion would clip at 255, so that all but the darkest pixels were white.
    grey = ((np.array(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


@contextlib.contextmanager
def _progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar, if somebody watches; yields the function that counts one image."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
