"""Whether the project's step and the literal one compute the same, before it is asked which is faster."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.optim import SGD

from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.literal import literal_step, networks_like
from simulations.benchmarks.scaling.setting import (
    BUDGET,
    GENTLE,
    Batch,
    Size,
    batch_of,
    comparable,
    players_of,
    step,
)
from tiprdc_fl.training.hybrid import Players

STEPS = 3
# The objectives round logits to float32 also in float64, hence not 1e-12.
MOST = {torch.float64: 1e-5, torch.float32: 1e-2}
NETWORKS = {"extractor": "theta", "adversary": "psi", "estimator": "omega"}


@dataclass(frozen=True)
class Outcome:
    """What some steps lead to.

    Attributes:
        losses: what each update of each step descended, in nats, float [steps, 3].
        weights: network -> all of its weights after the last step, float [weights].
    """

    losses: Tensor
    weights: dict[str, Tensor]


def ours(size: Size, dtype: torch.dtype) -> Outcome:
    """The project's step, channels last, as ``setting.comparable`` has it."""
    players = _players(size, dtype)
    return _outcome(players, lambda number: step(players, _batch(size, dtype, number)))


def literal(size: Size, dtype: torch.dtype, memory: torch.memory_format) -> Outcome:
    """The literal step from the same weights; in its own memory format it is contiguous."""
    networks = networks_like(_players(size, dtype), lambda weights: SGD(weights, GENTLE))
    for name in NETWORKS:
        getattr(networks, name).to(memory_format=memory)

    def one(number: int) -> Tensor:
        batch = _batch(size, dtype, number)
        return literal_step(
            networks, batch.x.contiguous(memory_format=memory), batch.u[:, 0], batch.order, BUDGET
        )

    return _outcome(networks, one)


def difference(one: Outcome, other: Outcome) -> float:
    """The largest relative difference: of a loss, or of the weights of a network (by their Euclidean norms)."""
    losses = ((one.losses - other.losses).abs() / other.losses.abs()).max()
    weights = [
        (one.weights[name] - other.weights[name]).norm() / other.weights[name].norm() for name in NETWORKS
    ]
    return float(torch.stack([losses, *weights]).max())


def measure_equality(size: Size, say: Callable[[str], None]) -> list[Measured]:
    """The project's step beside the literal one in float64 and in float32.

    In float64 nothing hides a difference but that the project's objectives round logits to float32. In float32
    sums in another order round differently (those of batch normalisation most: channels last, PyTorch adds the
    values one after another), and rounding moves a value across the kink of a ReLU now and then. How much that
    comes to is known from the literal step in the project's memory format: only the order of sums is different.

    Raises:
        ArithmeticError: they differ by more than MOST.
    """
    found = []
    for dtype, most in MOST.items():
        plain = literal(size, dtype, torch.contiguous_format)
        gap = difference(ours(size, dtype), plain)
        against, rounding = "float32's precision", torch.finfo(torch.float32).eps
        if dtype == torch.float32:
            against = "the literal form in another memory format"
            rounding = difference(literal(size, dtype, torch.channels_last), plain)
        name = str(dtype).removeprefix("torch.")
        if not gap <= most:  # also where it is not a number
            raise ArithmeticError(
                f"{size}, {name}: after {STEPS} steps the project's losses or weights differ from the literal "
                f"Algorithm 1's by {gap:.1e} of their size, at most {most:.0e} is rounding: one of the two is wrong"
            )
        what = f"largest relative difference to literal Algorithm 1 after {STEPS} steps, {name}, {size}"
        found.append(Measured("training", what, gap, "", against, rounding, None))
        say(f"{what}: {gap:.1e}; {against}: {rounding:.1e}")
    return found


def _players(size: Size, dtype: torch.dtype) -> Players:
    players = comparable(players_of(size, "float32"))
    networks = {name: copy.deepcopy(getattr(players, name)).to(dtype) for name in NETWORKS}
    optimisers = {NETWORKS[name]: SGD(network.parameters(), GENTLE) for name, network in networks.items()}
    return replace(players, **networks, **optimisers)


def _batch(size: Size, dtype: torch.dtype, number: int) -> Batch:
    batch = batch_of(size, number)
    return replace(batch, x=batch.x.to(dtype))


def _outcome(networks: object, one: Callable[[int], Tensor]) -> Outcome:
    losses = torch.stack([one(number) for number in range(STEPS)])
    weights = {
        name: torch.cat([weight.detach().flatten() for weight in getattr(networks, name).parameters()])
        for name in NETWORKS
    }
    return Outcome(losses, weights)
