"""What a measurement of training starts from: a size, fresh players and a batch, all from one seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture, Precision
from tiprdc_fl.stages.prepare import choose_precision
from tiprdc_fl.training.hybrid import Players, build_players, hybrid_step
from tiprdc_fl.training.information import OBJECTIVES

SEED = 0
BUDGET = 0.9
RATE, DECAY = 1e-4, 1e-4  # Adam's; Section 5.1 and the authors' code


@dataclass(frozen=True)
class Size:
    """Of the networks and a batch.

    Attributes:
        side: height and width of an image, in pixels.
        width: channels of the first convolution, 64 in the paper.
        batch: images.
    """

    side: int
    width: int
    batch: int

    def __str__(self) -> str:
        return f"{self.side}x{self.side}, width {self.width}, batch {self.batch}"


@dataclass(frozen=True)
class Batch:
    """Inputs of a step.

    Attributes:
        x: images, float [batch, 3, h, w] in [0, 1], channels last in memory.
        u: private labels, int64 [batch, 1].
        order: index of each example's x' (Eq. 9), int64 [1, batch].
    """

    x: Tensor
    u: Tensor
    order: Tensor


def players_of(size: Size, precision: Precision) -> Players:
    """Fresh players of the paper's training, as the project builds them."""
    seeding.seed_torch(SEED, "scaling", "players")
    architecture = Architecture("image", size.width, (size.side, size.side), precision=precision)
    return build_players(architecture, OBJECTIVES["jsd"], batch_of(size).x, (2,), 3, RATE, DECAY, "cpu")


def chosen_precision() -> Precision:
    """What a run uses on this CPU where nothing else is said."""
    return choose_precision("auto", "cpu")


def batch_of(size: Size) -> Batch:
    """A batch of random images and labels."""
    generator = seeding.torch_generator(SEED, "scaling", "batch")
    x = torch.rand(size.batch, 3, size.side, size.side, generator=generator)
    u = torch.randint(0, 2, (size.batch, 1), generator=generator)
    return Batch(x.contiguous(memory_format=torch.channels_last), u, torch.arange(size.batch).roll(1)[None])


def step(players: Players, batch: Batch) -> None:
    """The project's step."""
    hybrid_step(players, batch.x, batch.u, batch.order, BUDGET)
