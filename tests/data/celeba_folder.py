"""Folders in CelebA's layout, written exactly as the authors distribute it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES, ATTRIBUTES = "img_align_celeba", "list_attr_celeba.txt"
IDENTITIES, PARTITION = "identity_CelebA.txt", "list_eval_partition.txt"
# The 40 names of list_attr_celeba.txt.
NAMES = [
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Bald",
    "Bangs",
    "Big_Lips",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Blurry",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Chubby",
    "Double_Chin",
    "Eyeglasses",
    "Goatee",
    "Gray_Hair",
    "Heavy_Makeup",
    "High_Cheekbones",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Wearing_Hat",
    "Wearing_Lipstick",
    "Wearing_Necklace",
    "Wearing_Necktie",
    "Young",
]


def attribute_text(files: Mapping[str, int], labels: np.ndarray) -> str:
    """list_attr_celeba.txt for these files (name -> person) and labels 0 or 1 [files, 40]."""
    rows = [
        f"{name} " + " ".join(["-1", "1"][label].rjust(2) for label in row)
        for name, row in zip(files, labels, strict=True)
    ]
    return "\n".join([str(len(files)), " ".join(NAMES) + " ", *rows]) + "\n"


def identity_text(files: Mapping[str, int]) -> str:
    """identity_CelebA.txt for these files."""
    return "".join(f"{name} {person}\n" for name, person in files.items())


def write_folder(
    folder: Path, files: Mapping[str, int], labels: np.ndarray, parts: Mapping[int, int] | None = None
) -> Path:
    """A folder of random images with these people and labels; ``parts``: person -> 0, 1 or 2, else 0."""
    parts = parts or {}
    (folder / IMAGES).mkdir(parents=True)
    (folder / ATTRIBUTES).write_text(attribute_text(files, labels))
    (folder / IDENTITIES).write_text(identity_text(files))
    rows = [f"{name} {parts.get(person, 0)}\n" for name, person in files.items()]
    (folder / PARTITION).write_text("".join(rows))
    for i, name in enumerate(files):
        coarse = np.random.default_rng(i).integers(0, 256, (8, 7, 3), np.uint8)
        Image.fromarray(coarse).resize((178, 218)).save(folder / IMAGES / name)
    return folder


def many_people(folder: Path, people: int, images: int, parts: Mapping[int, int] | None = None) -> Path:
    """A folder of ``images`` of each of ``people``; a person's labels are constant, but for Smiling."""
    files = {f"{number + 1:06}.jpg": number % people for number in range(people * images)}
    rng = np.random.default_rng(0)
    traits = rng.integers(0, 2, (people, len(NAMES)))
    labels = traits[list(files.values())]
    labels[:, NAMES.index("Smiling")] = rng.integers(0, 2, len(files))
    return write_folder(folder, files, labels, parts)
