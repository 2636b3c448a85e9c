"""Painting: labels and random numbers -> the pixels of pictures of any number of people.

The polygons of many pictures are computed together, because that takes no longer than for one picture. The pixels
of a picture do not depend on the other pictures.
"""

import numpy as np
from PIL import Image, ImageDraw

from tiprdc_fl.data.faces.appearance import Face, Shape, face_of
from tiprdc_fl.data.faces.copula import ATTRIBUTES
from tiprdc_fl.data.faces.draws import Draws
from tiprdc_fl.data.faces.features import body, earrings, eyes, frames, head, mouth, nose, wrinkles
from tiprdc_fl.data.faces.hair import back, bangs, beard, brows, hat, top

_SUPERSAMPLED = 48  # pixels; smaller images are drawn twice as large and averaged, larger ones directly
_LIT_PIXELS = 2**15  # pixels lit at a time, so that intermediate results stay in the processor's cache
_BEHIND = (back, body, head, beard, mouth, nose, wrinkles)  # painted in this order
_BEFORE = (frames, eyes, brows, top, bangs, earrings, hat)


def paint(labels: np.ndarray, draws: Draws, image_size: tuple[int, int]) -> np.ndarray:
    """Paints n pictures.

    Args:
        labels: attributes of each picture, int8 [n, len(ATTRIBUTES)].
        draws: their random numbers.
        image_size: (height, width) in pixels.

    Returns:
        RGB images, uint8 [n, 3, height, width].
    """
    on = dict(zip(ATTRIBUTES, labels.T.astype(float), strict=True))
    face = face_of(on, draws.same, draws.vary, draws.hair[0])
    layers = [layer for layer in _layers(face) if np.any(layer.shown)]
    factor = 2 if min(image_size) < _SUPERSAMPLED else 1
    canvas = image_size[0] * factor, image_size[1] * factor
    points = _to_pixels(_stacked(layers, len(labels)), canvas, draws.place)
    pictures = _paint(layers, points, draws.grounds, canvas, factor)
    step = max(1, _LIT_PIXELS // (image_size[0] * image_size[1]))
    for start in range(0, len(pictures), step):
        part = slice(start, start + step)
        pictures[part] = _light(pictures[part], draws.gains[:, part], draws.grain[part])
    return pictures.transpose(0, 3, 1, 2)


def _layers(face: Face) -> list[Shape]:
    return [shape for part in (*_BEHIND, *_BEFORE) for shape in part(face)]


def _stacked(layers: list[Shape], count: int) -> np.ndarray:
    """Points of all layers, one layer after another, float [n, k, 2]."""
    return np.concatenate(
        [np.broadcast_to(layer.points, (count, *layer.points.shape[1:])) for layer in layers], axis=1
    )


def _to_pixels(points: np.ndarray, canvas: tuple[int, int], place: np.ndarray) -> np.ndarray:
    """Turns and places heads: points float [n, k, 2] in face coordinates -> in pixels."""
    unit = 0.35 * min(canvas)
    turn, nod, tilt, grow, right, down = place
    x, y = points[..., 0], points[..., 1]
    bulge = np.maximum(0, 1 - x**2 - 0.7 * y**2)  # when a head turns, its nose moves most and its edge stays
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
    for i, ground in enumerate(grounds.transpose(1, 0, 2).astype(int).tolist()):
        picture = Image.new("RGB", (width, height), tuple(ground[0]))
        polygon = ImageDraw.Draw(picture).polygon
        polygon((0, 0, width * 0.4, 0, width * 0.15, height), tuple(ground[1]))
        polygon((width, height * 0.3, width, height, width * 0.6, height), tuple(ground[2]))
        for (start, end), colour, show in zip(spans, fills[i], shows[i], strict=True):
            if show:
                polygon(flat[i][2 * start : 2 * end], tuple(colour))
        result.append(np.asarray(picture.reduce(factor) if factor > 1 else picture))
    return np.stack(result)


def _light(pictures: np.ndarray, gains: np.ndarray, grain: np.ndarray) -> np.ndarray:
    """Light from one side, exposure, a colour cast and the sensor's noise, uint8 [n, height, width, 3]."""
    _, height, width, _ = pictures.shape
    gains = gains[:, :, None, None, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[:, None]
    along = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    light = np.exp(0.15 * gains[0]) * (1 + 0.14 * gains[1] * across + 0.1 * gains[2] * along)
    cast = 1 + 0.05 * gains[3] * np.array([1, 0, -1], np.float32)
    noise = (3 + 3 * np.abs(gains[4])) * grain
    return np.clip(pictures * (light * cast) + noise, 0, 255).astype(np.uint8)
