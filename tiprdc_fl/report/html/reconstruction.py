"""Section: faces rebuilt from features."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from tiprdc_fl.errors import InputError
from tiprdc_fl.report.html.cards import Section, boxed
from tiprdc_fl.report.html.elements import Html, table, tag


@dataclass(frozen=True)
class Pictures:
    """Faces and what a decoder made of their features, a PNG each, in one order."""

    originals: Sequence[bytes]
    rebuilt: Sequence[bytes]


def pictures(folder: Path) -> Pictures | None:
    """What the run folder has of reconstructed faces; None where it has none.

    Raises:
        InputError: reconstruction.npz is damaged.
    """
    path = folder / "reconstruction.npz"
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as found:
            return Pictures(*(tuple(map(png, found[name])) for name in ("original", "reconstructed")))
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, EOFError) as error:
        raise InputError(
            f"{path}: is damaged ({error}); delete it, the report is then made without"
        ) from error


def png(image: np.ndarray) -> bytes:
    """uint8 [3, h, w] as a PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(file, format="PNG")
    return file.getvalue()


def reconstruction(report: dict[str, Any], found: Pictures | None) -> Section | None:
    """Faces above, rebuilt below; None where nothing was rebuilt."""
    figures = report["reconstruction"]
    if figures is None:
        return None
    intro = (
        "A decoder, trained on the collector's own people, rebuilds holdout people's images from their features. "
        "What can be seen here can be seen by whoever has the features."
    )
    body = [_gallery(found)] if found and found.originals else []
    return Section("reconstruction", "Faces rebuilt from features", intro, [*body, _likeness(figures)])


def _gallery(found: Pictures) -> Html:
    pairs = zip(found.originals, found.rebuilt, strict=True)
    faces = (
        tag("div", _face(raw, f"face {number}, as it is"), _face(made, f"face {number}, rebuilt"))
        for number, (raw, made) in enumerate(pairs, 1)
    )
    gallery = tag("div", *faces, class_="faces")
    return boxed("Above the image, below what the decoder made", "", gallery, element="figure")


def _face(png: bytes, text: str) -> Html:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return tag("img", src=source, alt=text)


def _likeness(figures: dict[str, Any]) -> Html:
    def cell(of: dict[str, Any], name: str, digits: int) -> str:
        one = of[name]
        if one["value"] is None:
            return "n/a"
        return f"{one['value']:.{digits}f} ({one['low']:.{digits}f}-{one['high']:.{digits}f})"

    kinds = {
        "ssim": ("SSIM, 1 is equal", 2),
        "ms_ssim": ("MS-SSIM, 1 is equal", 2),
        "psnr": ("PSNR in dB", 1),
    }
    return boxed(
        "How near it comes",
        "Against the mean image of the collector's people, which knows nothing of the person.",
        table(
            ("likeness", "rebuilt", "mean image"),
            [
                (title, cell(figures, name, digits), cell(figures["blind"], name, digits))
                for name, (title, digits) in kinds.items()
            ],
        ),
    )
