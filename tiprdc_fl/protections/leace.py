"""Least-squares concept erasure of the private attributes from an encoder's features (Belrose et al. 2023).

The encoder is trained to keep information, or on the tasks; the erasure is a closed form. On the rows that it is
fitted to, images or single steps of messages, no linear classifier with any convex loss does better than one that
ignores the features (Theorem 3.1). On other people it holds as far as the covariance of features and attribute
carries over. Adversaries that are not linear, or read a message's steps in their order, are not covered.

With ``protection.kernel=rbf`` the rows are random Fourier features of whitened principal components, and their
leading principal components are sent: no classifier that is linear in them does better, which takes in more than
those that are linear in the features.
"""

from dataclasses import replace

import numpy as np
from sklearn.covariance import ledoit_wolf
from torch import from_numpy, nn

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.erasure import Erasure
from tiprdc_fl.models.kernel_map import KernelMap, fourier_features, rounds_of
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.combinations import combinations
from tiprdc_fl.protections.components import encoded, principal
from tiprdc_fl.protections.kernel_fit import (
    check_kernel,
    draw_frequencies,
    fill_in,
    fit_restore,
    send_kernel,
    whitened,
)
from tiprdc_fl.protections.protection import ENCODING, Collected, Protection, Settings

TOLERANCE = 1e-6  # share of the largest below which a variance or covariance counts as none
MOST_VALUES = 8192  # of an example's features, of which the covariance is estimated


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features and takes directions out of them, or out of their random Fourier features."""
    if settings.kernel == "rbf":
        return send_kernel(architecture, settings, rounds=1, hidden=0)
    return replace(architecture, transform="erase", components=1)


def adapt(architecture: Architecture, collected: Collected) -> Architecture:
    """One direction fewer than the private attributes have combinations; with a kernel, the sizes of what is sent.

    Raises:
        InputError: these are one, or too many, or more components are asked for than there can be.
    """
    directions = int(combinations(collected.private, "leace").max())
    if architecture.transform == "kernel":
        return fill_in(architecture, collected)
    return replace(architecture, components=directions)


def check(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when the private attributes cannot be erased, or the components do not fit the kernel."""
    combinations(private, "leace")
    if settings.kernel == "rbf":
        check_kernel(settings, shape, private)
    elif settings.components is not None:
        raise InputError(
            f"protection.components={settings.components}: protection.name=leace sends whole features; leave it "
            "out, or set protection.kernel=rbf"
        )


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, and the map that takes the private attributes out."""
    if isinstance(network, KernelMap):
        return _fit_kernel(network, collected)
    if not isinstance(network, Erasure):
        raise TypeError("LEACE needs an Erasure or a KernelMap")
    z, examples = encoded(network, collected)
    network.mean.copy_(from_numpy(z.mean(axis=0)))
    found = eraser(z, combinations(collected.private, "leace")[examples])
    for rows, directions in zip((network.into, network.back), found, strict=True):
        rows[: len(directions)].copy_(from_numpy(directions))


def _fit_kernel(network: KernelMap, collected: Collected) -> None:
    """The encoder's weights, and one round: the erasure on random Fourier features, then their components."""
    rows = whitened(network, collected, "leace")
    (turn,), generator = rounds_of(network), seeding.generator(collected.seed, "leace")
    turn.frequencies.copy_(draw_frequencies(rows.x, len(turn.frequencies), 0.0, generator))
    lifted = fourier_features(rows.x, turn.frequencies).double()
    turn.mean.copy_(lifted.mean(dim=0))
    centred = (lifted - lifted.mean(dim=0)).numpy()
    into, back = eraser(centred, rows.classes)
    components = principal(centred - centred @ into.T @ back, len(turn.basis), collected.seed).components_
    turn.basis.copy_(from_numpy(components - components @ back.T @ into))
    fit_restore(network, turn(rows.x), rows.z)


def eraser(x: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LEACE as a map of low rank: x - (x - mean) @ into.T @ back.

    Theorem 4.3 whitens by the rows' covariance, and no other affine map that erases the classes then changes the
    rows less (Theorem 4.2). The covariance is shrunk here (Ledoit and Wolf 2004), as there may be fewer rows than
    values; of more than MOST_VALUES only the variances are known. Every whitening erases all.

    Args:
        x: rows [n, d].
        classes: class of each row, int [n].

    Returns:
        into and back, float64 [directions, d], one direction fewer than there are classes at most.
    """
    hot = np.eye(classes.max() + 1)[classes]
    x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    covariance = x.T @ (hot - hot.mean(axis=0)) / len(x)
    if x.shape[1] <= MOST_VALUES:
        values, vectors = np.linalg.eigh(ledoit_wolf(x, assume_centered=True)[0])
        root = np.sqrt(np.maximum(values, TOLERANCE * values.max()))
        inner = vectors.T @ covariance / root[:, None]
        directions, strengths, _ = np.linalg.svd(inner, full_matrices=False)
        into, back = vectors @ (directions / root[:, None]), vectors @ (directions * root[:, None])
    else:
        root = np.sqrt(np.maximum(x.var(axis=0), TOLERANCE * x.var(axis=0).max()))
        directions, strengths, _ = np.linalg.svd(covariance / root[:, None], full_matrices=False)
        into, back = directions / root[:, None], directions * root[:, None]
    kept = strengths > TOLERANCE * strengths.max()
    return into[:, kept].T, back[:, kept].T


LEACE = Protection(
    label="an encoder's features with the private attributes erased (LEACE)",
    apply=apply,
    train=encoder.train,
    adapt=adapt,
    fit=fit,
    describe=lambda keys: "random Fourier features" if keys["protection.kernel"] == "rbf" else "",
    quantisable=False,  # it is fitted to the features that the network has in full precision
    reads=("protection.kernel", "protection.components", "protection.encoder", *ENCODING),
    defaults=encoder.ON_INFORMATION,
    check=check,
)
