"""Cameras of people's own: the same ones whoever else is asked for, and none for those who are spared."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from tiprdc_fl.data.chitchat import chitchat
from tiprdc_fl.data.examples import Dataset, Examples, MappedImages, pick
from tiprdc_fl.data.partition.cameras import Camera, _through, cameras_of, photographed
from tiprdc_fl.data.partition.shift import by_own_cameras
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.errors import InputError
from tiprdc_fl.seeding import generator

SOURCE = DataSource("faces", None, (32, 32), 0, most=4)
PEOPLE = np.arange(2000)


def pixels(examples: Examples) -> np.ndarray:
    return examples.loaded[:].numpy()


def with_cameras(strength: float = 1.0, spared=()) -> Dataset:
    return by_own_cameras(open_dataset(SOURCE), strength, 0, spared)


def test_cameras_range_as_their_strength_says():
    for strength in (0.25, 1.0):
        cameras = cameras_of(PEOPLE, strength, 0)
        columns = np.array([[one.blur, np.log(one.gain), one.noise, one.quality] for one in cameras]).T
        low = (0, -0.3 * strength, 0, 95 - 65 * strength)
        high = (0.03 * strength, 0.3 * strength, 12 * strength, 95)
        for column, least, most in zip(columns, low, high, strict=True):
            assert column.min() == pytest.approx(least, abs=0.02 * (most - least) + 0.5 * (most == 95))
            assert column.max() == pytest.approx(most, abs=0.02 * (most - least))
        assert np.abs(np.corrcoef(columns) - np.eye(4)).max() < 0.08, "each part is drawn by itself"
    assert min(one.quality for one in cameras_of(PEOPLE, 3.0, 0)) == 10
    assert cameras_of(PEOPLE[5:6], 1.0, 0) == cameras_of(PEOPLE, 1.0, 0)[5:6]
    assert cameras_of(PEOPLE, 1.0, 1)[0] != cameras_of(PEOPLE, 1.0, 0)[0]


def test_each_part_of_a_camera_does_what_it_says():
    grey = np.full((3, 64, 64), 100, np.uint8)
    grey[:, :, 32:] = 140
    clean = Camera(blur=0.0, gain=1.0, noise=0.0, quality=95)

    def seen(**changed) -> np.ndarray:
        return _through(Camera(**{**vars(clean), **changed}), grey, generator(0, "test")).astype(int)

    assert np.abs(seen() - grey).max() <= 3
    assert seen(gain=1.3)[:, :, :30].mean() == pytest.approx(130, abs=1)
    assert seen(gain=9.0).max() == 255
    assert np.abs(np.diff(seen(blur=0.05).mean(axis=(0, 1)))).max() < 10, "the edge of 40 is spread"
    weights = np.array([0.299, 0.587, 0.114])  # of brightness, in which JPEG keeps the noise
    bright = np.tensordot(weights, seen(noise=10.0)[:, :, :28], 1)
    assert bright.std() == pytest.approx(10 * np.linalg.norm(weights), rel=0.1)
    rough = np.clip(grey + 60 * generator(0, "test").standard_normal((64, 64)), 0, 255).astype(np.uint8)
    errors = [
        np.abs(_through(Camera(0.0, 1.0, 0.0, q), rough, generator(0)).astype(int) - rough).mean()
        for q in (95, 20)
    ]
    assert errors[1] > 2 * errors[0]


def test_a_picture_is_the_same_whoever_is_asked_for_with_it():
    together = with_cameras().load([5, 9, 1])
    alone = with_cameras().load([9])
    assert np.array_equal(pixels(together)[together.people == 9], pixels(alone))
    some = pick(with_cameras(), np.array([9, 1]), np.array([2, 0]))
    assert np.array_equal(pixels(some)[0], pixels(alone)[2])
    assert pixels(together).dtype == np.uint8
    assert some.rows.tolist() == [2, 0]


def test_another_process_sees_the_same_pictures():
    code = (
        "import dataclasses, hashlib; from tiprdc_fl.data.source import DataSource, open_dataset;"
        f"x = open_dataset(dataclasses.replace({SOURCE!r}, strength=0.7)).load([7, 3]).loaded.numpy();"
        "print(x.astype(int).sum(), hashlib.sha256(x.tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = pixels(with_cameras(0.7).load([7, 3]))
    assert there.split() == [str(here.astype(int).sum()), hashlib.sha256(here.tobytes()).hexdigest()]


def test_the_spared_keep_their_pictures_and_labels_are_everybodys():
    plain, data = open_dataset(SOURCE), with_cameras(spared=[2, 4])
    assert np.array_equal(pixels(data.load([4, 2])), pixels(plain.load([4, 2])))
    mixed, before = data.load([1, 2, 3]), plain.load([1, 2, 3])
    differs = (pixels(mixed) != pixels(before)).any(axis=(1, 2, 3))
    assert np.array_equal(differs, mixed.people != 2)
    assert np.array_equal(pixels(mixed)[mixed.people == 3], pixels(with_cameras().load([3])))
    assert np.array_equal(data.labels([1, 2]).attributes["Male"], plain.labels([1, 2]).attributes["Male"])
    assert len(data.load([])) == 0


def test_pictures_on_the_disk_go_through_cameras_as_those_in_memory_do():
    examples = open_dataset(SOURCE).load(range(30))
    mapped = Examples(
        MappedImages(pixels(examples), np.arange(len(examples))),
        *(examples.attributes, examples.people, examples.rows, examples.raw_bytes),
    )
    assert torch.equal(photographed(mapped, 1.0, 0), photographed(examples, 1.0, 0))


def test_messages_are_refused():
    messages = chitchat(None, (32, 32), 0)
    with pytest.raises(
        InputError, match=r"partition\.name=feature changes images, and data\.name=chitchat has mess"
    ):
        by_own_cameras(messages, 1.0, 0)
