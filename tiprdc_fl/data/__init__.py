"""Datasets: one file each, ``DATASETS`` names them.

A dataset is a function ``(root, image_size, seed) -> Dataset``; a new one is a file and a line here.
"""

from collections.abc import Callable
from pathlib import Path

from tiprdc_fl.data.celeba import celeba
from tiprdc_fl.data.chitchat import chitchat
from tiprdc_fl.data.dial import dial
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.data.faces.dataset import faces
from tiprdc_fl.data.folder.dataset import folder
from tiprdc_fl.data.lfw import lfw

__all__ = ["DATASETS", "Dataset", "Examples"]

DATASETS: dict[str, Callable[[Path | None, tuple[int, int], int], Dataset]] = {
    "faces": faces,
    "celeba": celeba,
    "lfw": lfw,
    "dial": dial,
    "chitchat": chitchat,
    "folder": folder,
}
