"""A case: features of a known distribution, and what the best possible classifier reaches on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from tiprdc_fl import seeding

TARGET = 0.9  # the Bayes accuracy that the cases are set to
DISTANCE = 2 * float(norm.ppf(TARGET))  # between the means of two unit Gaussians that are told apart so well
CHUNK = 2000  # rows that are drawn at a time, 16 MB of images

Sample = Callable[[np.ndarray, np.random.Generator], np.ndarray]
LogRatio = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """Features of two classes that are equally frequent.

    Attributes:
        label: what tells the classes apart.
        modality: "image" (features float32 [n, 32, 8, 8]) or "text" (float32 [n, length, d], padded with zeros).
        sample: classes int64 [n] and a generator -> features.
        log_ratio: features -> log-likelihood ratio of class 1 to class 0, float64 [n]; its sign is the Bayes rule.
        bayes: accuracy of that rule.
        error: standard error of ``bayes``; 0 where it is exact.
        further: whether the case does not count: it shows what the suite may miss beyond what it was made to see.
    """

    label: str
    modality: Literal["image", "text"]
    sample: Sample
    log_ratio: LogRatio
    bayes: float
    error: float = 0.0
    further: bool = False


def balanced_labels(count: int, generator: np.random.Generator) -> np.ndarray:
    """Classes 0 and 1 in random order, int64 [count], equally often."""
    return generator.permutation(np.arange(count) % 2)


def monte_carlo(case: Case, draws: int, seed: int) -> tuple[float, float]:
    """The Bayes accuracy by simulation: the mean posterior probability of the likelier class.

    Args:
        case: whose.
        draws: number of examples.
        seed: of the examples.

    Returns:
        the accuracy and its standard error.
    """
    generator = seeding.generator(seed, "instrument", "bayes", case.label)
    posteriors = []
    for start in range(0, draws, CHUNK):
        labels = balanced_labels(min(CHUNK, draws - start), generator)
        posteriors.append(expit(np.abs(case.log_ratio(case.sample(labels, generator)))))
    likelier = np.concatenate(posteriors)
    return float(likelier.mean()), float(likelier.std() / np.sqrt(draws))


def parity_log_ratio(statistics: np.ndarray, shift: float) -> np.ndarray:
    """Log-likelihood ratio of an even to an odd number of negative signs.

    Each statistic is a unit Gaussian around ``shift`` times a random sign. The sum over all signs that fit a class
    factorises: the ratio is (1 + t) / (1 - t), t the product of tanh(shift * statistic).

    Args:
        statistics: float [n, signs].
        shift: absolute value of the means.
    """
    product = np.tanh(shift * statistics.astype(np.float64)).prod(axis=1)
    return np.log1p(product) - np.log1p(-product)


def parity_shift(signs: int) -> float:
    """The shift at which the parity of ``signs`` signs can be told with accuracy TARGET.

    Each sign is told with probability p, their product correctly with (1 + (2p - 1) ** signs) / 2.
    """
    return float(norm.ppf((1 + (2 * TARGET - 1) ** (1 / signs)) / 2))


def signs_of(labels: np.ndarray, signs: int, generator: np.random.Generator) -> np.ndarray:
    """Random signs with product 1 in class 1 and -1 in class 0, float32 [n, signs]."""
    drawn = generator.choice(np.array([-1, 1], np.float32), size=(len(labels), signs))
    drawn[:, 0] *= drawn.prod(axis=1) * (2 * labels - 1)
    return drawn
