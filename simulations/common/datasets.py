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


def with_proxies(data: Data) -> tuple[str, ...]:
    """Keys that train an encoder on the proxies of a configuration; none where there are none.

    Args:
        data: the configuration's section, as ``load_config`` fills it in.
    """
    names = data.proxies
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
