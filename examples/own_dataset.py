"""A dataset of your own: a function (root, image_size, seed) -> Dataset, and its record in DATASETS."""

from dataclasses import replace

import numpy as np
import torch

from examples.own_attack import KEYS
from tiprdc_fl import DATASETS, load_config, run
from tiprdc_fl.data import Dataset, DatasetRecord, Examples


def greys(root: object, image_size: tuple[int, int], seed: int) -> Dataset:
    """Forty people with four images each; every second person is tall, every second image is bright."""

    def load(people) -> Examples:
        ids, rows = (
            np.repeat(np.asarray(people, np.int64), 4),
            np.tile(np.arange(4, dtype=np.int32), len(people)),
        )
        labels = {"Tall": (ids % 2).astype(np.int8), "Bright": (rows % 2).astype(np.int8)}
        grey = torch.from_numpy(60 * labels["Tall"] + 120 * labels["Bright"].astype(np.uint8)).to(torch.uint8)
        images = grey[:, None, None, None].repeat(1, 3, *image_size)
        return Examples(images, labels, ids, rows, np.full(len(ids), images[0].numel() if len(ids) else 0))

    def load_labels(people) -> Examples:
        return replace(load(people), inputs=None)

    return Dataset("greys", "image", range(40), ("Tall", "Bright"), load=load, labels=load_labels)


DATASETS["greys"] = DatasetRecord(
    "forty people in grey", greys, defaults={"data.private": ["Tall"], "data.tasks": ["Bright"]}
)

if __name__ == "__main__":
    run(load_config(None, [*KEYS.split(), "evaluation.attacks=[linear]", "data.name=greys"]))
