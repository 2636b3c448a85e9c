"""Cases of features like an image extractor's: what tells the classes apart hides in 32 x 8 x 8 values."""

from functools import cache, partial

import numpy as np
from scipy.integrate import quad
from scipy.special import expit, k0, log_ndtr, logsumexp
from scipy.stats import chi2, f

from simulations.benchmarks.instrument.case import (
    DISTANCE,
    TARGET,
    Case,
    LogRatio,
    Sample,
    parity_log_ratio,
    parity_shift,
    signs_of,
)
from tiprdc_fl import seeding

CHANNELS, SIDE = 32, 8  # as Table 1 at width 16 makes of images of 32 x 32
SHAPE = (CHANNELS, SIDE, SIDE)
PLACES = SIDE * SIDE  # values of a channel
CHANNEL, OTHER, THIRD = 5, 11, 23  # where something is: any would do
VALUE, OTHER_VALUE = (CHANNEL, 2, 5), (OTHER, 6, 1)
PATTERN = np.array([[1, -1, 1], [1, 1, -1], [-1, 1, 1]], np.float32) / 3  # of norm 1
PATTERN_STRENGTH = 3.93  # norm of the pattern that is anywhere
CORNERS = SIDE - len(PATTERN) + 1  # places of the pattern along a side
ALMOST = 0.99  # correlation of two channels that differ by little more than the class
FACTORS = 64
FLOOR = 0.01  # variance of the noise beside the factors, as a share of the weakest factor's
VARIANCE_RATIO = 1.576  # of class 1 to class 0
RATE_SHIFT = 0.352  # of a channel before it is rectified
PRODUCT_SLOPE = 13.6


def noise(count: int, generator: np.random.Generator) -> np.ndarray:
    """Independent unit Gaussians, float32 [count, 32, 8, 8]."""
    return generator.standard_normal((count, *SHAPE), np.float32)


def sides(labels: np.ndarray) -> np.ndarray:
    """-1/2 for class 0 and 1/2 for class 1, float32 [n]."""
    return labels.astype(np.float32) - np.float32(0.5)


def channel_statistics(x: np.ndarray, channels: tuple[int, ...]) -> np.ndarray:
    """Means of channels over their standard deviation under unit noise, float64 [n, channels]."""
    return x[:, list(channels)].sum(axis=(2, 3), dtype=np.float64) / SIDE


def template(*where: int | slice) -> np.ndarray:
    """The same value wherever ``where`` points, norm 1, float32 [32, 8, 8]."""
    chosen = np.zeros(SHAPE, np.float32)
    chosen[where] = 1
    return chosen / np.linalg.norm(chosen)


def shifted(direction: np.ndarray, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise whose mean differs between the classes by DISTANCE along a direction of norm 1."""
    x = noise(len(labels), generator)
    x += np.multiply.outer(sides(labels), np.float32(DISTANCE) * direction)
    return x


def shift_log_ratio(direction: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Of ``shifted``."""
    return DISTANCE * np.tensordot(x, direction, 3).astype(np.float64)


def _shift_case(label: str, direction: np.ndarray) -> Case:
    return Case(label, "image", partial(shifted, direction), partial(shift_log_ratio, direction), TARGET)


def fixed_pattern() -> np.ndarray:
    """PATTERN in the middle of a channel, float32 [32, 8, 8]."""
    placed = np.zeros(SHAPE, np.float32)
    placed[CHANNEL, 2:5, 3:6] = PATTERN
    return placed


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


def parity_of_channels(
    channels: tuple[int, ...], labels: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Noise and a shift of each channel's mean; the class is the parity of the shifts' signs."""
    x = noise(len(labels), generator)
    shift = np.float32(parity_shift(len(channels)) / SIDE)
    x[:, list(channels)] += shift * signs_of(labels, len(channels), generator)[:, :, None, None]
    return x


def parity_of_channels_log_ratio(channels: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    """Of ``parity_of_channels``."""
    return parity_log_ratio(channel_statistics(x, channels), parity_shift(len(channels)))


def xor_of_values(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Noise and a shift of two values; the class is whether the shifts' signs are equal."""
    x = noise(len(labels), generator)
    drawn = np.float32(parity_shift(2)) * signs_of(labels, 2, generator)
    x[:, *VALUE] += drawn[:, 0]
    x[:, *OTHER_VALUE] += drawn[:, 1]
    return x


def xor_of_values_log_ratio(x: np.ndarray) -> np.ndarray:
    """Of ``xor_of_values``."""
    return parity_log_ratio(np.stack([x[:, *VALUE], x[:, *OTHER_VALUE]], axis=1), parity_shift(2))


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


def _exact(label: str, sample: Sample, log_ratio: LogRatio, bayes: float = TARGET) -> Case:
    return Case(label, "image", sample, log_ratio, bayes)


def _parity_case(label: str, *channels: int) -> Case:
    return _exact(
        label, partial(parity_of_channels, channels), partial(parity_of_channels_log_ratio, channels)
    )


def _factor_case(label: str, ratio: float) -> Case:
    return _exact(label, partial(weakest_factor, ratio), partial(weakest_factor_log_ratio, ratio))


# The Bayes accuracies with an error were simulated: ``monte_carlo(case, 1_000_000, 0)``.
IMAGES: dict[str, Case] = {
    "all_values": _shift_case("mean of all values", template(slice(None))),
    "one_value": _shift_case("mean of one value", template(*VALUE)),
    "one_channel": _shift_case("mean of one channel", template(CHANNEL)),
    "fixed_pattern": _shift_case("3x3 pattern at a fixed place", fixed_pattern()),
    "any_pattern": Case(
        "3x3 pattern at any place", "image", pattern_anywhere, pattern_log_ratio, 0.9013, 0.0001
    ),
    "xor_channels": _parity_case("XOR of two channel means", CHANNEL, OTHER),
    "xor_values": _exact("XOR of two values", xor_of_values, xor_of_values_log_ratio),
    "difference": _exact("difference of two channels correlated 0.99", difference, difference_log_ratio),
    "weak_factor": _factor_case("weakest of 64 factors, 1:100", 100),
    "weakest_factor": _factor_case("weakest of 64 factors, 1:10,000", 10_000),
    "variance": _exact("variance of one channel", variance, variance_log_ratio, variance_bayes()),
    "rate": Case("rate of a rectified channel", "image", rate, rate_log_ratio, 0.8987, 0.0001),
    "product": _exact("product of two channel means", product, product_log_ratio, product_bayes()),
    "parity": _parity_case("parity of three channel means", CHANNEL, OTHER, THIRD),
    "correlation": _exact("correlation of two channels", correlation, correlation_log_ratio),
}
