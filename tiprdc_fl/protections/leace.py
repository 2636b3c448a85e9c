"""Least-squares concept erasure of the private attributes from an encoder's principal components (Belrose et al.
2023).

The encoder is trained to keep information, or on the tasks; the erasure is a closed form. On the rows that it is
fitted to, no linear classifier with any convex loss does better than one that ignores the components (Theorem
3.1), and no other affine map that achieves this changes them less (Theorem 4.2). On other people it holds as far
as the covariance of components and attribute carries over: few components carry over better. Adversaries that are
not linear are not covered.
"""

from dataclasses import replace

import numpy as np
from torch import nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.components import check_components, fit_components, set_projection
from tiprdc_fl.protections.protection import TRAINING, Collected, Protection, Settings

TOLERANCE = 1e-6  # share of the largest variance or covariance below which a direction has none
MARGIN = 0.25  # of a component's range among the collector's examples, beyond which it is clipped


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features and projects them to ``components``, which the erasure is part of."""
    return replace(architecture, transform="project", components=settings.components)


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, and the principal components of its features without the private attributes.

    Raises:
        InputError: the collector's features have fewer components than are asked for, or its people have one value
            of the private attributes.
    """
    fitted = fit_components(network, collected)
    labels = collected.private[fitted.examples]
    if (labels == labels[0]).all():
        raise InputError(
            "protection.name=leace: the collector's people have one value of the private attributes, so there is "
            "nothing to erase; raise data.collector_people"
        )
    erase = eraser(fitted.scores, labels)
    scores = fitted.scores @ erase.T
    low, high = scores.min(axis=0), scores.max(axis=0)
    room = MARGIN * (high - low)
    set_projection(network, fitted.mean, erase @ fitted.basis, low - room, high + room)


def eraser(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The matrix of LEACE (Belrose et al. 2023, Theorem 4.3) for rows that have mean 0.

    Args:
        x: rows [n, d].
        labels: private attributes, int [n, attributes]; their combinations are erased.

    Returns:
        P, float64 [d, d]: the rows of x @ P.T have no covariance with any combination of the attributes.
    """
    _, combination = np.unique(labels, axis=0, return_inverse=True)
    hot = np.eye(combination.max() + 1)[combination.ravel()]
    x = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = values > TOLERANCE * values.max()
    values, vectors = values[kept], vectors[:, kept]
    whiten, colour = (vectors * values**power @ vectors.T for power in (-0.5, 0.5))
    directions, strengths, _ = np.linalg.svd(
        whiten @ x.T @ (hot - hot.mean(axis=0)) / len(x), full_matrices=False
    )
    directions = directions[:, strengths > TOLERANCE * strengths.max()]
    return np.eye(x.shape[1]) - colour @ directions @ directions.T @ whiten


LEACE = Protection(
    label="principal components of an encoder's features, with the private attributes erased (LEACE)",
    apply=apply,
    train=encoder.train,
    fit=fit,
    describe=lambda keys: f"{keys['protection.components']} components",
    reads=("protection.components", "protection.encoder", *TRAINING),
    check=check_components,
    defaults={"protection.components": 64},
)
