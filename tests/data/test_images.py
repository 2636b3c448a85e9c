"""Image files: fitted as Pillow would, decoded once for everybody, read from the disk when they are used."""

import errno
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tiprdc_fl.data import images
from tiprdc_fl.data.cache import cache_folder
from tiprdc_fl.data.examples import Examples, MappedImages
from tiprdc_fl.data.images import ImageFiles, fit, images_of
from tiprdc_fl.data.source import first_rows, hold, renumber, select
from tiprdc_fl.errors import InputError

NAMES = ["one.jpg", "a folder/zwei.png", "a folder/trois é.jpg", "one more/4.bmp"]
SIZE = (16, 12)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def files(tmp_path) -> ImageFiles:
    """Four images in several formats and folders."""
    for i, name in enumerate(NAMES):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(i, 30 + i, 20)).save(path)
    return ImageFiles("album", tmp_path / "images", NAMES, SIZE)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def planes(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)


def everything(files: ImageFiles) -> torch.Tensor:
    return images_of(files, np.arange(len(files.names)))[:]


def copy_of(files: ImageFiles) -> ImageFiles:
    """Another object, as another process would have."""
    return replace(files)


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((64, 64), (0, 20, 178, 198)),
        ((109, 89), (0, 0, 178, 218)),
        ((40, 10), (62, 0, 116, 218)),
        ((300, 300), (0, 20, 178, 198)),
        ((1, 1), (0, 20, 178, 198)),
    ],
)
def test_the_centre_is_cropped_and_then_resized_like_pillow_does(size, box):
    picture = noise(0, 218, 178)
    expected = Image.fromarray(picture).crop(box).resize(size[::-1], Image.Resampling.BILINEAR)
    fitted = fit(planes(picture), size)
    assert (fitted.dtype, tuple(fitted.shape)) == (torch.uint8, (3, *size))
    assert (fitted.permute(1, 2, 0).int() - torch.from_numpy(np.array(expected)).int()).abs().max() <= 1


@given(*[st.integers(1, 40)] * 2, *[st.integers(2, 40)] * 2)  # no dataset is asked for a single pixel
def test_every_size_fits_into_every_other_and_a_plain_image_stays_plain(height, width, rows, columns):
    fitted = fit(torch.full((3, height, width), 77, dtype=torch.uint8), (rows, columns))
    assert tuple(fitted.shape) == (3, rows, columns)
    assert fitted.unique().tolist() == [77]


def test_an_image_of_the_size_wanted_is_not_changed():
    picture = planes(noise(1, 218, 178))
    assert torch.equal(fit(picture, (218, 178)), picture)
    assert torch.equal(fit(picture, (218, 100)), picture[:, :, 39:139])  # cropped only


def test_resizing_averages_what_it_replaces():
    stripes = torch.zeros(3, 218, 178, dtype=torch.uint8)
    stripes[:, :, ::2] = 255
    assert (fit(stripes, (20, 16)).float() - 127.5).abs().max() < 20


def test_images_of_any_format_and_folder_come_in_the_order_picked(files):
    mapped = images_of(files, np.array([3, 0, 3, 1]))
    assert len(mapped) == 4
    for image, picked in zip(mapped[:], [3, 0, 3, 1], strict=True):
        decoded = np.array(Image.open(files.folder / NAMES[picked]))
        assert torch.equal(image, fit(planes(decoded), SIZE))
    assert images_of(files, np.arange(0))[:].shape == (0, 3, *SIZE)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_image_gets_three_channels(files, mode):
    path = files.folder / "one.jpg"
    Image.new(mode, (20, 30), 0).save(path, format="TIFF")
    assert everything(files)[0].shape == (3, *SIZE)


def test_grey_stays_grey(files):
    Image.new("L", (30, 30), 99).save(files.folder / "one.jpg")
    assert everything(files)[0].unique().tolist() == [99]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("level", "expected"), [(0, 0), (128, 0), (129, 1), (99 * 257, 99), (65535, 255)])
def test_16_bits_of_grey_are_scaled_to_8(files, kind, level, expected):
    Image.fromarray(np.full((30, 30), level, np.uint16)).save(files.folder / "one.jpg", format=kind)
    assert everything(files)[0].unique().tolist() == [expected]


@pytest.mark.parametrize("kind", [">u2", "<u2"])
def test_either_order_of_bytes_keeps_the_shades_of_16_bits(kind):
    shades = np.arange(600, dtype=np.uint16).reshape(20, 30) * 109
    mode = "I;16B" if kind == ">u2" else "I;16"
    image = Image.frombytes(mode, (30, 20), shades.astype(kind).tobytes())
    found = images._rgb(image, Path("x"))
    assert (found.shape, found.dtype) == ((20, 30, 3), np.uint8)
    assert (found == np.round(shades / 257).astype(np.uint8)[:, :, None]).all()


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bits_are_refused(files, dtype):
    Image.fromarray(np.full((30, 30), 99, dtype)).save(files.folder / "one.jpg", format="TIFF")
    fails(
        files,
        f"{files.folder / 'one.jpg'} is a 32-bit image, whose white is unknown; save it with 8 bits a channel",
    )


def test_an_image_that_may_not_be_read_is_named(files, monkeypatch):
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Image, "open", refuse)
    fails(files, f"{files.folder / 'one.jpg'} cannot be read: Permission denied; give the account")


def test_images_are_decoded_once_for_everybody(files, monkeypatch):
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(everything, [files, copy_of(files), copy_of(files), files]))
    assert all(torch.equal(loaded[0], other) for other in loaded)
    monkeypatch.setattr(Image, "open", pytest.fail)
    assert torch.equal(everything(copy_of(files)), loaded[0])
    assert len(list(cache_folder().glob("album-16x12-*.npy"))) == 1


def test_a_changed_image_is_decoded_again_even_if_its_size_stays(files):
    before, path = everything(files), files.folder / NAMES[3]
    stat = path.stat()
    Image.new("RGB", (20, 33), (10, 20, 30)).save(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert path.stat().st_size == stat.st_size
    after = everything(copy_of(files))
    assert torch.equal(before[:3], after[:3])
    assert after[3, :, 3, 3].tolist() == [10, 20, 30]


def test_a_file_that_grows_is_decoded_again_even_if_its_time_stays(files):
    path = files.folder / NAMES[3]
    stat = path.stat()
    everything(files)
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    everything(copy_of(files))
    assert len(list(cache_folder().glob("album-*.npy"))) == 2


@pytest.mark.parametrize(
    "change", [{"size": (8, 8)}, {"names": NAMES[::-1]}, {"names": NAMES[:3]}, {"dataset": "other"}]
)
def test_another_size_or_list_has_its_own_decoded_file(files, change):
    everything(files)
    everything(replace(files, **change))
    assert len(list(cache_folder().glob("[!.]*.npy"))) == 2


def test_another_format_version_has_its_own_decoded_file(files, monkeypatch):
    everything(files)
    monkeypatch.setattr(images, "_FORMAT", images._FORMAT + 1)
    everything(copy_of(files))
    assert len(list(cache_folder().glob("album-*.npy"))) == 2


def test_more_images_than_are_in_flight_at_once_stay_in_order(files, monkeypatch):
    expected = everything(files)
    monkeypatch.setattr(images, "_CHUNK", 3)
    assert torch.equal(everything(replace(files, names=NAMES * 2)), torch.cat([expected, expected]))


def test_somebody_who_watches_sees_progress_and_it_changes_nothing(files, tmp_path, monkeypatch, capsys):
    quiet = everything(files)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert torch.equal(everything(copy_of(files)), quiet)


def fails(files: ImageFiles, message: str) -> None:
    """Decoding must fail with this one line and leave nothing behind."""
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        everything(files)
    assert "\n" not in str(caught.value)
    assert list(cache_folder().glob("album-*")) == []


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_image_that_does_not_decode_is_named_and_nothing_is_kept(files, content):
    path = files.folder / NAMES[2]
    intact = path.read_bytes()
    path.write_bytes(intact[: len(intact) // 2] if content is None else content)
    fails(files, f"{path} is not a readable image: ")
    path.write_bytes(intact)
    assert len(everything(copy_of(files))) == 4


def test_a_missing_image_is_named(files):
    (files.folder / NAMES[1]).unlink()
    fails(files, f"{files.folder / NAMES[1]} cannot be read: No such file or directory; restore this file")


def test_an_image_too_large_to_be_one_is_named(files, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    fails(files, "is not a readable image: Image size")


def mapped(tmp_path: Path, count: int = 20) -> MappedImages:
    """Images in a file, selected in another order than they have there."""
    path = tmp_path / "pixels.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (count, 3, 4, 5), np.uint8))
    return MappedImages(
        np.load(path, mmap_mode="r"), np.random.default_rng(1).permutation(count)[: count - 4]
    )


def test_mapped_images_are_indexed_like_a_tensor(tmp_path):
    lazy = mapped(tmp_path)
    whole = torch.from_numpy(np.array(lazy.pixels))[torch.from_numpy(lazy.rows)]
    mask = np.arange(len(lazy)) % 3 == 0
    indices = (slice(None), slice(2, 9), slice(None, None, 3), slice(-3, None), np.array([5, 0, 5]), mask)
    for index in (*indices, torch.tensor([3, 1]), torch.from_numpy(mask), np.arange(0)):
        found = lazy[index]
        expected = whole[torch.from_numpy(index) if isinstance(index, np.ndarray) else index]
        assert type(found) is torch.Tensor
        assert found.dtype == torch.uint8
        assert torch.equal(found, expected)


def test_what_is_read_may_be_changed(tmp_path):
    lazy = mapped(tmp_path)
    lazy[:].zero_()
    assert lazy[:].any()


class Unread:
    """Stands for a file that must not be read."""

    def __getitem__(self, index):
        pytest.fail(f"read {index}")


def test_selections_of_selections_read_nothing(tmp_path):
    lazy = mapped(tmp_path)
    unread = replace(lazy, pixels=Unread())  # pyright: ignore[reportArgumentType]
    twice = unread.take(np.arange(3, 12)).take(np.array([4, 0]))
    assert twice.rows.tolist() == lazy.rows[[7, 3]].tolist()
    assert torch.equal(replace(twice, pixels=lazy.pixels)[:], lazy[np.array([7, 3])])


def test_selected_and_held_examples_stay_on_the_disk(tmp_path):
    lazy = replace(mapped(tmp_path), pixels=Unread())  # pyright: ignore[reportArgumentType]
    people, rows = np.repeat([4, 9], 8), np.tile(np.arange(8, dtype=np.int32), 2)
    examples = Examples(lazy, {"A": people.astype(np.int8)}, people, rows, np.ones(16, np.int64))
    chosen = first_rows(renumber(select(examples, np.arange(16) % 2 == 1)), 3)
    assert isinstance(chosen.inputs, MappedImages)
    assert chosen.inputs.rows.tolist() == lazy.rows[[1, 3, 5, 9, 11, 13]].tolist()
    assert (chosen.people.tolist(), chosen.rows.tolist()) == ([4] * 3 + [9] * 3, [0, 1, 2] * 2)
    dataset = hold(images.image_dataset(table(tmp_path)), examples)
    assert dataset.load([9]).inputs.rows.tolist() == lazy.rows[8:].tolist()  # pyright: ignore


def table(folder: Path) -> images.ImageTable:
    """A table of nobody."""
    files = ImageFiles("album", folder, [], SIZE)
    return images.ImageTable(files, np.arange(0), np.arange(0), ("A",), np.zeros((0, 1), np.int8))
