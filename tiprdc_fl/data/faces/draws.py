"""The random numbers behind a generated person's pictures: always the same ones, however many are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.data.faces.looks import CUES
from tiprdc_fl.seeding import generator

_UNNAMED_HAIR = np.cumsum((0.5, 0.2, 0.3))  # chances of the hair colours that no label names


@dataclass(frozen=True)
class Chance:
    """What chance decides of n pictures, of one person or of several.

    Attributes:
        same: standard normals drawn once per person, indexed by the cue, float [CUES, n].
        vary: standard normals drawn per picture, indexed by the cue, float [CUES, n].
        hair: which of the hair colours without a label a person has, int [1, n].
        grounds: a plain colour and those of two blobs, 0 to 255, float [3, n, 3].
        place: standard normals of turn, nod, tilt, size and place of the head, float [6, n, 1].
        gains: standard normals of light and camera, float32 [6, n].
        grain: standard normals of the sensor's noise, float32 [n, height, width, 1].
    """

    same: np.ndarray
    vary: np.ndarray
    hair: np.ndarray
    grounds: np.ndarray
    place: np.ndarray
    gains: np.ndarray
    grain: np.ndarray


def person_chance(
    seed: int, person: int, count: int, rows: np.ndarray, image_size: tuple[int, int]
) -> Chance:
    """What chance decides of some of a person's pictures.

    Args:
        seed: the dataset's seed.
        person: the person's id.
        count: how many pictures the person has.
        rows: which of them, int [n].
        image_size: (height, width) in pixels.
    """
    rng = generator(seed, "faces", "pixels", person)
    same, vary = rng.standard_normal(CUES), rng.standard_normal((CUES, count))
    hair = _UNNAMED_HAIR.searchsorted(rng.random(), side="right")
    base = rng.uniform(15, 240, (count, 1, 1)) + 25 * rng.standard_normal((count, 1, 3))
    grounds = np.clip(base + 30 * rng.standard_normal((count, 3, 3)), 0, 255)
    place, gains = rng.standard_normal((6, count, 1)), rng.standard_normal((6, count)).astype(np.float32)
    # The last numbers of the stream: those of pictures behind the last wanted one need not be drawn.
    grain = rng.standard_normal((int(rows.max(initial=-1)) + 1, *image_size, 1), np.float32)
    return Chance(
        same=np.repeat(same[:, None], len(rows), axis=1),
        vary=vary[:, rows],
        hair=np.full((1, len(rows)), hair),
        grounds=grounds[rows].transpose(1, 0, 2),
        place=place[:, rows],
        gains=gains[:, rows],
        grain=grain[rows],
    )


def joined(parts: Sequence[Chance]) -> Chance:
    """What chance decides of the pictures of several people, one after the other."""
    if len(parts) == 1:
        return parts[0]
    along = {name: 0 if name == "grain" else 1 for name in vars(parts[0])}
    return Chance(
        **{k: np.concatenate([getattr(part, k) for part in parts], axis) for k, axis in along.items()}
    )
