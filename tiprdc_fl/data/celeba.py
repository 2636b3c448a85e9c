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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from tiprdc_fl.data.cache import cached
from tiprdc_fl.data.celeba_files import WANTED, Table, check_root, read_table
from tiprdc_fl.data.examples import Dataset, Examples, People
from tiprdc_fl.errors import InputError

_FORMAT = 1  # of the decoded file: raise it when the preprocessing or the layout changes
_CHUNK = 512  # images in flight: 60 MB at full size


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
        raise InputError(f"data.name=celeba needs data.root=PATH: {WANTED}")
    table = read_table(check_root(root), image_size)
    return Dataset(
        name="celeba",
        modality="image",
        people=np.unique(table.people),
        attributes=table.attributes,
        load=functools.partial(_load, table),
        labels=functools.partial(_labels, table),
    )


def _select(table: Table, people: People) -> np.ndarray:
    """Positions in the table of all images of ``people``, in the order of ``people``."""
    starts = np.searchsorted(table.people, people, side="left").tolist()
    stops = np.searchsorted(table.people, people, side="right").tolist()
    for person, start, stop in zip(people, starts, stops, strict=True):
        if start == stop:
            raise InputError(f"person {person} has no image in {table.folder}; ask for one of its people")
    return np.concatenate([np.arange(0), *map(np.arange, starts, stops)])


def _examples(table: Table, picked: np.ndarray, inputs: torch.Tensor | None) -> Examples:
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


def _labels(table: Table, people: People) -> Examples:
    """Examples of ``people`` without their images; decodes nothing."""
    return _examples(table, _select(table, people), None)


def _load(table: Table, people: People) -> Examples:
    """Examples of ``people`` with their images."""
    picked = _select(table, people)
    return _examples(table, picked, torch.from_numpy(_pixels(table)[picked]))


@functools.lru_cache(maxsize=2)  # per process: finding the key looks at every image file
def _pixels(table: Table) -> np.ndarray:
    """All images of the table, uint8 [n, 3, height, width], mapped from the decoded file."""
    height, width = table.size
    key = f"celeba-{height}x{width}-{_digest(table)}.npy"
    return np.load(cached(key, functools.partial(_decode_all, table)), mmap_mode="r")


def _digest(table: Table) -> str:
    """Names the decoded file: everything its pixels depend on, images by size and modification time."""
    with os.scandir(table.folder) as entries:
        stats = {entry.name: entry.stat() for entry in entries}
    images = [(name, stats[name].st_size, stats[name].st_mtime_ns) for name in table.names]
    content = repr((_FORMAT, str(table.folder), table.size, images))
    return hashlib.blake2b(content.encode(errors="surrogateescape"), digest_size=12).hexdigest()


def _decode_all(table: Table, path: Path) -> None:
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
