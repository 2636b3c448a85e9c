"""What a device sends where that depends on the private class that it states of itself."""

import math

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Examples, labels_of
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.models.transport import private_class


def as_stated(
    extractor: Extractor,
    z: Tensor,
    items: Examples,
    rows: np.ndarray,
    seed: int,
    means: Tensor | None = None,
) -> Tensor:
    """What is sent of features; the features themselves where the extractor asks for no private attribute.

    Args:
        extractor: its architecture names the attributes, and how many people state another class than theirs.
        z: features of the items at ``rows``, [n, ...].
        items: examples, or one item for each person.
        rows: numbers of the items, int64 [n].
        seed: decides who states another class.
        means: of the features of the items that share a person and a class with each, [n, ...], where the extractor
            is centred; NaN where these are few.

    Raises:
        InputError: a label is not one that the extractor knows.
    """
    if not extractor.architecture.stated:
        return z
    classes = stated_classes(extractor, items, rows, seed)
    return extractor.network.send(z, classes, means)  # pyright: ignore[reportCallIssue]


def stated_classes(extractor: Extractor, items: Examples, rows: np.ndarray, seed: int) -> np.ndarray:
    """Private class that the device states of each item, int64 [n]; arguments as in ``as_stated``.

    Raises:
        InputError: a label is not one that the extractor knows.
    """
    names, values = extractor.architecture.stated, extractor.architecture.stated_values
    classes = private_class(labels_of(items, names)[rows], values, names)
    share = extractor.architecture.misstated
    return misstated(classes, items.people[rows], share, math.prod(values), seed) if share else classes


def owners(extractor: Extractor, items: Examples, rows: np.ndarray, seed: int) -> np.ndarray:
    """A number for each item's person and stated class, int64 [n]; arguments as in ``as_stated``.

    Items of one class have a mean of their own: a contributor may hold several people's.
    """
    classes = stated_classes(extractor, items, rows, seed)
    return items.people[rows] * math.prod(extractor.architecture.stated_values) + classes


def misstated(classes: np.ndarray, people: np.ndarray, share: float, count: int, seed: int) -> np.ndarray:
    """Private classes of which some people state another, the same distance on for all of their items.

    Args:
        classes: int64 [n].
        people: person of each, int64 [n].
        share: of the people who misstate theirs.
        count: number of private classes.
        seed: decides who does, and how.
    """
    classes = classes.copy()
    for person in np.unique(people).tolist():
        generator = seeding.generator(seed, "misstated", person)
        if generator.random() < share:
            own = people == person
            classes[own] = (classes[own] + generator.integers(1, count)) % count
    return classes
