"""Sums of components for each private class: what a device adds up, and which sums are possible.

A device has a row of numbers for each private class: whether it has an item of the class (1 or 0), its items'
weight, their weighted sum, and their weighted products. Components are taken from their middle, 0.5, and clipped.
Every device sends the rows of all classes, zeros included, so that a message's size tells no class.
"""

from dataclasses import dataclass

import numpy as np

REACH = 1.0  # farthest that a component counts from its middle: six standard deviations
MOST_ITEMS = 30  # that the items of one device weigh together; more weigh less each


@dataclass(frozen=True, eq=False)
class ClassSums:
    """Sums over people, for each of c private classes and d components.

    Attributes:
        people: people with an item of the class, float64 [c].
        weight: of their items, float64 [c].
        sums: of the components minus 0.5, weighted, float64 [c, d].
        squares: of the products of these, weighted, float64 [c, d, d].
    """

    people: np.ndarray
    weight: np.ndarray
    sums: np.ndarray
    squares: np.ndarray


def width_of(components: int) -> int:
    """Numbers in the row of a class."""
    return 2 + components + components * (components + 1) // 2


def row_values(components: np.ndarray, classes: np.ndarray, count: int, most: int = MOST_ITEMS) -> np.ndarray:
    """What one device adds to the sums, float64 [count, ``width_of``].

    Args:
        components: of its items, float [n, d].
        classes: private class of each item, int [n].
        count: number of private classes.
        most: largest weight of all of its items together.
    """
    size = components.shape[1]
    upper = np.triu_indices(size)
    values = np.zeros((count, width_of(size)))
    centred = np.clip(components.astype(np.float64) - 0.5, -REACH, REACH)
    for number in np.unique(classes).tolist():
        own = centred[classes == number]
        weight = min(len(centred), most) / len(centred)
        products = (own[:, :, None] * own[:, None, :]).sum(axis=0)  # in this order, unlike own.T @ own
        values[number, :2] = 1, weight * len(own)
        values[number, 2 : 2 + size] = weight * own.sum(axis=0)
        values[number, 2 + size :] = weight * products[upper]
    return values


def class_sums(values: np.ndarray, components: int) -> ClassSums:
    """Sums from rows as ``row_values`` makes them, float64 [c, ``width_of``]."""
    squares = np.zeros((len(values), components, components))
    rows, columns = np.triu_indices(components)
    squares[:, rows, columns] = squares[:, columns, rows] = values[:, 2 + components :]
    return ClassSums(values[:, 0], values[:, 1], values[:, 2 : 2 + components], squares)


def possible(values: np.ndarray, components: int, members: int, most: int, rounding: float) -> bool:
    """Whether so many devices can have these sums, whatever their items are.

    Args:
        values: sums of rows, float64 [c, ``width_of``].
        components: number of components.
        members: devices that the sums are of.
        most: largest weight of the items of one device.
        rounding: largest error of a sum.
    """
    sums = class_sums(values, components)
    reach = REACH * sums.weight[:, None]
    spread = sums.squares * sums.weight[:, None, None] - sums.sums[:, :, None] * sums.sums[:, None, :]
    slack = rounding * (1 + components * 4 * np.maximum(1, np.abs(sums.weight)))  # of weights times sums
    return bool(
        (sums.people >= -rounding).all()
        and (sums.people <= members + rounding).all()
        and (sums.weight >= -rounding).all()
        and (sums.weight <= most * sums.people + rounding * most).all()
        and sums.weight.sum() <= most * members + rounding * len(values)
        and (np.abs(sums.sums) <= reach + rounding * 2).all()
        and (np.abs(sums.squares) <= REACH * reach[:, :, None] + rounding * 2).all()
        and (np.linalg.eigvalsh(spread).min(axis=1) >= -slack).all()
    )
