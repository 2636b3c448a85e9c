"""Cases of features like a text extractor's: steps of 75 values, padded with zeros to the longest message."""

from functools import cache, partial

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from simulations.benchmarks.instrument.case import DISTANCE, TARGET, Case, parity_log_ratio, signs_of
from tiprdc_fl import seeding
from tiprdc_fl.models.text import text_size

WIDTH = 16
SIZE = text_size(WIDTH)  # values of a step, 75
SHORTEST, LONGEST = 4, 24  # steps of a message; all lengths are equally likely
SCALE = np.float32(0.3)  # of the noise; states of an LSTM lie within -1 and 1
EVERY_STEP = 0.3696  # half the distance between the classes in each step
WORD = 5.0  # norm of the two words whose order is the class: clear, as embeddings of words are
FAITHFUL = 0.9  # probability that the order is that of the class


@cache
def words() -> np.ndarray:
    """Two directions at a right angle, float32 [2, 75]."""
    drawn = seeding.generator(0, "instrument", "words").standard_normal((SIZE, 2))
    return np.linalg.qr(drawn)[0].T.astype(np.float32)


def noise(count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians float32 [count, LONGEST, 75], and lengths int64 [count]; nothing is padded yet."""
    lengths = generator.integers(SHORTEST, LONGEST + 1, size=count)
    return generator.standard_normal((count, LONGEST, SIZE), np.float32), lengths


def padded(steps: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Steps as features: scaled, and 0 behind the end of each message."""
    steps *= SCALE * (np.arange(LONGEST) < lengths[:, None]).astype(np.float32)[:, :, None]
    return steps


def lengths_of(z: np.ndarray) -> np.ndarray:
    """Valid steps of each message, int64 [n]."""
    return (z != 0).any(axis=2).sum(axis=1)


def _signed(labels: np.ndarray) -> np.ndarray:
    return (2 * labels - 1).astype(np.float32)


def one_step(last: bool, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The class shifts the mean of the last valid step, or of the first."""
    x, lengths = noise(len(labels), generator)
    x[np.arange(len(x)), lengths - 1 if last else 0] += np.multiply.outer(
        np.float32(DISTANCE / 2) * _signed(labels), words()[0]
    )
    return padded(x, lengths)


def one_step_log_ratio(last: bool, z: np.ndarray) -> np.ndarray:
    """Of ``one_step``."""
    step = z[np.arange(len(z)), lengths_of(z) - 1 if last else 0]
    return DISTANCE * (step @ words()[0]).astype(np.float64) / SCALE


def every_step(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The class shifts the mean of every step by the same: a longer message says more."""
    x, lengths = noise(len(labels), generator)
    x += np.multiply.outer(np.float32(EVERY_STEP) * _signed(labels), words()[0])[:, None]
    return padded(x, lengths)


def every_step_log_ratio(z: np.ndarray) -> np.ndarray:
    """Of ``every_step``."""
    return 2 * EVERY_STEP * (z.sum(axis=1, dtype=np.float64) @ words()[0]) / SCALE


def every_step_bayes() -> float:
    """Of ``every_step``: the mean over lengths."""
    return float(norm.cdf(EVERY_STEP * np.sqrt(np.arange(SHORTEST, LONGEST + 1))).mean())


def order(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Two words at two random steps of a message; mostly the class is which comes first."""
    x, lengths = noise(len(labels), generator)
    forwards = np.where(generator.random(len(x)) < FAITHFUL, labels, 1 - labels)
    first = (generator.random(len(x)) * lengths).astype(np.int64)
    other = (first + 1 + (generator.random(len(x)) * (lengths - 1)).astype(np.int64)) % lengths
    earlier, later = np.minimum(first, other), np.maximum(first, other)
    rows, added = np.arange(len(x)), np.float32(WORD) * words()
    x[rows, earlier] += added[1 - forwards]
    x[rows, later] += added[forwards]
    return padded(x, lengths)


def order_log_ratio(z: np.ndarray) -> np.ndarray:
    """Of ``order``: that of the two orders, as far as the class decides the order."""
    return unsure(words_log_ratio(z))


def words_log_ratio(z: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio of one order of the words to the other: for each a sum over all pairs of steps."""
    valid = np.arange(z.shape[1]) < lengths_of(z)[:, None]
    matches = WORD * (z @ words().T).astype(np.float64) / SCALE
    weights = np.exp(matches - matches.max(axis=(1, 2), keepdims=True)) * valid[:, :, None]
    return np.log(_in_order(weights)) - np.log(_in_order(weights[:, :, ::-1]))


def _in_order(weights: np.ndarray) -> np.ndarray:
    """Sum over steps i < j of weights[:, i, 0] * weights[:, j, 1]."""
    before = np.cumsum(weights[:, :, 0], axis=1)[:, :-1]
    return (before * weights[:, 1:, 1]).sum(axis=1)


def xor_of_words(labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Each of two words is at a random step or nowhere; mostly class 1 has both or none, class 0 one of them."""
    x, lengths = noise(len(labels), generator)
    faithful = np.where(generator.random(len(x)) < FAITHFUL, labels, 1 - labels)
    present = signs_of(faithful, 2, generator) > 0
    for word, there in zip(words(), present.T, strict=True):
        steps = (generator.random(len(x)) * lengths).astype(np.int64)
        x[np.flatnonzero(there), steps[there]] += np.float32(WORD) * word
    return padded(x, lengths)


def xor_of_words_log_ratio(z: np.ndarray) -> np.ndarray:
    """Of ``xor_of_words``: for each word the ratio of somewhere to nowhere, then their parity."""
    lengths = lengths_of(z)
    valid = np.arange(z.shape[1]) < lengths[:, None]
    matches = WORD * (z @ words().T).astype(np.float64) / SCALE - WORD**2 / 2
    there = logsumexp(matches, axis=1, b=valid[:, :, None]) - np.log(lengths)[:, None]
    return unsure(parity_log_ratio(there / 2, 1.0))


def unsure(ratio: np.ndarray) -> np.ndarray:
    """The log-likelihood ratio of the class, given that of what agrees with the class with probability FAITHFUL."""
    odds = np.log(1 / FAITHFUL - 1)
    return np.logaddexp(ratio, odds) - np.logaddexp(ratio + odds, 0)


TEXTS: dict[str, Case] = {
    "last_step": Case(
        "last step", "text", partial(one_step, True), partial(one_step_log_ratio, True), TARGET
    ),
    "first_step": Case(
        "first step", "text", partial(one_step, False), partial(one_step_log_ratio, False), TARGET
    ),
    "every_step": Case("every step", "text", every_step, every_step_log_ratio, every_step_bayes()),
    "order": Case("order of two words", "text", order, order_log_ratio, 0.8989, 0.0001),
    "xor_words": Case(
        "XOR of two words", "text", xor_of_words, xor_of_words_log_ratio, 0.8689, 0.0001, further=True
    ),
}
