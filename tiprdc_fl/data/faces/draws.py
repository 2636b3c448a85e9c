"""Random numbers of a generated person's pictures; those of a picture do not depend on the other pictures drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.data.faces.appearance import CUES
from tiprdc_fl.seeding import generator

_UNNAMED_HAIR = np.cumsum((0.5, 0.2, 0.3))  # cumulated chances of the hair colours that no label names


@dataclass(frozen=True)
class Draws:
    """Random numbers of n pictures, of one person or of several.

    Attributes:
        same: standard normals drawn once for a person, float [CUES, n]; row i is cue i.
        vary: standard normals drawn for each picture, float [CUES, n]; row i is cue i.
        hair: hair colour, among those that no label names, int [1, n].
        grounds: colours of the background and of two blobs in it, 0 to 255, float [3, n, 3].
        place: standard normals for turn, nod, tilt, size and place of the head, float [6, n, 1].
        gains: standard normals for light and camera, float32 [6, n].
        grain: standard normals for the sensor's noise, float32 [n, height, width, 1].
    """

    same: np.ndarray
    vary: np.ndarray
    hair: np.ndarray
    grounds: np.ndarray
    place: np.ndarray
    gains: np.ndarray
    grain: np.ndarray


def person_draws(seed: int, person: int, count: int, rows: np.ndarray, image_size: tuple[int, int]) -> Draws:
    """Draws the random numbers of some of a person's pictures.

    Args:
        seed: the dataset's seed.
        person: the person's id.
        count: number of pictures that the person has.
        rows: numbers of the pictures to draw, int [n].
        image_size: (height, width) in pixels.
    """
    rng = generator(seed, "faces", "pixels", person)
    same, vary = rng.standard_normal(CUES), rng.standard_normal((CUES, count))
    hair = _UNNAMED_HAIR.searchsorted(rng.random(), side="right")
    base = rng.uniform(15, 240, (count, 1, 1)) + 25 * rng.standard_normal((count, 1, 3))
    grounds = np.clip(base + 30 * rng.standard_normal((count, 3, 3)), 0, 255)
    place, gains = rng.standard_normal((6, count, 1)), rng.standard_normal((6, count)).astype(np.float32)
    # The grain is last in the stream, so that of the pictures after the last wanted one need not be drawn.
    grain = rng.standard_normal((int(rows.max(initial=-1)) + 1, *image_size, 1), np.float32)
    return Draws(
        same=np.repeat(same[:, None], len(rows), axis=1),
        vary=vary[:, rows],
        hair=np.full((1, len(rows)), hair),
        grounds=grounds[rows].transpose(1, 0, 2),
        place=place[:, rows],
        gains=gains[:, rows],
        grain=grain[rows],
    )


def concatenate_draws(parts: Sequence[Draws]) -> Draws:
    """Random numbers of the pictures of several people, one person after another."""
    if len(parts) == 1:
        return parts[0]
    axes = {name: 0 if name == "grain" else 1 for name in vars(parts[0])}
    return Draws(
        **{name: np.concatenate([getattr(part, name) for part in parts], axis) for name, axis in axes.items()}
    )
