"""What every measurement of training starts from: sizes, fresh players and a batch, all from one seed."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture, Precision
from tiprdc_fl.models.image import initialise
from tiprdc_fl.stages.prepare import choose_precision
from tiprdc_fl.training.hybrid import Players, build_players, hybrid_step

SEED = 0
BUDGET = 0.9
RATE, DECAY = 1e-4, 1e-4  # Adam's; Section 5.1 and the authors' code
GENTLE = 1e-3  # of the plain gradient descent of ``comparable``


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
        order: index of each example's x' (Eq. 9), int64 [batch].
    """

    x: Tensor
    u: Tensor
    order: Tensor


def players_of(size: Size, precision: Precision) -> Players:
    """Fresh players as the project trains them."""
    seeding.seed_torch(SEED, "scaling", "players")
    architecture = Architecture("image", size.width, (size.side, size.side), precision=precision)
    return build_players(architecture, (2,), 3, RATE, DECAY, "cpu")


def chosen_precision() -> Precision:
    """What a run uses on this CPU where nothing else is said."""
    return choose_precision("auto", "cpu")


def batch_of(size: Size, number: int = 0) -> Batch:
    """A batch of random images and labels; batches of two numbers differ."""
    generator = seeding.torch_generator(SEED, "scaling", "batch", number)
    x = torch.rand(size.batch, 3, size.side, size.side, generator=generator)
    u = torch.randint(0, 2, (size.batch, 1), generator=generator)
    return Batch(
        x.contiguous(memory_format=torch.channels_last), u, torch.arange(size.batch).roll(1 + number)
    )


def step(players: Players, batch: Batch) -> Tensor:
    """The project's step; what each update descended, as ``literal.literal_step`` returns it, float [3]."""
    losses = hybrid_step(players, batch.x, batch.u, batch.order, BUDGET)
    return torch.stack([losses.adversary, -losses.bound, losses.extractor])


def comparable(players: Players) -> Players:
    """Players in float32 whose every step depends on weights and batch alone, and moves every weight.

    Dropout is off: two forms draw it in different orders. Output layers, which start at zero, start as the others
    do: through zeros nothing flows back. Plain gradient descent stands for Adam, which makes a whole step of the
    rounding of a gradient near 0.
    """
    networks = {"theta": players.extractor, "psi": players.adversary, "omega": players.estimator}
    seeding.seed_torch(SEED, "scaling", "outputs")
    for network in networks.values():
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
            if isinstance(module, nn.Linear) and not module.weight.any():
                initialise(module)
    optimisers = {name: torch.optim.SGD(network.parameters(), GENTLE) for name, network in networks.items()}
    return replace(players, precision="float32", **optimisers)
