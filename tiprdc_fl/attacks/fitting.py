"""What the training of probes and of decoders shares: settings, validation people, batches in a seeded order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError

VALIDATION_SHARE = 0.1  # of the people; on them a probe's length of training and settings are chosen
FEWEST_VALIDATED = 20  # people, where there are at least twice as many
FEWEST_ROWS = 4
WARM_UP = 30  # steps over which the learning rate rises

Read = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class Fit:
    """Settings for the training of probes.

    Attributes:
        steps: largest number of batches to learn from, over as many passes as that takes. A probe is validated
            after spaced numbers of steps (``convergence.checks``), and ends when the last doubling of the steps
            brought too little. (The validation loss would end it too early: a probe becomes overconfident while it
            still learns.)
        batch_size: rows in a batch.
        learning_rate: Adam's learning rate, constant after WARM_UP steps; the weights are averaged.
        seed: seed of the order of rows, of dropout and of the choice of validation people.
        device: "cpu" or "cuda".
        precision: "bfloat16" or "float32".
        restarts: networks that are trained for each probe; the one that does best on the validation people counts.
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    device: str
    precision: str
    restarts: int = 1


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
    held_out = np.isin(groups, order[: _validated(len(order))])
    if (~held_out).sum() < 2:  # the validation person has all rows except one: exchange the two parts
        held_out = ~held_out
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _validated(people: int) -> int:
    """Number of validation people: few people decide nothing, but learning needs most of them."""
    return max(1, round(VALIDATION_SHARE * people), min(FEWEST_VALIDATED, round(people / 4)))


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
