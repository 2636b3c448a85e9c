"""Two probes together: one reads the features, the other what travels with them."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from tiprdc_fl.attacks.calibration import calibrate
from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.attacks.problem import balanced_accuracy

_LOWEST = -20.0  # a log-probability, where the model says 0


def combine(first: Prediction, second: Prediction, labels: np.ndarray, shares: np.ndarray) -> Prediction:
    """Logistic regression on the log-probabilities of two probes, learned on the validation rows.

    Neither probe has learned from these rows. Both were chosen on them, so ``validation`` is a little too high.

    Args:
        first: a probe's prediction.
        second: another's, of the same rows and validated on the same rows.
        labels: of the validation rows, int64 [m].
        shares: of the classes, float64 [classes].

    Raises:
        ValueError: the probes were validated on different rows.
    """
    if not np.array_equal(first.validation_rows, second.validation_rows):
        raise ValueError("combine: the two probes were validated on different rows")
    if len(np.unique(labels)) < 2:
        return first
    validated, measured = (
        np.hstack([_relative(getattr(one, name)) for one in (first, second)])
        for name in ("validated", "balanced")
    )
    mean, scale = validated.mean(axis=0), validated.std(axis=0) + 1e-12
    model = LogisticRegression(class_weight="balanced").fit((validated - mean) / scale, labels)

    def logits(rows: np.ndarray) -> np.ndarray:
        known = np.full((len(rows), len(shares)), _LOWEST)
        probabilities = model.predict_proba((rows - mean) / scale)
        known[:, model.classes_] = np.log(np.maximum(probabilities, np.exp(_LOWEST)))
        return known

    within = logits(validated)
    calibration = calibrate(within, labels, shares)
    return Prediction(
        balanced=logits(measured).astype(np.float32),
        natural=calibration.natural(logits(measured)).astype(np.float32),
        validated=within,
        validation_rows=first.validation_rows,
        validation=balanced_accuracy(within, labels),
        converged=first.converged and second.converged,
    )


def _relative(logits: np.ndarray) -> np.ndarray:
    """Logits of classes above the first, less the first's, [n, classes - 1]."""
    return logits[:, 1:] - logits[:, :1]
