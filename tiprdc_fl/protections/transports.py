"""Optimal transport of private classes' normal distributions to their barycentre, at one level or at two.

At two levels the mean of a person's items and what each item differs from it are moved apart, each by the transport
of its own distributions. Items of one person are alike; moved together, classes would differ in how much they are,
and whoever has all of a person's items would see it.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.covariance import LedoitWolf

from tiprdc_fl.models.transport import DEVIATIONS, FEWEST_ITEMS

STEPS = 50  # of the fixed-point iteration; it converges in about ten
TINY = 1e-12  # least eigenvalue of a covariance
LEAST_PERSONS = 10  # of a class, without which their means have no distribution of their own


def transports(rows: np.ndarray, classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Maps of one level, scaled to the range that is sent.

    Covariances are those of Ledoit and Wolf (2004), because a class may have few people. The barycentre weights
    classes by their rows; it is the fixed point of Alvarez-Esteban et al. (2016). A class without rows has maps of
    zeros, by which ``Transport`` knows it.

    Args:
        rows: components, float [n, d].
        classes: private class of each row, int [n].
        count: number of private classes.

    Returns:
        Maps, float32 [count, d, d], and offsets, float32 [count, d]: a row x of class c is sent as
        offsets[c] + maps[c] @ x, which has mean 0.5 and standard deviation 1 / (2 * DEVIATIONS) in each component.
    """
    maps, means, centre = _unscaled(rows, classes, count)
    scale = 1 / (2 * DEVIATIONS * np.sqrt(np.diag(centre)))
    maps = (scale[:, None] * maps).astype(np.float32)
    offsets = 0.5 - np.einsum("cij,cj->ci", maps, means)
    offsets[~np.isin(np.arange(count), classes)] = 0
    return maps, offsets.astype(np.float32)


def own_means(rows: np.ndarray, classes: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Mean of the rows that share a person and a class with each row, float32 [n, d]; NaN where these are few.

    Args:
        rows: components, float [n, d].
        classes: private class of each row, int [n].
        people: person of each row, int64 [n].
    """
    owner = np.unique(np.stack([people, classes]), axis=1, return_inverse=True)[1].ravel()
    counts = np.bincount(owner)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, owner, rows)
    return (sums / np.where(counts < FEWEST_ITEMS, np.nan, counts)[:, None])[owner].astype(np.float32)


def two_level_transports(
    rows: np.ndarray, classes: np.ndarray, means: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps of persons' means, and of what items differ from them; arguments as in ``transports``.

    Where a class has fewer than LEAST_PERSONS persons with a mean, there is no distribution of means to speak of:
    then all maps are zeros, and items are moved at one level.

    Args:
        rows: components, float [n, d].
        classes: private class of each row, int [n].
        means: of the rows' persons, as ``own_means`` gives them.
        count: number of private classes.

    Returns:
        Maps of means and of differences, float64 [count, d, d] each, and offsets, float64 [count, d]: a row x of
        class c, of a person whose rows have the mean m, is sent as offsets[c] + between[c] @ m +
        within[c] @ (x - m), with mean and standard deviation as above.
    """
    known, size = ~np.isnan(means).any(axis=1), rows.shape[1]
    persons = np.unique(np.column_stack([classes, means])[known], axis=0)
    sizes = np.bincount(persons[:, 0].astype(np.int64), minlength=count)
    if sizes[np.unique(classes)].min() < LEAST_PERSONS:
        return np.zeros((count, size, size)), np.zeros((count, size, size)), np.zeros((count, size))
    mean, own = means[known].astype(np.float64), classes[known]
    apart = rows[known] - mean
    between, centres, _ = _unscaled(persons[:, 1:], persons[:, 0].astype(np.int64), count)
    within, _, _ = _unscaled(apart, own, count)  # whose mean is 0
    moved = np.einsum("nij,nj->ni", between[own], mean - centres[own])
    moved += np.einsum("nij,nj->ni", within[own], apart)
    scale = 1 / (2 * DEVIATIONS * moved.std(axis=0))
    offsets = 0.5 - scale * (np.einsum("cij,cj->ci", between, centres) + moved.mean(axis=0))
    offsets[sizes == 0] = 0
    return scale[:, None] * between, scale[:, None] * within, offsets


def _unscaled(rows: np.ndarray, classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Maps [count, d, d] and means [count, d] of the classes' laws, and the covariance of their barycentre."""
    rows, size = rows.astype(np.float64), rows.shape[1]
    present, sizes = np.unique(classes, return_counts=True)
    laws = [LedoitWolf().fit(rows[classes == number]) for number in present]
    centre = _barycentre([law.covariance_ for law in laws], sizes / sizes.sum())
    maps, means = np.zeros((count, size, size)), np.zeros((count, size))
    for number, law in zip(present, laws, strict=True):
        root, back = _power(law.covariance_, 0.5), _power(law.covariance_, -0.5)
        maps[number] = back @ _power(root @ centre @ root, 0.5) @ back
        means[number] = law.location_
    return maps, means, centre


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
