"""Polygons of hair, brows, beards and hats; coordinates as in ``appearance``."""

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
from tiprdc_fl.data.faces.features import outline

_ARC, _HAIRLINE = np.linspace(np.pi, 0, 11), np.linspace(np.pi, 0, 9)  # over the head from left to right
_DOWN, _UNIT, _WIDTH = np.linspace(0, 1, 8), np.linspace(0, 1, 5), np.linspace(-1, 1, 9)
_JAGGED = 0.03 * (-1.0) ** np.arange(9)
_JAW, _INNER_JAW = np.linspace(np.pi - 0.1, 0.1, 15), np.linspace(np.pi - 0.15, 0.15, 11)


def _waves(face: Face, along: np.ndarray) -> np.ndarray:
    """Shifts of the hair's outline at positions [n or 1, k] along it, float [n, k]."""
    size = 0.015 + 0.075 * face.on["Wavy_Hair"] * (1 + 0.2 * face.vary[11])
    return column(size) * np.sin(along * 11 + 2 * column(face.vary[12]))


def back(face: Face) -> list[Shape]:
    """Hair behind the head, short or long; the lengths of men and women overlap."""
    length = 0.75 - 0.46 * face.man + 0.45 * face.same[12] + 0.1 * face.vary[13]
    y = column(np.clip(length + 0.2 * face.on["Wavy_Hair"], -0.1, 1.7)) * _DOWN
    wide = column(face.cheek + face.volume)
    over = curve(wide * np.cos(_ARC), -column(0.98 + face.volume) * np.sin(_ARC))
    right = curve(wide * (1 + 0.08 * y) + _waves(face, y), y)
    hair = np.concatenate([over, right, (right * (-1.0, 1.0))[:, ::-1]], axis=1)
    return [Shape(hair, face.hair * 0.85, face.on["Bald"] == 0)]


def beard(face: Face) -> list[Shape]:
    """Stubble or beard along the jaw, goatee and moustache; men without a beard may show stubble."""
    goatee, mustache = face.on["Goatee"], face.on["Mustache"]
    shadow = 0.02 + 0.035 * face.man + 0.06 * face.same[17]
    full = 0.5 - 0.3 * np.maximum(goatee, mustache) + 0.1 * face.vary[19]
    dense = np.clip(shadow + (1 - face.on["No_Beard"]) * full, 0, 0.95)
    jaw = between(outline(face, _JAW) * 0.99, outline(face, _INNER_JAW) * (0.8, 0.66))
    lip = line(0.3 * _WIDTH, 0.41 + 0.07 * _WIDTH**2, 0.13 + 0.02 * face.vary[20])
    tint = mix(face.skin, face.hair * 0.75, 0.8)
    return [
        Shape(jaw, mix(face.skin, face.hair * 0.75, dense), dense > 0.02),
        Shape(ellipse(0.0, 0.8, 0.24 + 0.03 * face.vary[21], 0.17, 12), tint, goatee > 0),
        Shape(lip, tint, mustache > 0),
    ]


def brows(face: Face) -> list[Shape]:
    """Brows; bushy ones are thicker and darker, men's a little lower and straighter."""
    bushy = face.on["Bushy_Eyebrows"]
    thick = 0.055 + 0.009 * face.man + 0.01 * face.same[31] + 0.045 * bushy
    arch = column(0.05 - 0.01 * face.man + 0.015 * face.same[5]) * np.sin(np.pi * _UNIT**0.8)
    height = 0.3 - 0.012 * face.man + 0.018 * face.same[6] + 0.01 * face.vary[31]
    points = line(0.13 + 0.33 * _UNIT, -column(height) - arch, thick)
    return pair(points, mix(face.hair * 0.7, face.skin, 0.25 - 0.2 * bushy))


def top(face: Face) -> list[Shape]:
    """Hair above the forehead with a shine on it, or the shine of a bald head."""
    haired, aged = face.on["Bald"] == 0, np.clip(face.age - 0.3, 0, 1)
    high = 0.68 + 0.015 * face.man + 0.05 * face.same[4] + 0.05 * aged
    edge = 1.0 + 0.6 * _waves(face, 0.9 * _ARC)
    outer = curve(
        column(face.cheek + face.volume) * np.cos(_ARC) * edge,
        -column(0.98 + face.volume) * np.sin(_ARC) * edge,
    )
    parting = 0.08 * column(face.same[11]) * np.cos(1.5 * _HAIRLINE) - 0.05
    inner = curve(
        column(face.cheek * 0.93) * np.cos(_HAIRLINE),
        parting - column(high) * np.sin(_HAIRLINE).clip(0) ** 0.6,
    )
    shine = line(0.5 * _WIDTH - 0.1, -0.93 + 0.25 * _WIDTH**2, 0.07)
    return [
        Shape(between(outer, inner), face.hair, haired),
        Shape(shine, mix(face.hair, (255, 250, 240), 0.14), haired),
        Shape(ellipse(-0.15, -0.78, 0.22, 0.09), mix(face.skin, (255, 255, 255), 0.25), ~haired),
    ]


def bangs(face: Face) -> list[Shape]:
    """Hair over the forehead."""
    shown = (face.on["Bangs"] > 0) & (face.on["Bald"] == 0)
    if not shown.any():
        return []
    fringe = 0.4 + 0.03 * column(face.vary[0]) + 0.06 * column(face.same[10]) * _WIDTH + _JAGGED
    lower = curve(column(face.cheek * 0.88) * _WIDTH, -fringe)
    upper = curve(column(face.cheek * 0.8) * _WIDTH, -0.88 + 0.2 * _WIDTH**2)
    return [Shape(between(lower, upper), face.hair * 0.95, shown)]


def hat(face: Face) -> list[Shape]:
    """A hat with a brim, of any colour."""
    shown = face.on["Wearing_Hat"] > 0
    if not shown.any():
        return []
    cloth = np.clip(100 + 75 * face.vary[[9, 10, 15]].T, 8, 250)
    wide, high = face.cheek + face.volume + 0.04, -1.3 - 0.12 * face.vary[16]
    side = 0.5 * (high - 0.6)
    right = ((wide * 0.6, high), (wide * 0.95, side), (wide, -0.5))
    left = ((-wide, -0.5), (-wide * 0.95, side), (-wide * 0.6, high))
    crown = path(*left, *right)
    brim = ellipse(0.0, -0.52, wide + 0.15 + 0.1 * np.abs(face.vary[17]), 0.1, 12)
    return [Shape(crown, cloth, shown), Shape(brim, cloth * 0.75, shown)]
