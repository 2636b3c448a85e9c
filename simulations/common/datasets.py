"""What studies know of datasets: their defaults, and whether they hold images or text."""

import os
from functools import cache
from pathlib import Path

from tiprdc_fl.config.keys import Data

TEXT = ("chitchat", "dial")
# Where people are finite, those that are no contributors are shared between collector and holdout.
BY_DATASET: dict[str, tuple[str, ...]] = {
    "faces": (
        "clients=200",
        "data.collector_people=200",
        "data.holdout_people=100",
        "data.private=[Male]",
        "data.tasks=[Smiling,Gray_Hair]",
    ),
    "celeba": ("clients=100", "data.private=[Male]", "data.tasks=[Smiling,Gray_Hair]"),
    "lfw": ("clients=100", "data.private=[Male]", "data.tasks=[Black Hair,Eyeglasses]"),
    "folder": ("clients=100",),
    "chitchat": ("clients=400", "data.collector_people=500", "data.holdout_people=300"),
    "dial": ("clients=100",),
}


# Attributes that a collector may know of its own people, as proxies of what people look at in faces. A study leaves
# out those that are its private attributes and tasks.
PROXIES: dict[str, tuple[str, ...]] = {
    "faces": (
        "Young",
        "Black_Hair",
        "Blond_Hair",
        "Brown_Hair",
        "Gray_Hair",
        "Bald",
        "Bangs",
        "Wavy_Hair",
        "Wearing_Hat",
        "Pale_Skin",
        "Chubby",
        "Bushy_Eyebrows",
        "Mustache",
        "Goatee",
        "No_Beard",
        "Heavy_Makeup",
        "Wearing_Lipstick",
        "Wearing_Earrings",
        "Mouth_Slightly_Open",
    ),
}
PROXIES["celeba"] = (
    *PROXIES["faces"],
    "5_o_Clock_Shadow",
    "Arched_Eyebrows",
    "Attractive",
    "Bags_Under_Eyes",
    "Big_Lips",
    "Big_Nose",
    "Blurry",
    "Double_Chin",
    "High_Cheekbones",
    "Narrow_Eyes",
    "Oval_Face",
    "Pointy_Nose",
    "Receding_Hairline",
    "Rosy_Cheeks",
    "Sideburns",
    "Straight_Hair",
    "Wearing_Necklace",
    "Wearing_Necktie",
)


def with_proxies(data: Data) -> tuple[str, ...]:
    """Keys that train an encoder on a dataset's proxies; none where no proxies are known.

    Args:
        data: the configuration's section, whose private attributes and tasks are no proxies.
    """
    left_out = {*(data.private or ()), *(data.tasks or ())}
    names = [name for name in PROXIES.get(data.name, ()) if name not in left_out]
    return (f"data.proxies=[{','.join(names)}]", "protection.encoder=proxies") if names else ()


def modality_of(dataset: str, root: str | None = None) -> str:
    """Whether a dataset is "text" or "image".

    Args:
        dataset: its name; of an unknown one "image": ``load_config`` will complain.
        root: its folder; a user's own is what the columns of its metadata say.

    Raises:
        InputError: a folder of the user's own has no metadata that can be read.
    """
    if dataset == "folder":
        return _modality_of_folder(None if root is None else absolute(root))
    return "text" if dataset in TEXT else "image"


@cache
def _modality_of_folder(root: str | None) -> str:
    """As the dataset decides it: images where there is a column file_name."""
    from tiprdc_fl.data.folder.metadata import read_metadata  # late: --help has no dataset

    columns = read_metadata(None if root is None else Path(root)).columns
    return "text" if "text" in columns and "file_name" not in columns else "image"


def absolute(root: str) -> str:
    """A folder's one name, from wherever it is looked at: links followed, ``~`` replaced."""
    return os.path.realpath(expanded(root))


def expanded(path: str) -> Path:
    """A path with ``~`` replaced; as it is where nobody has the name behind it."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
