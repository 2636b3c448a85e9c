"""Optimal transport of normal distributions to their barycentre, fitted to rows or to sums over people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

from tiprdc_fl.federation.class_sums import ClassSums
from tiprdc_fl.models.transport import DEVIATIONS

STEPS = 50  # of the fixed-point iteration; it converges in about ten
TINY = 1e-12  # least eigenvalue of a covariance


@dataclass(frozen=True, eq=False)
class Law:
    """The normal distribution of a private class.

    Attributes:
        weight: of the class in the barycentre.
        mean: float64 [d].
        covariance: float64 [d, d].
    """

    weight: float
    mean: np.ndarray
    covariance: np.ndarray


def laws_of_rows(rows: np.ndarray, classes: np.ndarray) -> dict[int, Law]:
    """The law of each private class that has rows, weighted by its rows.

    Covariances are those of Ledoit and Wolf (2004), because a class may have few people.

    Args:
        rows: components, float [n, d].
        classes: private class of each row, int [n].
    """
    rows, laws = rows.astype(np.float64), {}
    for number, size in zip(*np.unique(classes, return_counts=True), strict=True):
        fitted = LedoitWolf().fit(rows[classes == number])
        laws[int(number)] = Law(size / len(rows), fitted.location_, fitted.covariance_)
    return laws


def laws_of_sums(sums: ClassSums) -> dict[int, Law]:
    """The law of each private class that has people, weighted as the people are in the sums.

    Sums lack the fourth moments that Ledoit and Wolf's estimate needs. Covariances are those of Chen et al. (2010,
    OAS), which are for normal rows. An item counts as a row by its weight. With a row for each person the estimate
    would be drawn to the identity by so much that differences of the covariances stay, and leak.
    """
    laws = {}
    for number in np.flatnonzero(np.round(sums.people) > 0).tolist():
        mean = sums.sums[number] / sums.weight[number]
        covariance = sums.squares[number] / sums.weight[number] - np.outer(mean, mean)
        shrunk = approximating_shrinkage(covariance, rows=float(sums.weight[number]))
        laws[number] = Law(sums.weight[number] / sums.weight.sum(), 0.5 + mean, shrunk)
    return laws


def approximating_shrinkage(covariance: np.ndarray, rows: float) -> np.ndarray:
    """A sample covariance [d, d] drawn towards the identity's multiple, as OAS does it for so many rows."""
    size = len(covariance)
    middle, square = np.trace(covariance) / size, np.mean(covariance**2)
    spread = (rows + 1) * (square - middle**2 / size)
    share = 1.0 if spread <= 0 else min(1.0, (square + middle**2) / spread)
    return (1 - share) * covariance + share * middle * np.eye(size)


def transports(laws: Mapping[int, Law], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Optimal transport of each class's normal distribution to their barycentre, scaled to the range that is sent.

    The barycentre is the fixed point of Alvarez-Esteban et al. (2016). A class without a law has maps of zeros, by
    which ``Transport`` knows it.

    Args:
        laws: of the private classes, by number.
        count: number of private classes.

    Returns:
        Maps, float32 [count, d, d], and offsets, float32 [count, d]: a row x of class c is sent as
        offsets[c] + maps[c] @ x, which has mean 0.5 and standard deviation 1 / (2 * DEVIATIONS) in each component.
    """
    size = len(next(iter(laws.values())).mean)
    centre = _barycentre(
        [law.covariance for law in laws.values()], np.array([law.weight for law in laws.values()])
    )
    scale = 1 / (2 * DEVIATIONS * np.sqrt(np.diag(centre)))
    maps, offsets = np.zeros((count, size, size), np.float32), np.zeros((count, size), np.float32)
    for number, law in laws.items():
        root, back = _power(law.covariance, 0.5), _power(law.covariance, -0.5)
        maps[number] = scale[:, None] * (back @ _power(root @ centre @ root, 0.5) @ back)
        offsets[number] = 0.5 - maps[number] @ law.mean
    return maps, offsets


def _barycentre(covariances: Sequence[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Covariance of the barycentre of normal distributions."""
    centre = np.average(covariances, axis=0, weights=weights)
    for _ in range(STEPS):
        root, back = _power(centre, 0.5), _power(centre, -0.5)
        mean = np.average([_power(root @ own @ root, 0.5) for own in covariances], axis=0, weights=weights)
        centre = back @ mean @ mean @ back
    return centre


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Power of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, TINY) ** exponent) @ vectors.T
