"""DATASETS: one file each; a new one is a function ``(root, image_size, seed) -> Dataset`` and a record here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tiprdc_fl.data.celeba import celeba
from tiprdc_fl.data.chitchat import chitchat
from tiprdc_fl.data.dial import dial
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.data.faces.dataset import faces
from tiprdc_fl.data.folder.dataset import folder
from tiprdc_fl.data.lfw import lfw
from tiprdc_fl.data.proxies import CELEBA, FACES, without_chosen

__all__ = ["DATASETS", "Dataset", "DatasetRecord", "Examples"]


@dataclass(frozen=True)
class DatasetRecord:
    """What there is to know of a dataset before it is opened.

    Attributes:
        label: the dataset in a few words.
        open: (root, image_size, seed) -> the dataset; also takes ``contributor`` where "data.contributor" is among
            the keys of its own.
        modalities: that its examples may be of.
        defaults: key of the configuration -> what null stands for, or a function that gives it from keys before it.
            A private attribute is a habit or trait of the person, a task varies from one example to the next.
        needs: keys that the user must give -> what the value is.
        own: keys that have a meaning with this dataset only.
        generated: whether another seed gives other people.
    """

    label: str
    open: Callable[..., Dataset]
    modalities: tuple[str, ...] = ("image",)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    generated: bool = False


DATASETS: dict[str, DatasetRecord] = {
    "faces": DatasetRecord(
        label="generated faces with CelebA's attributes",
        open=faces,
        defaults={
            "data.private": ["Male"],
            "data.tasks": ["Smiling", "Eyeglasses"],
            "data.collector_people": 400,
            "data.holdout_people": 200,
            "data.proxies": without_chosen(FACES),
        },
        generated=True,
    ),
    "celeba": DatasetRecord(
        label="CelebA, photographs of celebrities",
        open=celeba,
        defaults={
            "data.private": ["Male"],
            "data.tasks": ["Smiling", "Eyeglasses"],
            "data.proxies": without_chosen(CELEBA),
        },
        needs={"data.root": "PATH, the folder that holds list_attr_celeba.txt"},
        own=("data.split",),
    ),
    "lfw": DatasetRecord(
        label="Labelled Faces in the Wild, photographs from the news",
        open=lfw,
        defaults={"data.private": ["Male"], "data.tasks": ["Black Hair", "Eyeglasses"]},
        needs={"data.root": "PATH, the folder that holds lfw_attributes.txt and a folder for each person"},
    ),
    "dial": DatasetRecord(
        label="dialectal tweets (TwitterAAE)",
        open=dial,
        modalities=("text",),
        defaults={
            "data.private": ["Race"],
            "data.tasks": ["Mentioned"],
            "data.max_examples_per_person": 100,
        },
        needs={"data.root": "PATH, the folder that holds the TwitterAAE table or the mention_race files"},
    ),
    "folder": DatasetRecord(
        label="your own images or messages, with a table of metadata",
        open=folder,
        modalities=("image", "text"),
        needs={
            "data.root": "PATH, the folder that holds metadata.csv, metadata.parquet or metadata.jsonl",
            "data.private": "[COLUMN,...], columns of its metadata",
            "data.tasks": "[COLUMN,...], columns of its metadata",
        },
        own=("data.contributor",),
    ),
    "chitchat": DatasetRecord(
        label="chat messages of 1,315 people",
        open=chitchat,
        modalities=("text",),
        defaults={
            "data.private": ["Ends_With_Punctuation"],
            "data.tasks": ["Question"],
            "data.max_examples_per_person": 100,  # one person wrote 25,250 messages, the median person 17
        },
    ),
}
