"""Algorithm 1: the hybrid training of extractor, adversaries and mutual information estimator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer

from tiprdc_fl.models.architecture import Architecture, build_classifier, build_extractor
from tiprdc_fl.models.extractor import autocast
from tiprdc_fl.training.discrepancy import discrepancy
from tiprdc_fl.training.information import Information, Objective
from tiprdc_fl.training.objectives import adversary_loss, extractor_objective, hiding_loss, one_hot


@dataclass(frozen=True)
class Players:
    """The networks of Figure 3, each with an optimiser named after its weights in the paper.

    Attributes:
        extractor: E_theta.
        adversaries: E_psi; one in the paper.
        estimator: E_omega, a module whose methods its objective knows.
        theta: optimiser of the extractor.
        psi: optimisers of the adversaries.
        omega: optimiser of the estimator.
        information: what the estimator says of a batch, see ``Objective``.
        classes: number of classes of each head of an adversary.
        hiding: what the extractor maximises to hide u: of the adversaries' predictions, see ``hiding_loss``, or
            the negative of ``discrepancy``.
        precision: "bfloat16" or "float32".
    """

    extractor: nn.Module
    adversaries: nn.ModuleList
    estimator: Any
    theta: Optimizer
    psi: tuple[Optimizer, ...]
    omega: Optimizer
    information: Information
    classes: tuple[int, ...]
    hiding: str
    precision: str


@dataclass(frozen=True)
class Losses:
    """Losses of one step in nats, each before the update that it causes.

    Attributes:
        adversary: Eq. 8, before psi's update; the mean over the adversaries.
        bound: Eq. 9, or another estimate of the information, before omega's update.
        extractor: the negative of Eq. 18, before theta's update.
    """

    adversary: Tensor
    bound: Tensor
    extractor: Tensor


def build_players(
    architecture: Architecture,
    objective: Objective,
    sample: Tensor,
    classes: Sequence[int],
    convolutions: int,
    learning_rate: float,
    weight_decay: float,
    device: str,
    adversaries: int = 1,
    hiding: str = "cross_entropy",
    optimiser: str = "adamw",
) -> Players:
    """Builds the networks with fresh weights; the caller seeds torch before.

    With "adam" the weight decay is part of the gradient. Where the objective's gradient vanishes it is all there is
    to follow, and Adam makes whole steps of it: weights shrink by the learning rate at every step. With "adamw" it
    is decoupled (Loshchilov and Hutter 2019).

    Args:
        architecture: architecture of the extractor.
        objective: estimates the information.
        sample: preprocessed inputs [n, ...], some of those to train on.
        classes: number of classes of each head of an adversary.
        convolutions: convolutions in the first block of the estimator, see ``ImageEstimator``.
        learning_rate: of the optimisers.
        weight_decay: of the optimisers.
        device: "cpu" or "cuda".
        adversaries: their number.
        hiding: "cross_entropy", "entropy" or "mmd".
        optimiser: "adamw" or "adam".
    """
    extractor = build_extractor(architecture)
    opponents = nn.ModuleList(build_classifier(architecture, sum(classes)) for _ in range(adversaries))
    estimator = objective.build(architecture, sum(classes), convolutions, sample)
    for network in (extractor, opponents, estimator):
        network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def optimise(network: nn.Module) -> Optimizer:
        kind = Adam if optimiser == "adam" else AdamW
        return kind(network.parameters(), learning_rate, weight_decay=weight_decay, fused=True)

    return Players(
        extractor=extractor,
        adversaries=opponents,
        estimator=estimator,
        theta=optimise(extractor),
        psi=tuple(map(optimise, opponents)),
        omega=optimise(estimator),
        information=objective.information,
        classes=tuple(classes),
        hiding=hiding,
        precision=architecture.precision,
    )


def restart(players: Players, number: int, architecture: Architecture) -> None:
    """Gives an adversary fresh weights and forgets its optimiser's moments; the caller seeds torch before."""
    fresh = build_classifier(architecture, sum(players.classes))
    players.adversaries[number].load_state_dict(fresh.state_dict())
    players.psi[number].state.clear()


def pretrain_step(players: Players, x: Tensor, u: Tensor) -> Tensor:
    """One step of the paper's pretraining: extractor and adversaries together learn the private attribute.

    Args:
        players: the networks; extractor and adversaries are updated in place.
        x: preprocessed inputs [batch, ...].
        u: the adversaries' labels, int64 [batch, heads].

    Returns:
        The adversaries' loss (Eq. 8) before the update.
    """
    with autocast(players.precision, x.device.type):
        loss = _adversaries_loss(players, players.extractor(x), u)
    _update(loss, *players.psi, players.theta)
    return loss.detach() / len(players.adversaries)


def hybrid_step(
    players: Players,
    x: Tensor,
    u: Tensor,
    order: Tensor,
    budget: float,
    adversaries: bool = True,
    people: Tensor | None = None,
) -> Losses:
    """One step of Algorithm 1, lines 3 to 5: updates psi, omega and theta in turn, each on the current weights.

    The extractor runs once. Theta does not change while psi and omega are updated, so all three passes of the paper
    compute the same z, and the updated weights are equal. (The running averages of batch normalisation move once a
    step instead of three times, towards the same statistics.)

    Args:
        players: the networks, which are updated in place.
        x: preprocessed inputs [batch, ...].
        u: the adversaries' labels, int64 [batch, heads].
        order: indices of each example's x' (Eq. 9), int64 [negatives, batch].
        budget: the paper's lambda. At 1 the information is skipped, at 0 the adversaries' term.
        adversaries: whether psi is updated; else nothing else may need it: the budget is 0, or "mmd" hides.
        people: person of each example, int64 [batch]; None: each of another. Only "mmd" asks.

    Returns:
        The losses before each update.
    """
    hot, device = one_hot(u, players.classes), x.device.type
    with autocast(players.precision, device):
        z = players.extractor(x)
    adversary = bound = torch.zeros((), device=x.device)
    if adversaries:
        with autocast(players.precision, device):
            adversary = _adversaries_loss(players, z.detach(), u)
        _update(adversary, *players.psi)
    if budget < 1:
        with autocast(players.precision, device):
            bound = players.information(players.estimator, x, z.detach(), hot, order)
        _update(-bound, players.omega)
    # Autocast caches casts of trainable weights within a context. A new context and frozen weights each ensure that
    # theta's update sees psi and omega after their updates.
    with (
        autocast(players.precision, device),
        _frozen(players.adversaries),
        _frozen(players.estimator),
    ):
        loss = -_objective(players, x, z, u, hot, order, budget, people)
    _update(loss, players.theta)
    return Losses(adversary.detach() / len(players.adversaries), bound.detach(), loss.detach())


def _adversaries_loss(players: Players, z: Tensor, u: Tensor) -> Tensor:
    """Eq. 8 summed over the adversaries, so that each learns as if it were alone."""
    losses = [adversary_loss(network(z), u, players.classes) for network in players.adversaries]
    return torch.stack(losses).sum()


def _objective(
    players: Players,
    x: Tensor,
    z: Tensor,
    u: Tensor,
    hot: Tensor,
    order: Tensor,
    budget: float,
    people: Tensor | None,
) -> Tensor:
    """Eq. 18 on the current weights, in nats; with several adversaries, their mean stands for Eq. 8.

    With "mmd" its first term is the discrepancy, which has no unit.
    """
    adversary = bound = torch.zeros((), device=z.device)
    if budget > 0 and players.hiding == "mmd":
        adversary = -discrepancy(z, u, torch.arange(len(z), device=z.device) if people is None else people)
    elif budget > 0:
        hidden = [
            hiding_loss(network(z), u, players.classes, players.hiding) for network in players.adversaries
        ]
        adversary = torch.stack(hidden).mean()
    if budget < 1:
        bound = players.information(players.estimator, x, z, hot, order)
    return extractor_objective(adversary, bound, budget)


def _update(loss: Tensor, *optimisers: Optimizer) -> None:
    for optimiser in optimisers:
        optimiser.zero_grad(set_to_none=True)
    loss.backward()
    for optimiser in optimisers:
        optimiser.step()


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Turns off gradients of the network's own weights, which would be computed in vain."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
