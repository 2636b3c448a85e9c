"""The polygons of hair, brows, beards and hats; coordinates as in face_looks.py."""

import numpy as np

from tiprdc_fl.data.faces.features import outline
from tiprdc_fl.data.faces.looks import Face, Shape, between, column, curve, ellipse, line, mix, pair, path

_ARC, _HAIRLINE = np.linspace(np.pi, 0, 11), np.linspace(np.pi, 0, 9)  # over the head from left to right
_DOWN, _UNIT, _WIDTH = np.linspace(0, 1, 8), np.linspace(0, 1, 5), np.linspace(-1, 1, 9)
_JAGGED = 0.03 * (-1.0) ** np.arange(9)
_JAW, _INNER_JAW = np.linspace(np.pi - 0.1, 0.1, 15), np.linspace(np.pi - 0.15, 0.15, 11)


def _waves(looks: Face, along: np.ndarray) -> np.ndarray:
    """Shifts of the hair's outline at [n or 1, k] places along it, float [n, k]."""
    size = 0.015 + 0.075 * looks.on["Wavy_Hair"] * (1 + 0.2 * looks.vary[11])
    return column(size) * np.sin(along * 11 + 2 * column(looks.vary[12]))


def back(looks: Face) -> list[Shape]:
    """Hair behind the head: short or long, with an overlap between men and women."""
    length = 0.75 - 0.46 * looks.man + 0.45 * looks.same[12] + 0.1 * looks.vary[13]
    y = column(np.clip(length + 0.2 * looks.on["Wavy_Hair"], -0.1, 1.7)) * _DOWN
    wide = column(looks.cheek + looks.volume)
    over = curve(wide * np.cos(_ARC), -column(0.98 + looks.volume) * np.sin(_ARC))
    right = curve(wide * (1 + 0.08 * y) + _waves(looks, y), y)
    hair = np.concatenate([over, right, (right * (-1.0, 1.0))[:, ::-1]], axis=1)
    return [Shape(hair, looks.hair * 0.85, looks.on["Bald"] == 0)]


def beard(looks: Face) -> list[Shape]:
    """Stubble or beard along the jaw, goatee, moustache; men without a beard may show a shadow of it."""
    goatee, mustache = looks.on["Goatee"], looks.on["Mustache"]
    shadow = 0.02 + 0.035 * looks.man + 0.06 * looks.same[17]
    full = 0.5 - 0.3 * np.maximum(goatee, mustache) + 0.1 * looks.vary[19]
    dense = np.clip(shadow + (1 - looks.on["No_Beard"]) * full, 0, 0.95)
    jaw = between(outline(looks, _JAW) * 0.99, outline(looks, _INNER_JAW) * (0.8, 0.66))
    lip = line(0.3 * _WIDTH, 0.41 + 0.07 * _WIDTH**2, 0.13 + 0.02 * looks.vary[20])
    tint = mix(looks.skin, looks.hair * 0.75, 0.8)
    return [
        Shape(jaw, mix(looks.skin, looks.hair * 0.75, dense), dense > 0.02),
        Shape(ellipse(0.0, 0.8, 0.24 + 0.03 * looks.vary[21], 0.17, 12), tint, goatee > 0),
        Shape(lip, tint, mustache > 0),
    ]


def brows(looks: Face) -> list[Shape]:
    """Brows: thicker and darker where bushy, a little lower and straighter in men."""
    bushy = looks.on["Bushy_Eyebrows"]
    thick = 0.055 + 0.009 * looks.man + 0.01 * looks.same[31] + 0.045 * bushy
    arch = column(0.05 - 0.01 * looks.man + 0.015 * looks.same[5]) * np.sin(np.pi * _UNIT**0.8)
    height = 0.3 - 0.012 * looks.man + 0.018 * looks.same[6] + 0.01 * looks.vary[31]
    points = line(0.13 + 0.33 * _UNIT, -column(height) - arch, thick)
    return pair(points, mix(looks.hair * 0.7, looks.skin, 0.25 - 0.2 * bushy))


def top(looks: Face) -> list[Shape]:
    """Hair above the forehead and its shine, or a bald head's."""
    haired, aged = looks.on["Bald"] == 0, np.clip(looks.age - 0.3, 0, 1)
    high = 0.68 + 0.015 * looks.man + 0.05 * looks.same[4] + 0.05 * aged
    edge = 1.0 + 0.6 * _waves(looks, 0.9 * _ARC)
    outer = curve(
        column(looks.cheek + looks.volume) * np.cos(_ARC) * edge,
        -column(0.98 + looks.volume) * np.sin(_ARC) * edge,
    )
    parting = 0.08 * column(looks.same[11]) * np.cos(1.5 * _HAIRLINE) - 0.05
    inner = curve(
        column(looks.cheek * 0.93) * np.cos(_HAIRLINE),
        parting - column(high) * np.sin(_HAIRLINE).clip(0) ** 0.6,
    )
    shine = line(0.5 * _WIDTH - 0.1, -0.93 + 0.25 * _WIDTH**2, 0.07)
    return [
        Shape(between(outer, inner), looks.hair, haired),
        Shape(shine, mix(looks.hair, (255, 250, 240), 0.14), haired),
        Shape(ellipse(-0.15, -0.78, 0.22, 0.09), mix(looks.skin, (255, 255, 255), 0.25), ~haired),
    ]


def bangs(looks: Face) -> list[Shape]:
    """Hair over the forehead."""
    shown = (looks.on["Bangs"] > 0) & (looks.on["Bald"] == 0)
    if not shown.any():
        return []
    fringe = 0.4 + 0.03 * column(looks.vary[0]) + 0.06 * column(looks.same[10]) * _WIDTH + _JAGGED
    lower = curve(column(looks.cheek * 0.88) * _WIDTH, -fringe)
    upper = curve(column(looks.cheek * 0.8) * _WIDTH, -0.88 + 0.2 * _WIDTH**2)
    return [Shape(between(lower, upper), looks.hair * 0.95, shown)]


def hat(looks: Face) -> list[Shape]:
    """A hat with a brim, of any colour."""
    shown = looks.on["Wearing_Hat"] > 0
    if not shown.any():
        return []
    cloth = np.clip(100 + 75 * looks.vary[[9, 10, 15]].T, 8, 250)
    wide, high = looks.cheek + looks.volume + 0.04, -1.3 - 0.12 * looks.vary[16]
    side = 0.5 * (high - 0.6)
    right = ((wide * 0.6, high), (wide * 0.95, side), (wide, -0.5))
    left = ((-wide, -0.5), (-wide * 0.95, side), (-wide * 0.6, high))
    crown = path(*left, *right)
    brim = ellipse(0.0, -0.52, wide + 0.15 + 0.1 * np.abs(looks.vary[17]), 0.1, 12)
    return [Shape(crown, cloth, shown), Shape(brim, cloth * 0.75, shown)]
