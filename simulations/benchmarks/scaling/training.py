"""Training's speed: the hybrid step beside Algorithm 1 as it is written."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from examples.algorithm1 import literal_step
from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.setting import (
    BUDGET,
    DECAY,
    RATE,
    Batch,
    Size,
    batch_of,
    chosen_precision,
    players_of,
    step,
)
from simulations.benchmarks.scaling.turns import rate, seconds_in_turns
from tiprdc_fl.training.hybrid import Players

Say = Callable[[str], None]

LITERAL = "Algorithm 1 written literally, float32"
# Size, turns, and how many times faster than the literal form the step is to be. At width 64 a literal step takes
# ten seconds and more: a batch of half the paper's 64, and few turns. Still smaller ones flatter the literal form:
# casts of the weights and Adam take as long for few images as for many.
QUICK = ((Size(32, 16, 64), 3, None), (Size(64, 16, 64), 3, 3.0))
FULL = ((Size(64, 16, 64), 9, 3.0), (Size(64, 32, 64), 5, 6.0), (Size(64, 64, 32), 3, 6.0))


def measure_training(quick: bool, say: Say) -> list[Measured]:
    """Images a second of one hybrid step at each size, beside the literal form's.

    Args:
        quick: smaller sizes and fewer turns, about a minute in all.
        say: shows a line of progress.
    """
    say(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {chosen_precision()}")
    return [measure_step(size, turns, goal, say) for size, turns, goal in (QUICK if quick else FULL)]


def measure_step(size: Size, turns: int, goal: float | None, say: Say) -> Measured:
    """Images a second of the step, and of the literal form from the same weights on the same images."""
    batch, players = batch_of(size), players_of(size, chosen_precision())
    seconds = seconds_in_turns(
        {"ours": partial(step, players, batch), "literal": literally(size, batch)}, turns
    )
    ratio = rate("training", f"step, {size}", LITERAL, size.batch, seconds["ours"], seconds["literal"])
    say(f"{ratio.what}: {ratio.value:,.1f} {ratio.unit}, {ratio.ratio:.2f} times {LITERAL}")
    return replace(ratio, goal=goal)


def literally(size: Size, batch: Batch) -> Callable[[], None]:
    """A literal step on the same images from the same first weights."""
    players = plain(players_of(size, "float32"))
    return partial(literal_step, players, batch.x.contiguous(), batch.u[:, 0], batch.order[0], BUDGET)


def plain(players: Players) -> Players:
    """The same networks in PyTorch's own memory format, with AdamW as it is by default."""

    def optimiser(network: nn.Module) -> Optimizer:
        network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
        return AdamW(network.parameters(), RATE, weight_decay=DECAY)

    theta, omega = optimiser(players.extractor), optimiser(players.estimator)
    return replace(players, theta=theta, psi=tuple(map(optimiser, players.adversaries)), omega=omega)
