"""The cases of features like an image extractor's: what tells the classes apart hides in 32 x 8 x 8 values."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from simulations.benchmarks.instrument import means, moments
from simulations.benchmarks.instrument.case import TARGET, Case, LogRatio, Sample
from simulations.benchmarks.instrument.grid import CHANNEL, FOURTH, OTHER, OTHER_VALUE, THIRD, VALUE, template


def _exact(label: str, sample: Sample, log_ratio: LogRatio, bayes: float = TARGET) -> Case:
    return Case(label, "image", sample, log_ratio, bayes)


def _shift_case(label: str, direction: np.ndarray) -> Case:
    return Case(
        label, "image", partial(means.shifted, direction), partial(means.shift_log_ratio, direction), TARGET
    )


def _parity_case(label: str, directions: Sequence[np.ndarray] | np.ndarray, further: bool = False) -> Case:
    known = np.stack([*directions])
    sample, log_ratio = partial(moments.parity, known), partial(moments.parity_of_directions_log_ratio, known)
    return Case(label, "image", sample, log_ratio, TARGET, further=further)


def _channels(*channels: int) -> list[np.ndarray]:
    return [template(channel) for channel in channels]


def _factor_case(label: str, ratio: float) -> Case:
    return _exact(label, partial(means.weakest_factor, ratio), partial(means.weakest_factor_log_ratio, ratio))


# The Bayes accuracies with an error were simulated: ``monte_carlo(case, 1_000_000, 0)``.
IMAGES: dict[str, Case] = {
    "all_values": _shift_case("mean of all values", template(slice(None))),
    "one_value": _shift_case("mean of one value", template(*VALUE)),
    "one_channel": _shift_case("mean of one channel", template(CHANNEL)),
    "fixed_pattern": _shift_case("3x3 pattern at a fixed place", means.fixed_pattern()),
    "any_pattern": Case(
        "3x3 pattern at any place", "image", means.pattern_anywhere, means.pattern_log_ratio, 0.9013, 0.0001
    ),
    "xor_channels": _parity_case("XOR of two channel means", _channels(CHANNEL, OTHER)),
    "xor_values": _parity_case("XOR of two values", (template(*VALUE), template(*OTHER_VALUE))),
    "difference": _exact(
        "difference of two channels correlated 0.99", means.difference, means.difference_log_ratio
    ),
    "weak_factor": _factor_case("weakest of 64 factors (1:100)", 100),
    "weakest_factor": _factor_case("weakest of 64 factors (1:10,000)", 10_000),
    "variance": _exact(
        "variance of one channel", moments.variance, moments.variance_log_ratio, moments.variance_bayes()
    ),
    "rate": Case(
        "rate of a rectified channel", "image", moments.rate, moments.rate_log_ratio, 0.8987, 0.0001
    ),
    "product": _exact(
        "product of two channel means", moments.product, moments.product_log_ratio, moments.product_bayes()
    ),
    "parity": _parity_case("parity of three channel means", _channels(CHANNEL, OTHER, THIRD)),
    "correlation": _exact("correlation of two channels", moments.correlation, moments.correlation_log_ratio),
    "xor_directions": _parity_case("XOR of two directions", moments.random_directions(2), further=True),
    "parity_four": _parity_case(
        "parity of four channel means", _channels(CHANNEL, OTHER, THIRD, FOURTH), further=True
    ),
}
