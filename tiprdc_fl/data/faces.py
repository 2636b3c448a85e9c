"""Faces drawn on the fly: any number of contributors without a file on disk.

A person is a pure function of (seed, id): one random stream decides the labels, a second one the pixels.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from tiprdc_fl.data.examples import Dataset, Examples, People
from tiprdc_fl.data.face_copula import ATTRIBUTES
from tiprdc_fl.data.face_features import body, earrings, eyes, frames, head, mouth, nose, wrinkles
from tiprdc_fl.data.face_hair import back, bangs, beard, brows, hat, top
from tiprdc_fl.data.face_looks import Face, Shape, person_face
from tiprdc_fl.data.face_traits import person_attributes
from tiprdc_fl.errors import InputError
from tiprdc_fl.seeding import generator

PEOPLE = range(2**31)
SMALLEST = 16  # pixels; below, spectacles and brows fall between the pixels
_SUPERSAMPLED = 48  # pixels; smaller images are drawn twice as large and averaged, larger ones directly
_PARTS = (
    *(back, body, head, beard, mouth, nose, wrinkles),  # from the back to the front
    *(frames, eyes, brows, top, bangs, earrings, hat),
)


def faces(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """Generated faces with CelebA's attribute names and statistics (Liu et al. 2015).

    Args:
        root: ignored; nothing is read from disk.
        image_size: (height, width) in pixels, each at least 16.
        seed: another seed gives other people.

    Returns:
        the dataset; its images are uint8 [n, 3, height, width], its people 0 to 2**31 - 1.

    Raises:
        InputError: an image_size below 16 pixels, or later an id that is no person's.
    """
    if len(image_size) != 2 or min(image_size) < SMALLEST:
        raise InputError(
            f"faces need an image_size (height, width) of at least {SMALLEST} pixels each, got "
            f"{tuple(image_size)}: set for example image_size to (32, 32)"
        )
    size = int(image_size[0]), int(image_size[1])
    load, labels = partial(_examples, seed, size, True), partial(_examples, seed, size, False)
    return Dataset("faces", "image", PEOPLE, ATTRIBUTES, load, labels)


def draw_person(seed: int, person: int, labels: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """All images of one person.

    Args:
        seed: the dataset's seed.
        person: the person's id.
        labels: the person's labels, int8 [n, len(ATTRIBUTES)].
        image_size: (height, width) in pixels.

    Returns:
        red, green, blue images, uint8 [n, 3, height, width].
    """
    rng = generator(seed, "faces", "pixels", person)
    on = dict(zip(ATTRIBUTES, labels.T.astype(float), strict=True))
    looks = person_face(on, rng)
    layers = [layer for layer in _layers(looks) if np.any(layer.shown)]
    factor = 2 if min(image_size) < _SUPERSAMPLED else 1
    canvas = image_size[0] * factor, image_size[1] * factor
    grounds = _backgrounds(len(labels), rng)
    points = _to_pixels(_stacked(layers, len(labels)), canvas, rng)
    pictures = _paint(layers, points, grounds, canvas, factor)
    return _light(pictures, rng).transpose(0, 3, 1, 2)


def _examples(seed: int, image_size: tuple[int, int], pixels: bool, people: People) -> Examples:
    ids = [_checked(person) for person in people]
    labels = [person_attributes(seed, person) for person in ids]
    counts = [len(rows) for rows in labels]
    height, width = image_size
    table = np.concatenate(labels) if labels else np.empty((0, len(ATTRIBUTES)), np.int8)
    inputs = np.empty((len(table) if pixels else 0, 3, height, width), np.uint8)
    starts = np.cumsum([0, *counts])
    for start, person, rows in zip(starts if pixels else (), ids, labels, strict=False):
        inputs[start : start + len(rows)] = draw_person(seed, person, rows, image_size)
    return Examples(
        inputs=torch.from_numpy(inputs) if pixels else None,
        attributes={name: table[:, i].copy() for i, name in enumerate(ATTRIBUTES)},
        people=np.repeat(np.array(ids, np.int64), counts),
        rows=np.concatenate([np.arange(count, dtype=np.int32) for count in (0, *counts)]),
        raw_bytes=np.full(len(table), 3 * height * width, np.int64),
    )


def _checked(person: int) -> int:
    if int(person) not in PEOPLE:
        raise InputError(
            f"faces has people 0 to {PEOPLE[-1]}, got person {person}: ask for an id in that range"
        )
    return int(person)


def _backgrounds(count: int, rng: np.random.Generator) -> np.ndarray:
    """A plain colour and those of two blobs, per image, float [n, 3 colours, 3]."""
    base = rng.uniform(15, 240, (count, 1, 1)) + 25 * rng.standard_normal((count, 1, 3))
    return np.clip(base + 30 * rng.standard_normal((count, 3, 3)), 0, 255)


def _layers(looks: Face) -> list[Shape]:
    return [shape for part in _PARTS for shape in part(looks)]


def _stacked(layers: list[Shape], count: int) -> np.ndarray:
    """All layers' points one after the other, float [n, k, 2]."""
    return np.concatenate(
        [np.broadcast_to(layer.points, (count, *layer.points.shape[1:])) for layer in layers], axis=1
    )


def _to_pixels(points: np.ndarray, canvas: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Turns heads and places them in the picture, float [n, k, 2] in face coordinates -> in pixels."""
    count, unit = len(points), 0.35 * min(canvas)
    turn, nod, tilt, grow, right, down = rng.standard_normal((6, count, 1))
    x, y = points[..., 0], points[..., 1]
    bulge = np.maximum(0, 1 - x**2 - 0.7 * y**2)  # the nose moves most when a head turns, the edge not at all
    x, y = x + 0.09 * turn * bulge, y + 0.06 * nod * bulge
    scale, angle = unit * np.exp(0.07 * grow), np.clip(0.08 * tilt, -0.3, 0.3)
    across = canvas[1] / 2 + scale * (np.cos(angle) * x - np.sin(angle) * y + 0.08 * right)
    along = canvas[0] * 0.53 + scale * (np.sin(angle) * x + np.cos(angle) * y + 0.08 * down)
    return np.stack([across, along], axis=-1)


def _paint(
    layers: list[Shape], points: np.ndarray, grounds: np.ndarray, canvas: tuple[int, int], factor: int
) -> np.ndarray:
    """Fills the polygons in order, uint8 [n, height, width, 3]."""
    ends = np.cumsum([layer.points.shape[1] for layer in layers]).tolist()
    spans = list(zip([0, *ends], ends, strict=False))
    colours, shown = np.empty((len(points), len(layers), 3)), np.empty((len(points), len(layers)), bool)
    for i, layer in enumerate(layers):
        colours[:, i], shown[:, i] = layer.colour, layer.shown
    fills, shows = np.clip(colours, 0, 255).astype(int).tolist(), shown.tolist()
    flat = points.reshape(len(points), -1).tolist()
    height, width = canvas
    result = []
    for i, ground in enumerate(grounds.astype(int).tolist()):
        picture = Image.new("RGB", (width, height), tuple(ground[0]))
        polygon = ImageDraw.Draw(picture).polygon
        polygon((0, 0, width * 0.4, 0, width * 0.15, height), tuple(ground[1]))
        polygon((width, height * 0.3, width, height, width * 0.6, height), tuple(ground[2]))
        for (start, end), colour, show in zip(spans, fills[i], shows[i], strict=True):
            if show:
                polygon(flat[i][2 * start : 2 * end], tuple(colour))
        result.append(np.asarray(picture.reduce(factor) if factor > 1 else picture))
    return np.stack(result)


def _light(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Light from one side, exposure, a colour cast and the sensor's noise, uint8 [n, height, width, 3]."""
    count, height, width, _ = pictures.shape
    gains = rng.standard_normal((6, count, 1, 1, 1)).astype(np.float32)
    across = np.linspace(-1, 1, width, dtype=np.float32)[:, None]
    along = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    light = np.exp(0.15 * gains[0]) * (1 + 0.14 * gains[1] * across + 0.1 * gains[2] * along)
    cast = 1 + 0.05 * gains[3] * np.array([1, 0, -1], np.float32)
    noise = (3 + 3 * np.abs(gains[4])) * rng.standard_normal((count, height, width, 1), np.float32)
    return np.clip(pictures * (light * cast) + noise, 0, 255).astype(np.uint8)
