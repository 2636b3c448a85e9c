"""Cases in which the class shifts means: of values, of a pattern's place, of a direction with little variance."""

from functools import cache

import numpy as np
from scipy.special import logsumexp

from simulations.benchmarks.instrument.case import DISTANCE
from simulations.benchmarks.instrument.grid import CHANNEL, OTHER, SHAPE, SIDE, noise, sides
from tiprdc_fl import seeding

PATTERN = np.array([[1, -1, 1], [1, 1, -1], [-1, 1, 1]], np.float32) / 3  # of norm 1
PATTERN_STRENGTH = 3.93  # norm of the pattern that is anywhere
CORNERS = SIDE - len(PATTERN) + 1  # places of the pattern along a side
ALMOST = 0.99  # correlation of two channels that differ by little more than the class
FACTORS = 64
FLOOR = 0.01  # variance of the noise beside the factors, as a share of the weakest factor's


def fixed_pattern() -> np.ndarray:
    """PATTERN in the middle of a channel, float32 [32, 8, 8]."""
    placed = np.zeros(SHAPE, np.float32)
    placed[CHANNEL, 2:5, 3:6] = PATTERN
    return placed


def shifted(direction: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise whose mean differs between the classes by DISTANCE along a direction of norm 1."""
    x = noise(len(labels), generator)
    x += np.multiply.outer(sides(labels), np.float32(DISTANCE) * direction)
    return x


def shift_log_ratio(direction: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of ``shifted``."""
    return DISTANCE * np.tensordot(x, direction, 3).astype(np.float64)


def pattern_anywhere(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise; in class 1 with PATTERN at a random place of a channel."""
    x = noise(len(labels), generator)
    rows = np.flatnonzero(labels)
    tops, lefts = generator.integers(CORNERS, size=(2, len(rows)))
    for down, right in np.ndindex(PATTERN.shape):
        x[rows, CHANNEL, tops + down, lefts + right] += np.float32(PATTERN_STRENGTH) * PATTERN[down, right]
    return x


def pattern_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``pattern_anywhere``: the mean over places of the ratio that each place alone would have."""
    channel = x[:, CHANNEL].astype(np.float64)
    matches = sum(
        PATTERN[down, right] * channel[:, down : down + CORNERS, right : right + CORNERS]
        for down, right in np.ndindex(PATTERN.shape)
    )
    ratios = PATTERN_STRENGTH * matches - PATTERN_STRENGTH**2 / 2
    return logsumexp(ratios, axis=(1, 2)) - 2 * np.log(CORNERS)


def difference(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Two channels with correlation ALMOST; the class shifts their difference, and its shift is small."""
    x = noise(len(labels), generator)
    x[:, OTHER] = ALMOST * x[:, CHANNEL] + np.float32(np.sqrt(1 - ALMOST**2)) * x[:, OTHER]
    shift = sides(labels)[:, None, None] * np.float32(difference_shift() / 2)
    x[:, CHANNEL] += shift
    x[:, OTHER] -= shift
    return x


def difference_shift() -> float:
    """By how much the difference of the two channels shifts at every place."""
    return DISTANCE * float(np.sqrt(2 * (1 - ALMOST))) / SIDE


def difference_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``difference``: the difference's mean is a Gaussian of variance 2 (1 - ALMOST) / 64."""
    mean = (x[:, CHANNEL] - x[:, OTHER]).mean(axis=(1, 2), dtype=np.float64)
    return DISTANCE * mean * SIDE / np.sqrt(2 * (1 - ALMOST))


def factor_variances(ratio: float) -> np.ndarray:
    """Variances of the factors in equal ratios, the strongest first; the average value has variance 1."""
    variances = ratio ** (-np.arange(FACTORS) / (FACTORS - 1))
    return variances * np.prod(SHAPE) / variances.sum()


@cache
def loadings() -> np.ndarray:
    """What each factor adds to the values: orthonormal rows, float32 [64, 2048]."""
    drawn = seeding.generator(0, "instrument", "loadings").standard_normal((int(np.prod(SHAPE)), FACTORS))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def weakest_factor(ratio: float, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Values made of 64 factors and little noise; the class shifts the mean of the weakest factor.

    Args:
        ratio: of the strongest factor's variance to the weakest one's.
        labels: classes, int64 [n].
        generator: of everything random.
    """
    variances = factor_variances(ratio)
    factors = generator.standard_normal((len(labels), FACTORS), np.float32)
    factors *= np.sqrt(variances).astype(np.float32)
    factors[:, -1] += np.float32(DISTANCE * _deviation(ratio)) * sides(labels)
    x = noise(len(labels), generator) * np.float32(np.sqrt(FLOOR * variances[-1]))
    return x + (factors @ loadings()).reshape(-1, *SHAPE)


def _deviation(ratio: float) -> float:
    """Standard deviation along the weakest factor, noise included."""
    return float(np.sqrt((1 + FLOOR) * factor_variances(ratio)[-1]))


def weakest_factor_log_ratio(ratio: float, x: np.ndarray) -> np.ndarray:
    """Of ``weakest_factor``."""
    return DISTANCE * (x.reshape(len(x), -1) @ loadings()[-1]).astype(np.float64) / _deviation(ratio)
