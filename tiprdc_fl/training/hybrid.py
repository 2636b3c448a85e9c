"""Algorithm 1: the hybrid training of extractor, adversary and mutual information estimator."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from tiprdc_fl.models.architecture import Architecture, build_classifier, build_estimator, build_extractor
from tiprdc_fl.models.extractor import autocast
from tiprdc_fl.models.image import ImageEstimator
from tiprdc_fl.models.text import TextEstimator
from tiprdc_fl.training.objectives import adversary_loss, extractor_objective, jensen_shannon_bound, one_hot


@dataclass(frozen=True)
class Players:
    """The three networks of Figure 3, each with an optimiser named after its weights in the paper.

    Attributes:
        extractor: E_theta.
        adversary: E_psi.
        estimator: E_omega.
        theta: optimiser of the extractor.
        psi: optimiser of the adversary.
        omega: optimiser of the estimator.
        classes: number of classes of each head of the adversary.
        precision: "bfloat16" or "float32".
    """

    extractor: nn.Module
    adversary: nn.Module
    estimator: ImageEstimator | TextEstimator
    theta: Optimizer
    psi: Optimizer
    omega: Optimizer
    classes: tuple[int, ...]
    precision: str


@dataclass(frozen=True)
class Losses:
    """Losses of one step in nats, each before the update that it causes.

    Attributes:
        adversary: Eq. 8, before psi's update.
        bound: Eq. 9, before omega's update.
        extractor: the negative of Eq. 18, before theta's update.
    """

    adversary: Tensor
    bound: Tensor
    extractor: Tensor


def build_players(
    architecture: Architecture,
    classes: Sequence[int],
    convolutions: int,
    learning_rate: float,
    weight_decay: float,
    device: str,
) -> Players:
    """Builds the three networks with fresh weights; the caller seeds torch before.

    Args:
        architecture: architecture of the extractor.
        classes: number of classes of each head of the adversary.
        convolutions: convolutions in the first block of the estimator, see ``ImageEstimator``.
        learning_rate: Adam's learning rate.
        weight_decay: Adam's weight decay.
        device: "cpu" or "cuda".
    """
    extractor = build_extractor(architecture)
    adversary = build_classifier(architecture, sum(classes))
    estimator = build_estimator(architecture, sum(classes), convolutions)
    networks = (extractor, adversary, estimator)
    for network in networks:
        network.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    theta, psi, omega = (
        Adam(network.parameters(), learning_rate, weight_decay=weight_decay, fused=True)
        for network in networks
    )
    return Players(
        extractor=extractor,
        adversary=adversary,
        estimator=estimator,
        theta=theta,
        psi=psi,
        omega=omega,
        classes=tuple(classes),
        precision=architecture.precision,
    )


def pretrain_step(players: Players, x: Tensor, u: Tensor) -> Tensor:
    """One step of pretraining: extractor and adversary together learn the private attribute.

    Args:
        players: the networks; extractor and adversary are updated in place.
        x: preprocessed inputs [batch, ...].
        u: the adversary's labels, int64 [batch, heads].

    Returns:
        The adversary's loss (Eq. 8) before the update.
    """
    with autocast(players.precision, x.device.type):
        loss = adversary_loss(players.adversary(players.extractor(x)), u, players.classes)
    _update(loss, players.psi, players.theta)
    return loss.detach()


def hybrid_step(players: Players, x: Tensor, u: Tensor, order: Tensor, budget: float) -> Losses:
    """One step of Algorithm 1, lines 3 to 5: updates psi, omega and theta in turn, each on the current weights.

    The extractor runs once. Theta does not change while psi and omega are updated, so all three passes of the paper
    compute the same z, and the updated weights are equal. (The running averages of batch normalisation move once a
    step instead of three times, towards the same statistics.)

    Args:
        players: the networks, which are updated in place.
        x: preprocessed inputs [batch, ...].
        u: the adversary's labels, int64 [batch, heads].
        order: index of each example's x' (Eq. 9), int64 [batch].
        budget: the paper's lambda. At 1 the mutual information is skipped, at 0 the adversary's term.

    Returns:
        The losses before each update.
    """
    hot, device = one_hot(u, players.classes), x.device.type
    with autocast(players.precision, device):
        z = players.extractor(x)
        adversary = adversary_loss(players.adversary(z.detach()), u, players.classes)
    _update(adversary, players.psi)
    bound = torch.zeros((), device=x.device)
    if budget < 1:
        with autocast(players.precision, device):
            bound = _bound(players.estimator, players.estimator.embed_input(x), z.detach(), hot, order)
        _update(-bound, players.omega)
    # Autocast caches casts of trainable weights within a context. A new context and frozen weights each ensure that
    # theta's update sees psi and omega after their updates.
    with autocast(players.precision, device), _frozen(players.adversary), _frozen(players.estimator):
        loss = -_objective(players, x, z, u, hot, order, budget)
    _update(loss, players.theta)
    return Losses(adversary.detach(), bound.detach(), loss.detach())


def _objective(
    players: Players, x: Tensor, z: Tensor, u: Tensor, hot: Tensor, order: Tensor, budget: float
) -> Tensor:
    """Eq. 18 on the current weights, in nats."""
    adversary = bound = torch.zeros((), device=z.device)
    if budget > 0:
        adversary = adversary_loss(players.adversary(z), u, players.classes)
    if budget < 1:
        with torch.no_grad():  # x's embedding does not depend on theta
            x_embedding = players.estimator.embed_input(x)
        bound = _bound(players.estimator, x_embedding, z, hot, order)
    return extractor_objective(adversary, bound, budget)


def _bound(
    estimator: ImageEstimator | TextEstimator, x_embedding: Tensor, z: Tensor, hot: Tensor, order: Tensor
) -> Tensor:
    """Eq. 9 in nats, at most 0."""
    z_embedding = estimator.embed_features(z)
    joint = estimator.score(x_embedding, z_embedding, hot)
    marginal = estimator.score(x_embedding[order], z_embedding, hot)
    return jensen_shannon_bound(joint, marginal)


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
