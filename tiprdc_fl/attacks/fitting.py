"""What the training of probes and of decoders shares: settings, validation people, batches in a seeded order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError

VALIDATION_SHARE = 0.1  # of the people; on them a probe's epoch and temperature are chosen
FEWEST_ROWS = 4
CHECKS = 6  # validations during a training

Read = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class Fit:
    """Settings for the training of probes.

    Attributes:
        steps: number of batches to learn from, over as many passes as that takes. A probe is validated CHECKS
            times, and the weights with the best balanced accuracy are kept. (The validation loss would choose too
            early: a probe becomes overconfident while it still learns, which the temperature corrects later.)
        batch_size: rows in a batch.
        learning_rate: Adam's highest learning rate. It rises over the first 30 % of the steps and then falls to 0
            (one-cycle, Smith and Topin 2019); without this schedule some probes never leave chance.
        seed: seed of the order of rows, of dropout and of the choice of validation people.
        device: "cpu" or "cuda".
        precision: "bfloat16" or "float32".
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    device: str
    precision: str


def split_rows(people: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Divides rows into training and validation rows; no person is in both. A single person's rows are divided.

    Args:
        people: person of each row, int64 [n].
        seed: seed of the choice of validation people.

    Returns:
        Numbers of the training rows and of the validation rows, int64, ascending.

    Raises:
        InputError: there are fewer than FEWEST_ROWS rows.
    """
    if len(people) < FEWEST_ROWS:
        raise InputError(
            f"contributors sent {len(people)} examples, and a probe needs at least {FEWEST_ROWS}: "
            "raise clients, data.max_examples_per_person, or what the strategy takes"
        )
    groups = people if len(np.unique(people)) > 1 else np.arange(len(people))
    order = seeding.generator(seed, "probe", "validation").permutation(np.unique(groups))
    held_out = np.isin(groups, order[: max(1, round(VALIDATION_SHARE * len(order)))])
    if (~held_out).sum() < 2:  # the validation person has all rows except one: exchange the two parts
        held_out = ~held_out
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def passes(rows: np.ndarray, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Yields batches of row numbers for ever, in a new random order in each pass over the rows."""
    for number in count():
        generator = seeding.generator(seed, "probe", "order", number)
        yield from batches(generator.permutation(rows), batch_size)


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Divides rows into equal batches; each has from ``size`` to twice ``size`` rows, if there are enough."""
    yield from np.array_split(rows, batch_count(rows, size))


def batch_count(rows: np.ndarray, size: int) -> int:
    """Number of batches that ``batches`` returns."""
    return max(1, len(rows) // size)


def to_device(x: Tensor, device: str) -> Tensor:
    """Copies inputs to a device; images and their features become channels last, which convolutions prefer."""
    return x.to(device, memory_format=torch.channels_last) if x.dim() == 4 else x.to(device)
