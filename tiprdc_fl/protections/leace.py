"""Least-squares concept erasure of the private attributes from an encoder's features (Belrose et al. 2023).

The encoder is trained to keep information, or on the tasks; the erasure is a closed form. On the rows that it is
fitted to, images or single steps of messages, no linear classifier with any convex loss does better than one that
ignores the features (Theorem 3.1). On other people it holds as far as the covariance of features and attribute
carries over. Adversaries that are not linear, or read a message's steps in their order, are not covered.
"""

from dataclasses import replace

import numpy as np
from sklearn.covariance import ledoit_wolf
from torch import from_numpy, nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.erasure import Erasure
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.components import encoded
from tiprdc_fl.protections.protection import ENCODING, Collected, Protection, Settings

TOLERANCE = 1e-6  # share of the largest below which a variance or covariance counts as none
MOST_DIRECTIONS = 15  # combinations of the private attributes, less one
MOST_VALUES = 8192  # of an example's features, of which the covariance is estimated


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features and takes directions out of them."""
    return replace(architecture, transform="erase", components=1)


def adapt(architecture: Architecture, collected: Collected) -> Architecture:
    """One direction fewer than the private attributes have combinations.

    Raises:
        InputError: these are one, or too many.
    """
    return replace(architecture, components=int(combinations(collected.private).max()))


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, and the map that takes the private attributes out."""
    if not isinstance(network, Erasure):
        raise TypeError("LEACE needs an Erasure")
    z, examples = encoded(network, collected)
    network.mean.copy_(from_numpy(z.mean(axis=0)))
    found = eraser(z, combinations(collected.private)[examples])
    for rows, directions in zip((network.into, network.back), found, strict=True):
        rows[: len(directions)].copy_(from_numpy(directions))


def combinations(private: np.ndarray) -> np.ndarray:
    """Number of each example's combination of the private attributes, int64 [n].

    Raises:
        InputError: there is one combination, or more than can be erased.
    """
    found, number = np.unique(private, axis=0, return_inverse=True)
    if not 1 < len(found) <= MOST_DIRECTIONS + 1:
        raise InputError(
            f"protection.name=leace: the collector's people have {len(found)} combinations of the private "
            f"attributes; 2 to {MOST_DIRECTIONS + 1} can be erased: "
            + ("raise data.collector_people" if len(found) == 1 else "name fewer in data.private")
        )
    return number.ravel()


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
    quantisable=False,  # it is fitted to the features that the network has in full precision
    reads=("protection.encoder", *ENCODING),
)
