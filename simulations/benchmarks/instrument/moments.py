"""Cases of more than means: signs, variances, rates, products and correlations."""

import numpy as np
from scipy.integrate import quad
from scipy.special import expit, k0, log_ndtr
from scipy.stats import chi2, f

from simulations.benchmarks.instrument.case import TARGET, parity_log_ratio, parity_shift, signs_of
from simulations.benchmarks.instrument.grid import (
    CHANNEL,
    OTHER,
    PLACES,
    SHAPE,
    channel_statistics,
    noise,
    sides,
)
from tiprdc_fl import seeding

VARIANCE_RATIO = 1.576  # of class 1 to class 0
RATE_SHIFT = 0.352  # of a channel before it is rectified
PRODUCT_SLOPE = 13.6


def parity(directions: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise and a shift along each direction; the class is the parity of the shifts' signs.

    Args:
        directions: orthonormal, float32 [k, 32, 8, 8].
        labels: classes, int64 [n].
        generator: of everything random.
    """
    shifts = np.float32(parity_shift(len(directions))) * signs_of(labels, len(directions), generator)
    return noise(len(labels), generator) + np.tensordot(shifts, directions, 1)


def parity_of_directions_log_ratio(directions: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of ``parity``."""
    statistics = np.tensordot(x, directions, ((1, 2, 3), (1, 2, 3)))
    return parity_log_ratio(statistics, parity_shift(len(directions)))


def random_directions(count: int) -> np.ndarray:
    """Orthonormal directions in which every value takes part, float32 [count, 32, 8, 8]."""
    drawn = seeding.generator(0, "instrument", "directions").standard_normal((int(np.prod(SHAPE)), count))
    return np.linalg.qr(drawn)[0].T.reshape(count, *SHAPE).astype(np.float32)


def variance(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise; in class 1 a channel's variance is VARIANCE_RATIO times as large."""
    x = noise(len(labels), generator)
    x[:, CHANNEL] *= np.sqrt(np.where(labels, VARIANCE_RATIO, 1)).astype(np.float32)[:, None, None]
    return x


def variance_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``variance``: the sum of squares decides."""
    squares = np.square(x[:, CHANNEL], dtype=np.float64).sum(axis=(1, 2))
    return squares * (1 - 1 / VARIANCE_RATIO) / 2 - PLACES / 2 * np.log(VARIANCE_RATIO)


def variance_bayes() -> float:
    """Of ``variance``: the sum of squares is a multiple of chi-squared with 64 degrees of freedom."""
    limit = PLACES * np.log(VARIANCE_RATIO) / (1 - 1 / VARIANCE_RATIO)
    return float(chi2.cdf(limit, PLACES) + chi2.sf(limit / VARIANCE_RATIO, PLACES)) / 2


def rate(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Rectified noise; the class says how often, and how much, the values of a channel are above 0."""
    x = noise(len(labels), generator)
    x[:, CHANNEL] += np.float32(RATE_SHIFT) * sides(labels)[:, None, None]
    return np.maximum(x, 0)


def rate_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``rate``: values above 0 have a Gaussian's density, and 0 the probability of all that is below."""
    channel, shift = x[:, CHANNEL].astype(np.float64), RATE_SHIFT / 2
    silent = (channel == 0).sum(axis=(1, 2))
    return 2 * shift * channel.sum(axis=(1, 2)) + silent * (log_ndtr(-shift) - log_ndtr(shift))


def product(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise; the class is the sign of the product of two channels' means, less surely the smaller it is.

    Given both means in standard deviations, u and v, class 1 has the probability 1 / (1 + exp(-PRODUCT_SLOPE u v)).
    """
    x = noise(len(labels), generator)
    u, v = channel_statistics(x, (CHANNEL, OTHER)).T
    sure = expit(PRODUCT_SLOPE * np.abs(u * v))
    wanted = (2 * labels - 1) * np.where(generator.random(len(labels)) < sure, 1, -1)
    x[np.sign(u * v) != wanted, CHANNEL] *= -1  # noise is as likely as its negative
    return x


def product_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``product``."""
    return PRODUCT_SLOPE * channel_statistics(x, (CHANNEL, OTHER)).prod(axis=1)


def product_bayes() -> float:
    """Of ``product``: the product of two unit Gaussians has the density K0(|w|) / pi."""
    return float(quad(lambda w: 2 * expit(PRODUCT_SLOPE * w) * k0(w) / np.pi, 0, np.inf)[0])


def correlation_of_channels() -> float:
    """The correlation whose sign can be told with accuracy TARGET from 64 pairs.

    Sum and difference of the pair are independent, and the ratio of their sums of squares has an F distribution.
    """
    ratio = float(f.ppf(TARGET, PLACES, PLACES))
    return (ratio - 1) / (ratio + 1)


def correlation(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Two channels, positively correlated in class 1, negatively in class 0, without a difference of means."""
    x, strength = noise(len(labels), generator), correlation_of_channels()
    signed = np.float32(2 * strength) * sides(labels)[:, None, None]
    x[:, OTHER] = signed * x[:, CHANNEL] + np.float32(np.sqrt(1 - strength**2)) * x[:, OTHER]
    return x


def correlation_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``correlation``."""
    strength = correlation_of_channels()
    products = (x[:, CHANNEL].astype(np.float64) * x[:, OTHER]).sum(axis=(1, 2))
    return 2 * strength / (1 - strength**2) * products
