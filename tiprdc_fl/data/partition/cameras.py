"""A camera of its own for every person: blur, exposure, noise and compression; see ``feature``.

What a camera is like is a function of (seed, person), and the noise of a picture of (seed, person, row), so a
picture is the same whoever is asked for with it. Compression is libjpeg's, whose bits may differ between versions.
A picture of 32x32 takes a quarter of a millisecond.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from PIL import Image, ImageFilter

from tiprdc_fl.data.examples import Examples
from tiprdc_fl.seeding import generator, uniforms

_READ = 64  # pictures read at once where they lie on the disk


@dataclass(frozen=True)
class Camera:
    """What a person's pictures go through, in this order.

    Attributes:
        blur: standard deviation of a Gaussian, as a share of the picture's shorter side.
        gain: factor of every value.
        noise: standard deviation of Gaussian noise, of 255.
        quality: of the JPEG compression.
    """

    blur: float
    gain: float
    noise: float
    quality: int


def cameras_of(people: np.ndarray, strength: float, seed: int) -> list[Camera]:
    """The cameras of people.

    At strength 1 they have a blur of up to a pixel in 32, a gain of 0.74 to 1.35, noise of up to 12 of 255 and a
    JPEG quality from 95 down to 30; at strength s each range is s times as wide (of the gain: of its logarithm),
    quality not below 10.

    Args:
        people: ids, int64 [n].
        strength: how far cameras differ, above 0.
        seed: another seed gives other cameras.
    """
    blur, gain, noise, quality = (
        strength * uniforms(seed, people, "camera", part) for part in ("blur", "gain", "noise", "quality")
    )
    columns = (
        0.03 * blur,
        np.exp(0.3 * (2 * gain - strength)),
        12 * noise,
        np.maximum(10, np.round(95 - 65 * quality)).astype(int),
    )
    return [Camera(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]


def photographed(examples: Examples, strength: float, seed: int) -> torch.Tensor:
    """The examples' images through their people's cameras, uint8 [n, 3, height, width], in memory.

    Args:
        examples: with images.
        strength: see ``cameras_of``.
        seed: of the cameras and of their noise.
    """
    people, which = np.unique(examples.people, return_inverse=True)
    cameras, images = cameras_of(people, strength, seed), examples.loaded
    if isinstance(images, list):
        raise TypeError("messages pass no camera")
    pictures = np.empty((len(examples), *images[:0].shape[1:]), np.uint8)
    for start in range(0, len(pictures), _READ):
        for i, picture in enumerate(images[start : start + _READ].numpy(), start):
            noise = generator(seed, "camera", "picture", int(examples.people[i]), int(examples.rows[i]))
            pictures[i] = _through(cameras[which[i]], picture, noise)
    return torch.from_numpy(pictures)


def _through(camera: Camera, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One picture through a camera, uint8 [3, height, width]."""
    scene = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    blurred = scene.filter(ImageFilter.GaussianBlur(camera.blur * min(scene.size)))
    values = np.asarray(blurred, np.float32) * np.float32(camera.gain)
    values += np.float32(camera.noise) * rng.standard_normal(values.shape, np.float32)
    file = BytesIO()
    Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)).save(
        file, "JPEG", quality=camera.quality
    )
    return np.asarray(Image.open(file, formats=("JPEG",))).transpose(2, 0, 1)
