"""Polygons of skin, mouth, nose, eyes, spectacles and jewellery; coordinates as in ``appearance``."""

import numpy as np

from tiprdc_fl.data.faces.appearance import (
    Face,
    Shape,
    between,
    column,
    curve,
    ellipse,
    line,
    mix,
    pair,
    path,
)

_IRISES = np.array([(70, 45, 30), (60, 90, 130), (80, 95, 60), (45, 30, 22)], float)
_WHITE, _DARK_GLASS, _LASHES = (np.array(c, float) for c in ((238, 236, 232), (30, 30, 36), (35, 25, 25)))
_AROUND = np.arange(28) * 2 * np.pi / 28
_UNIT, _WIDTH = np.linspace(0, 1, 5), np.linspace(-1, 1, 9)
_LASH = np.array([0.5, 0.9, 1, 0.9, 0.5])


def body(face: Face) -> list[Shape]:
    """Neck and clothes."""
    neck = 0.37 + 0.05 * face.man + 0.045 * face.same[14]
    cloth = 110 + 70 * face.vary[14:17].T
    top, low = 1.25 + 0.05 * face.vary[17], 1.6 + 0.05 * face.vary[17]
    wide = 1.45 + 0.12 * face.man + 0.12 * face.same[15]
    collar = ((-neck - 0.1, top), (0.0, top + 0.15), (neck + 0.1, top))
    clothes = path((-3.0, 4.0), (-wide, low), *collar, (wide, low), (3.0, 4.0))
    throat = path((-neck, 0.3), (neck, 0.3), (neck + 0.06, 1.5), (-neck - 0.06, 1.5))
    return [Shape(throat, face.skin * 0.82), Shape(clothes, np.clip(cloth, 5, 250))]


def outline(face: Face, angle: np.ndarray) -> np.ndarray:
    """Points on the face's edge at angles [k] in radians (0 is right, pi / 2 the chin), float [n, k, 2]."""
    across, along = np.cos(angle), np.sin(angle)
    narrow = (1 - face.jaw[:, None]) * np.maximum(along, 0) ** 1.5
    chin = 1 + 0.02 * face.man + 0.03 * face.same[16]
    x = face.cheek[:, None] * np.sign(across) * np.abs(across) ** 0.85 * (1 - narrow)
    return curve(x, np.where(along > 0, column(chin), 1.0) * along)


def head(face: Face) -> list[Shape]:
    """Ears, face, blush and a double chin."""
    ears = pair(ellipse(face.cheek + 0.02, 0.05, 0.09, 0.17), face.skin * 0.88)
    blush = np.clip(0.28 * face.on["Heavy_Makeup"] * (1 + 0.3 * face.vary[18]), 0, 0.6)
    cheeks = pair(ellipse(0.42, 0.25, 0.17, 0.12), mix(face.skin, (215, 85, 95), blush), blush > 0)
    x = 0.45 * _WIDTH
    fold = Shape(line(x, 0.96 - 0.4 * x**2, 0.07), face.skin * 0.7, face.on["Chubby"] > 0)
    return [*ears, Shape(outline(face, _AROUND), face.skin), *cheeks, fold]


def mouth(face: Face) -> list[Shape]:
    """Lips, and between them teeth or a dark gap."""
    smile, opened, painted = (face.on[k] for k in ("Smiling", "Mouth_Slightly_Open", "Wearing_Lipstick"))
    bend = 0.02 + 0.13 * smile + 0.03 * face.same[18] + 0.03 * face.vary[22]
    gap = column(np.clip(0.012 + opened * (0.1 + 0.025 * face.vary[23]), 0.01, 0.3))
    full = column(0.06 - 0.008 * face.man + 0.008 * face.same[19] + 0.012 * painted)
    x = column(0.25 + 0.06 * smile + 0.015 * face.same[20]) * _WIDTH
    middle, arch = 0.55 + column(bend) * (0.5 - _WIDTH**2), 1 - _WIDTH**2
    red = np.clip(0.3 + 0.06 * face.same[21] + painted * (0.4 + 0.14 * face.vary[24]), 0, 0.95)
    teeth = (opened > 0) & (smile + 0.6 * face.vary[25] > 0.4)
    upper, lower = middle - full * arch - 0.01, middle + (1.3 * full + gap) * arch + 0.01
    lips = between(curve(x, upper), curve(x, lower))
    inside = between(curve(x, middle), curve(x, middle + gap * arch + 0.008))
    return [
        Shape(lips, mix(face.skin * 0.9, (180, 30, 55), red)),
        Shape(inside, np.where(column(teeth), (238.0, 232, 222), (70.0, 28, 28))),
    ]


def nose(face: Face) -> list[Shape]:
    """Shades of the nose and below it."""
    wide = 0.13 + 0.012 * face.man + 0.015 * face.same[22]
    bridge = path((-0.03, -0.1), (0.05, -0.1), (wide, 0.27), (0.0, 0.33), (-wide, 0.27))
    return [Shape(bridge, face.skin * 0.93), Shape(ellipse(0.0, 0.29, wide * 0.85, 0.035), face.skin * 0.7)]


def wrinkles(face: Face) -> list[Shape]:
    """Folds beside the mouth (from age or a smile), lines on the forehead, bags under the eyes."""
    folds = column(np.clip(0.35 * face.age + 0.18 * face.on["Smiling"], 0, 0.6))
    deep = column(np.clip(0.36 * face.age, 0, 0.45))
    fold = line(0.2 + 0.17 * _UNIT, 0.28 + 0.3 * _UNIT**1.5, 0.05)
    bag = line(0.17 + 0.26 * _UNIT, -0.02 + 0.1 * _UNIT * (1 - _UNIT), 0.045)
    brow = [line(0.35 * _WIDTH, np.full(9, y), 0.035) for y in (-0.56, -0.46)]
    lines = [Shape(points, face.skin * (1 - deep), face.age > 0.25) for points in brow]
    return [*pair(fold, face.skin * (1 - folds)), *pair(bag, face.skin * (1 - 0.8 * deep)), *lines]


def frames(face: Face) -> list[Shape]:
    """Spectacles, which are painted before the eyes, so that the eyes show inside them."""
    shown = face.on["Eyeglasses"] > 0
    if not shown.any():
        return []
    thick = 0.045 + 0.012 * np.tanh(face.same[23])
    frame = np.array([55.0, 45, 42]) + 22 * face.same[24:27].T
    lens = mix(face.skin, (235, 240, 245), np.clip(0.2 + 0.1 * face.vary[26], 0, 0.5))
    bar = path((-0.8, -0.18), (0.8, -0.18), (0.8, -0.13), (-0.8, -0.13))
    rims = pair(ellipse(0.3, -0.09, 0.2 + thick, 0.15 + thick, 12), frame, shown)
    return [Shape(bar, frame, shown), *rims, *pair(ellipse(0.3, -0.09, 0.2, 0.15, 12), lens, shown)]


def eyes(face: Face) -> list[Shape]:
    """Eye shadow, whites, irises and lashes; some spectacles are dark glasses, which cover them."""
    makeup, x = face.on["Heavy_Makeup"], 0.29 + 0.01 * face.same[29]
    tall = 0.062 - 0.006 * face.man + 0.007 * face.same[27] - 0.012 * face.on["Smiling"]
    tall = np.clip(tall + 0.006 * face.vary[27], 0.02, 0.1)
    shade = np.clip(makeup * (0.45 + 0.18 * face.vary[28]), 0, 0.9)
    lashes = line(column(x) + 0.15 * (2 * _UNIT - 1), -0.1 - column(tall) * _LASH, 0.036 + 0.03 * makeup)
    places = [ellipse(s * x + 0.02 * face.vary[29], -0.1, 0.058, np.minimum(tall, 0.058)) for s in (-1, 1)]
    colour = _IRISES[(np.abs(face.same[28]) * 3).astype(int) % 4]
    irises = [Shape(points, colour) for points in places]
    dark = (face.on["Eyeglasses"] > 0) & (face.same[30] + 0.4 * face.vary[30] > 1)
    return [
        *pair(ellipse(x, -0.14, 0.15, tall + 0.05), mix(face.skin * 0.85, (70, 50, 75), shade)),
        *pair(ellipse(x, -0.1, 0.13, tall), _WHITE),
        *irises,
        *pair(lashes, _LASHES),
        *pair(ellipse(0.3, -0.09, 0.2, 0.15, 12), _DARK_GLASS, dark),
    ]


def earrings(face: Face) -> list[Shape]:
    """Gold or silver drops under the ears."""
    shown = face.on["Wearing_Earrings"] > 0
    if not shown.any():
        return []
    metal = mix(np.array([235.0, 200, 90]), (240, 240, 245), np.clip(0.5 + face.vary[1], 0, 1))
    size = np.clip(0.07 + 0.015 * face.vary[8], 0.05, 0.12)
    return pair(ellipse(face.cheek + 0.05, 0.3 + size, size, size * 1.5), metal, shown)
