"""Faces rebuilt from features, as pictures of the page."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image

from tiprdc_fl.errors import InputError
from tiprdc_fl.store.paths import RunFolder


@dataclass(frozen=True)
class Pictures:
    """Faces, and what was made of their features: PNG files in the same order.

    Attributes:
        originals: the faces.
        rebuilt: what the decoder made.
        inverted: what the inversion found; empty where there is nothing to invert.
    """

    originals: Sequence[bytes]
    rebuilt: Sequence[bytes]
    inverted: Sequence[bytes] = ()


def pictures(folder: Path) -> Pictures | None:
    """The reconstructed faces in a run folder; None where it has none.

    Raises:
        InputError: reconstruction.npz is damaged.
    """
    path = RunFolder(folder).reconstruction
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Pictures(
                originals=tuple(map(png, arrays["original"])),
                rebuilt=tuple(map(png, arrays["reconstructed"])),
                inverted=tuple(map(png, arrays.get("inverted", ()))),
            )
    except (OSError, ValueError, KeyError, TypeError, BadZipFile, EOFError) as error:
        raise InputError(
            f"{path}: is damaged ({error}); delete it, the report is then made without"
        ) from error


def png(image: np.ndarray) -> bytes:
    """uint8 [3, h, w] as a PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(file, format="PNG")
    return file.getvalue()
