"""The appearance of generated people, and the polygons that faces consist of.

Face coordinates: the head's centre is (0, 0), its chin is at y = 1, x points right and y down. The constants here,
in ``features`` and in ``hair`` were tuned by eye and by the accuracy of small networks on the pixels. An attribute
shifts noisy cues. Male shifts many cues a little, so that no single cue reveals it (a network infers Male from
CelebA's photographs with an accuracy of about 95 %).
"""

from dataclasses import dataclass

import numpy as np

Values = np.ndarray | float

CUES = 32
_HAIR = {
    "Black_Hair": (30, 26, 26),
    "Brown_Hair": (98, 62, 40),
    "Blond_Hair": (208, 174, 112),
    "Gray_Hair": (168, 168, 168),
}
UNNAMED_HAIR = np.array([(52, 40, 34), (120, 66, 40), (142, 110, 78)], float)  # colours without a label


@dataclass(frozen=True)
class Shape:
    """One polygon in each of n images; an axis of n may be 1 or missing if all images agree.

    Attributes:
        points: vertices in face coordinates, float [n, k, 2].
        colour: red, green, blue, float [n, 3]; 0 to 255 after clipping.
        shown: whether each image has it, bool [n].
    """

    points: np.ndarray
    colour: np.ndarray
    shown: np.ndarray | bool = True


@dataclass(frozen=True)
class Face:
    """Properties of the faces in n images, from which all shapes are computed.

    Attributes:
        on: labels 0 or 1, float [n], by attribute.
        man: 1 for Male, -1 otherwise, float [n].
        same: standard normals drawn once for a person, float [CUES, n]; row i is cue i.
        vary: standard normals drawn for each image, float [CUES, n]; row i is cue i.
        skin: skin colour, float [n, 3].
        hair: hair colour, float [n, 3].
        cheek: half the face's width at the eyes, float [n].
        jaw: the face's width near the chin as a share of its width at the eyes, float [n].
        age: strength of the signs of age, about 0 (young) to 1, float [n].
        volume: how far the hair stands out from the head, float [n].
    """

    on: dict[str, np.ndarray]
    man: np.ndarray
    same: np.ndarray
    vary: np.ndarray
    skin: np.ndarray
    hair: np.ndarray
    cheek: np.ndarray
    jaw: np.ndarray
    age: np.ndarray
    volume: np.ndarray


def face_of(on: dict[str, np.ndarray], same: np.ndarray, vary: np.ndarray, unnamed: np.ndarray) -> Face:
    """Computes the properties of the faces in n images.

    Args:
        on: labels 0 or 1, float [n], by attribute.
        same: standard normals drawn once for a person, float [CUES, n].
        vary: standard normals drawn for each image, float [CUES, n].
        unnamed: hair colour of people without a label for it, as a position in UNNAMED_HAIR, int [n].
    """
    man = 2 * on["Male"] - 1
    volume = 0.15 + 0.04 * same[13] + 0.05 * on["Wavy_Hair"] - 0.02 * man
    return Face(
        on=on,
        man=man,
        same=same,
        vary=vary,
        skin=_skin_colour(on, man, same, vary),
        hair=_hair_colour(on, same, vary, UNNAMED_HAIR[unnamed]),
        cheek=0.73 + 0.02 * man + 0.035 * same[0] + 0.07 * on["Chubby"],
        jaw=0.66 + 0.045 * man + 0.055 * same[1] + 0.16 * on["Chubby"],
        age=np.clip(0.7 - 0.52 * on["Young"] + 0.14 * same[2] + 0.14 * vary[2], 0, 1.2),
        volume=np.clip(volume, 0.04, 0.4),
    )


def _skin_colour(
    on: dict[str, np.ndarray], man: np.ndarray, same: np.ndarray, vary: np.ndarray
) -> np.ndarray:
    dark = 1 / (1 + np.exp(1.3 - same[3] - 0.1 * man))
    tone = mix(np.array([240.0, 200, 172]), (112, 72, 50), dark)
    tone = mix(tone, (250, 236, 230), np.clip(on["Pale_Skin"] * (0.8 + 0.1 * vary[3]), 0, 1))
    return tone * (1 + 0.04 * vary[4:5].T) + 3 * vary[4:7].T


def _hair_colour(
    on: dict[str, np.ndarray], same: np.ndarray, vary: np.ndarray, unnamed: np.ndarray
) -> np.ndarray:
    colour, impure = unnamed, np.clip(0.2 + 0.2 * vary[12], 0, 0.6)
    for name, named in _HAIR.items():
        colour = np.where(on[name][:, None] > 0, mix(np.array(named, float), unnamed, impure), colour)
    shade = np.exp(0.16 * same[7:8].T + 0.16 * vary[7:8].T)
    return colour * shade + 7 * same[8:11].T + 4 * vary[8:11].T


def mix(first: np.ndarray, second: np.ndarray | tuple[int, int, int], share: Values) -> np.ndarray:
    """Mixes two colours, float [n, 3]; ``share`` is that of the second."""
    share = np.asarray(share)[..., None]
    return first * (1 - share) + np.asarray(second, float) * share


def column(values: Values) -> np.ndarray:
    """Values of the images as a column, float [n or 1, 1]."""
    return np.reshape(values, (-1, 1))


def curve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points from their coordinates, [n or 1, k] or [k] each, float [n or 1, k, 2]."""
    x, y = np.atleast_2d(x), np.atleast_2d(y)
    points = np.empty((max(len(x), len(y)), x.shape[1], 2))
    points[..., 0], points[..., 1] = x, y
    return points


def between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The polygon between two curves of the same direction, [n, j, 2] and [n, k, 2] -> [n, j + k, 2]."""
    return np.concatenate([first, second[:, ::-1]], axis=1)


def path(*corners: tuple[Values, Values]) -> np.ndarray:
    """A polygon from its corners (x, y), float [n or 1, k, 2]."""
    count = max(np.size(value) for corner in corners for value in corner)
    points = np.empty((count, len(corners), 2))
    for i, (x, y) in enumerate(corners):
        points[:, i, 0], points[:, i, 1] = x, y
    return points


_CIRCLES = {k: np.stack([np.cos(a), np.sin(a)]) for k in (8, 12) for a in [np.arange(k) * 2 * np.pi / k]}


def ellipse(x: Values, y: Values, rx: Values, ry: Values, corners: int = 8) -> np.ndarray:
    """Ellipses of 8 or 12 corners around (x, y), float [n or 1, corners, 2]."""
    across, along = _CIRCLES[corners]
    return curve(column(x) + column(rx) * across, column(y) + column(ry) * along)


def line(x: np.ndarray, y: np.ndarray, thick: Values) -> np.ndarray:
    """A stroke through points [n or 1, k] or [k], thinner at both ends, float [n or 1, 2k, 2]."""
    half = column(thick) / 2 * np.sin(np.linspace(0.5, np.pi - 0.5, np.shape(x)[-1]))
    return between(curve(x, y - half), curve(x, y + half))


def pair(points: np.ndarray, colour: np.ndarray, shown: np.ndarray | bool = True) -> list[Shape]:
    """A shape on the face's right half and its mirror image."""
    return [Shape(points, colour, shown), Shape(points * (-1.0, 1.0), colour, shown)]
