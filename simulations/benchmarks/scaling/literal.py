"""Algorithm 1 as a reader of the paper writes it: the form that the project's step is compared with.

Three passes of the extractor a step, one for each update; the estimator as one network that is given (x, z, u) and
then (x', z, u); float32; images and weights in PyTorch's own memory format; Adam as it is by default.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from tiprdc_fl.models.image import ImageEstimator
from tiprdc_fl.training.hybrid import Players

Optimise = Callable[[Any], Optimizer]


@dataclass(frozen=True)
class Networks:
    """The three networks of Figure 3 and their optimisers; one private attribute of two classes.

    Attributes:
        extractor: E_theta.
        adversary: E_psi.
        estimator: E_omega.
        theta: optimiser of the extractor.
        psi: optimiser of the adversary.
        omega: optimiser of the estimator.
    """

    extractor: nn.Module
    adversary: nn.Module
    estimator: ImageEstimator
    theta: Optimizer
    psi: Optimizer
    omega: Optimizer


def networks_like(players: Players, optimise: Optimise) -> Networks:
    """The players' networks with the same weights, float32 and contiguous, and fresh optimisers.

    Args:
        players: of images; left as they are.
        optimise: parameters -> their optimiser.
    """
    assert isinstance(players.estimator, ImageEstimator)
    extractor, adversary = copy.deepcopy(players.extractor), copy.deepcopy(players.adversary)
    estimator = copy.deepcopy(players.estimator)
    networks = (extractor, adversary, estimator)
    for network in networks:
        network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
    return Networks(*networks, *(optimise(network.parameters()) for network in networks))


def literal_step(networks: Networks, x: Tensor, u: Tensor, order: Tensor, budget: float) -> Tensor:
    """Lines 3 to 5 of Algorithm 1 for one batch.

    Args:
        networks: updated in place.
        x: images, float [batch, 3, h, w], contiguous.
        u: private labels, int64 [batch].
        order: index of each example's x' (Eq. 9), int64 [batch].
        budget: the paper's lambda.

    Returns:
        What each update descended, in nats, float [3]: Eq. 8, minus Eq. 9, minus Eq. 18.
    """
    adversary, extractor = networks.adversary, networks.extractor
    psi = F.cross_entropy(adversary(extractor(x)), u)
    descend(psi, networks.psi)

    omega = -information(networks.estimator, x, extractor(x), u, order)
    descend(omega, networks.omega)

    z = extractor(x)
    hidden = F.cross_entropy(adversary(z), u)
    theta = -budget * hidden - (1 - budget) * information(networks.estimator, x, z, u, order)
    descend(theta, networks.theta)
    return torch.stack([psi, omega, theta]).detach()


def information(estimator: ImageEstimator, x: Tensor, z: Tensor, u: Tensor, order: Tensor) -> Tensor:
    """Eq. 9, the Jensen-Shannon bound of I(x; z, u), in nats."""
    joint, marginal = score(estimator, x, z, u), score(estimator, x[order], z, u)
    return -F.softplus(-joint).mean() - F.softplus(marginal).mean()


def score(estimator: ImageEstimator, x: Tensor, z: Tensor, u: Tensor) -> Tensor:
    """E_omega(x, z, u) by one pass of the whole estimator, float [batch]."""
    hot = F.one_hot(u, 2).to(z.dtype)
    return estimator.score(estimator.embed_input(x), estimator.embed_features(z), hot)


def descend(loss: Tensor, optimiser: Optimizer) -> None:
    """One step of an optimiser down a loss."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
