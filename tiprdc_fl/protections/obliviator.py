"""Nonlinear erasure of the private attributes from an encoder's features (Akbari, Afshari and Boddeti 2025).

The encoder is trained to keep information, or on the tasks. Then come rounds. In each a perceptron learns to make
its output independent of the private attributes, as the Hilbert-Schmidt independence criterion (HSIC, Gretton et
al. 2005) measures it, and dependent on what came before. An eigenproblem then chooses functions of the output which
have no covariance with the private attributes and the largest with what came before. Each row is then scaled to
length 1, as in the paper, so that what is sent has a little covariance again. Weights, learning rate and
limits of bandwidths are the paper's ("Obliviator Reveals the Cost of Nonlinear Guardedness in Concept Erasure",
NeurIPS 2025, without task labels). Nothing is promised for other people, or for adversaries of other kinds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.kernel_map import KernelMap, Round, fourier_features, rounds_of
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.combinations import combinations
from tiprdc_fl.protections.kernel_fit import (
    check_kernel,
    draw_frequencies,
    fill_in,
    fit_restore,
    lift,
    send_kernel,
    whitened,
)
from tiprdc_fl.protections.protection import ENCODING, Collected, Protection, Settings

HIDDEN = 256  # units of a perceptron's hidden layers
LEARNING_RATE = WEIGHT_DECAY = 1e-3
BATCH = 1024
# Of a perceptron's training: three epochs of 8,192 rows, six of 4,000; more hid no more on generated faces.
STEPS = 24
TRAINED = 512  # random Fourier features that a training's HSIC is estimated with
LEAST_W = 1.5  # lower limit of a bandwidth, of a perceptron's output
TINY = 1e-30  # a covariance that is none
TOLERANCE = 1e-5  # share of the largest below which a covariance counts as none


class Target(NamedTuple):
    """What a round's output shall depend on.

    Attributes:
        rows: float [n, d].
        least: lower limit of its kernel's bandwidth.
        trained: weight in the perceptron's training, tau in the paper.
        solved: weight in the eigenproblem.
    """

    rows: Tensor
    least: float
    trained: float
    solved: float


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device runs all rounds: perceptron, random Fourier features, projection."""
    return send_kernel(architecture, settings, rounds=settings.rounds, hidden=HIDDEN)


def check(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when the private attributes cannot be erased, or there are too many components."""
    combinations(private, "obliviator")
    check_kernel(settings, shape, private)


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights and all rounds."""
    if not isinstance(network, KernelMap):
        raise TypeError("Obliviator needs a KernelMap")
    rows = whitened(network, collected, "obliviator")
    hot = torch.eye(int(rows.classes.max()) + 1)[torch.from_numpy(rows.classes)]
    hot, z = hot - hot.mean(dim=0), rows.x
    initial = Target(rows.x, least=2.5, trained=0.01, solved=0.2)
    for number, turn in enumerate(rounds_of(network)):
        generator = seeding.generator(collected.seed, "obliviator", number)
        previous = Target(z, least=1.0, trained=0.05, solved=1.0)
        targets = [previous, initial] if number else [initial]
        train_perceptron(turn, z, hot, targets, generator)
        solve(turn, z, hot, targets, generator)
        with torch.no_grad():
            z = turn(z)
    fit_restore(network, z, rows.z)


@torch.enable_grad()
def train_perceptron(
    turn: Round, z: Tensor, hot: Tensor, targets: Sequence[Target], generator: np.random.Generator
) -> None:
    """Trains a round's perceptron: independent of the private attributes, dependent on the targets.

    Args:
        turn: the round.
        z: its input, float [n, d].
        hot: centred one-hot combinations of the private attributes, float [n, combinations].
        targets: what the output shall depend on.
        generator: draws batches and frequencies.
    """
    optimiser = torch.optim.AdamW(turn.layers.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    lifted = [lift(target.rows, TRAINED, target.least, generator) for target in targets]
    for _ in range(STEPS):
        batch = torch.from_numpy(generator.permutation(len(z))[:BATCH])
        w = turn.embed(z[batch])
        frequencies = draw_frequencies(w.detach(), TRAINED // 2, LEAST_W, generator)
        phi = fourier_features(w, frequencies)
        loss = root_hsic(phi, hot[batch])
        for target, of_target in zip(targets, lifted, strict=True):
            loss = loss - target.trained * root_hsic(phi, of_target[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def root_hsic(phi: Tensor, other: Tensor) -> Tensor:
    """Root of the mean squared covariance of random Fourier features [n, a] with other numbers [n, b]."""
    covariance = (phi - phi.mean(dim=0)).T @ (other - other.mean(dim=0)) / len(phi)
    return (covariance.square().mean() + 1e-20).sqrt()


@torch.no_grad()
def solve(
    turn: Round, z: Tensor, hot: Tensor, targets: Sequence[Target], generator: np.random.Generator
) -> None:
    """Sets a round's frequencies and the directions of its random Fourier features; arguments as above.

    The directions have no covariance with the private attributes. Among those they have the largest with the
    targets: the sum of the targets' squared covariances, each scaled to a largest eigenvalue of its weight.
    """
    w = turn.embed(z)
    turn.frequencies.copy_(draw_frequencies(w, len(turn.frequencies), LEAST_W, generator))
    phi = fourier_features(w, turn.frequencies)
    turn.mean.copy_(phi.mean(dim=0))
    phi = (phi - phi.mean(dim=0)).double()
    free = _null_space(hot.double().T @ phi / len(phi))
    total = torch.zeros(free.shape[1], free.shape[1], dtype=torch.float64)
    for target in targets:
        of_target = lift(target.rows, phi.shape[1], target.least, generator).double()
        covariance = of_target.T @ phi / len(phi) @ free
        squared = covariance.T @ covariance
        total += target.solved * squared / torch.linalg.eigvalsh(squared)[-1].clamp(min=TINY)
    directions = torch.linalg.eigh(total).eigenvectors.flip(dims=(1,))[:, : len(turn.basis)]
    turn.basis.copy_((free @ directions).T)


def _null_space(covariance: Tensor) -> Tensor:
    """Orthonormal columns that rows [k, d] have no product with, [d, d - rank]."""
    _, sizes, right = torch.linalg.svd(covariance)
    return right[int((sizes > TOLERANCE * sizes.max()).sum()) :].T


OBLIVIATOR = Protection(
    label="an encoder's features with the private attributes erased by rounds of kernels (Obliviator)",
    apply=apply,
    train=encoder.train,
    adapt=fill_in,
    fit=fit,
    describe=lambda keys: f"{keys['protection.rounds']} rounds",
    quantisable=False,  # it is fitted to the features that the network has in full precision
    reads=("protection.rounds", "protection.components", "protection.encoder", *ENCODING),
    defaults=encoder.ON_INFORMATION,
    check=check,
)
