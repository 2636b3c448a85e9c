"""The picture of reconstructed faces."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tiprdc_fl.errors import InputError

CELL, TITLE, GAP = 96, 16, 4  # pixels: least breadth of a picture, height of the titles, space between


def grid(originals: Tensor, columns: Mapping[str, Tensor], path: Path) -> None:
    """Writes a PNG like Figure 5: a row for each face, the raw image first, then a column for each name.

    Small images are enlarged by a whole factor, each pixel to a square, so that nothing is smoothed over.

    Args:
        originals: uint8 [k, 3, h, w].
        columns: title -> reconstructions, uint8 [k, 3, h, w].
        path: of the PNG; its folder must exist.

    Raises:
        InputError: a column has another shape than the originals, or the file cannot be written.
    """
    for name, images in columns.items():
        if images.shape != originals.shape:
            raise InputError(
                f"column {name}: {list(images.shape)} stands beside originals {list(originals.shape)}; "
                "pass the reconstructions of the same images at the same size"
            )
    strips = {"raw": _strip(originals)} | {name: _strip(images) for name, images in columns.items()}
    try:
        _beside(strips).save(path, format="PNG")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); name a folder that exists"
        ) from error


def _strip(images: Tensor) -> Image.Image:
    """Pictures below one another, enlarged to at least CELL pixels of breadth."""
    count, _, height, breadth = images.shape
    scale = -(-CELL // breadth)
    enlarged = images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    padded = F.pad(enlarged, (0, 0, 0, GAP), value=255)
    stacked = padded.permute(0, 2, 3, 1).reshape(count * (height * scale + GAP), breadth * scale, 3)
    return Image.fromarray(stacked.contiguous().numpy(force=True))


def _beside(strips: Mapping[str, Image.Image]) -> Image.Image:
    """Strips side by side on white under their titles; a long title makes its column broader."""
    font = ImageFont.load_default()
    breadths = [max(strip.width, math.ceil(font.getlength(name))) + GAP for name, strip in strips.items()]
    height = next(iter(strips.values())).height
    picture = Image.new("RGB", (sum(breadths) + GAP, TITLE + height), "white")
    draw, left = ImageDraw.Draw(picture), GAP
    for (name, strip), breadth in zip(strips.items(), breadths, strict=True):
        draw.text((left, GAP // 2), name, fill="black", font=font)
        picture.paste(strip, (left, TITLE))
        left += breadth
    return picture
