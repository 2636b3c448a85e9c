"""Calibration of a probe's logits on validation people (Platt 1999): scale, offset and sign."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

PRIOR = 1.0  # rows that pull the scale towards 0 and the offsets to those of balanced logits
EVIDENCE = 3.0  # nats by which the opposite of a probe must be better; by chance it is 1 time in 70


@dataclass(frozen=True)
class Calibration:
    """A map from logits under balanced classes to log-probabilities under the classes' shares.

    Attributes:
        scale: of the logits; below 0 where a probe of two classes is right when its opposite is taken.
        offsets: added to the scaled logits, float64 [classes].
    """

    scale: float
    offsets: np.ndarray

    @property
    def sign(self) -> int:
        """-1 where the opposite of the probe's guess is the better guess, else 1."""
        return -1 if self.scale < 0 else 1

    def balanced(self, logits: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """Log-probabilities [n, classes] of logits [n, classes] as if the classes were equally frequent.

        Args:
            logits: under balanced classes, by the probe itself.
            shares: of the classes among the training rows, float64 [classes].
        """
        return log_softmax(self.scale * logits + self.offsets - np.log(shares), axis=1)

    def natural(self, logits: np.ndarray) -> np.ndarray:
        """Log-probabilities [n, classes] of logits [n, classes]."""
        return log_softmax(self.scale * logits + self.offsets, axis=1)


def calibrate(logits: np.ndarray, labels: np.ndarray, shares: np.ndarray) -> Calibration:
    """The scale and offsets of least cross-entropy on validation rows.

    An adversary that knows some people's labels sees whether its probe is systematically wrong, so the scale of two
    classes may be negative where both occur and the rows are evidence enough: one row of a rare class is none. Few
    validation rows hardly move the offsets from the logarithms of the shares.

    Args:
        logits: under balanced classes, float [m, classes].
        labels: int64 [m].
        shares: of the classes among the training rows, float64 [classes].
    """
    classes, unit = len(shares), max(float(np.std(logits - logits.mean(axis=1, keepdims=True))), 1e-12)
    scaled, prior = logits.astype(np.float64) / unit, np.log(shares)
    truth = labels[:, None] == np.arange(classes)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_softmax(values[0] * scaled + values[1:], axis=1)
        wrong = np.exp(logs) - truth
        pull = values - np.concatenate([[0.0], prior])
        slope = np.concatenate([[(wrong * scaled).sum()], wrong.sum(axis=0)]) + PRIOR * pull
        return float(-logs[truth].sum() + PRIOR * (pull**2).sum() / 2), slope

    def fit(least: float | None) -> tuple[float, np.ndarray]:
        start, bounds = np.concatenate([[min(unit, 1.0)], prior]), [(least, None)] + [(None, None)] * classes
        ended = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return float(ended.fun), ended.x

    least, fitted = fit(0.0)
    if classes == 2 and len(np.unique(labels)) == 2:
        lower, opposite = fit(None)
        fitted = opposite if lower < least - EVIDENCE else fitted
    return Calibration(float(fitted[0] / unit), fitted[1:])
