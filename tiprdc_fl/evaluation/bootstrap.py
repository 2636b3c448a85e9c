"""Intervals by a bootstrap over people: whoever is drawn comes with all of their examples."""

from dataclasses import dataclass

import numpy as np

from tiprdc_fl import seeding

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; None where it is undefined (a single class).

    Attributes:
        value: on all people.
        low, high: percentiles of its bootstrap over people.
    """

    value: float | None
    low: float | None
    high: float | None


UNDEFINED = Interval(None, None, None)


@dataclass(frozen=True)
class Resamples:
    """Bootstrap resamples of people: how often each person is drawn in each.

    Attributes:
        person: index of each row's person, int64 [rows].
        counts: float64 [1 + resamples, people]; the first row holds every person once.
    """

    person: np.ndarray
    counts: np.ndarray


def resample(people: np.ndarray, resamples: int, seed: int) -> Resamples:
    """Draws people, not examples, with replacement: a person's examples are not independent."""
    unique, person = np.unique(people, return_inverse=True)
    generator = seeding.generator(seed, "bootstrap")
    size = len(unique)
    drawn = generator.multinomial(size, np.full(size, 1 / size), size=resamples)
    return Resamples(person, np.vstack([np.ones((1, size)), drawn]))


def per_person(values: np.ndarray, people: Resamples) -> np.ndarray:
    """Sum of a value per row in each resample: [rows, ...] -> [1 + resamples, ...]."""
    totals = np.zeros((people.counts.shape[1], *values.shape[1:]))
    np.add.at(totals, people.person, values)
    return people.counts @ totals


def mean(values: np.ndarray, people: Resamples) -> Interval:
    """The mean over examples of a value for each example, float [n], with its interval."""
    return interval(per_person(values, people) / per_person(np.ones(len(values)), people))


def interval(values: np.ndarray) -> Interval:
    """The value on all people (``values[0]``) and percentiles of the finite resamples, float [1 + resamples]."""
    rest = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(rest):
        return UNDEFINED
    low, high = np.quantile(rest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))
