"""Two probes together: what neither says alone, and nothing lost where one of them says nothing."""

import numpy as np
import pytest

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.attacks.problem import balanced_accuracy
from tiprdc_fl.evaluation.combined import combine

ROWS = 4000
HALF = np.array([0.5, 0.5])


def prediction(scores: np.ndarray) -> Prediction:
    """Of ROWS measured rows after as many validation rows, by the log-odds of class 1."""
    logits = np.stack([-scores / 2, scores / 2], axis=1).astype(np.float32)
    return Prediction(
        balanced=logits[ROWS:],
        natural=logits[ROWS:],
        validated=logits[:ROWS],
        validation_rows=np.arange(ROWS),
    )


def padded(one: Prediction) -> Prediction:
    """The same with a third class that is not likely."""
    balanced, validated = (
        np.hstack([part, np.full((len(part), 1), -9.0, np.float32)]) for part in (one.balanced, one.validated)
    )
    return Prediction(balanced, balanced, validated=validated, validation_rows=one.validation_rows)


def drawn(shift: float, labels: np.ndarray, seed: int) -> np.ndarray:
    """Log-odds of a normal value whose mean is +-shift by class."""
    values = np.random.default_rng(seed).normal(np.where(labels == 1, shift, -shift))
    return 2 * shift * values


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(2 * ROWS) % 2


def test_independent_probes_together_reach_the_bayes_accuracy(labels):
    both = combine(prediction(drawn(0.6, labels, 0)), prediction(drawn(0.8, labels, 1)), labels[:ROWS], HALF)
    # Independent normal values at distances 0.6 and 0.8 are one at sqrt(0.36 + 0.64) = 1: Phi(1) = 0.8413.
    assert balanced_accuracy(both.balanced, labels[ROWS:]) == pytest.approx(0.8413, abs=0.015)
    assert both.validation == pytest.approx(0.8413, abs=0.015)


def test_a_probe_that_says_nothing_takes_nothing_away(labels):
    one = prediction(drawn(0.8, labels, 1))
    both = combine(one, prediction(np.zeros(2 * ROWS)), labels[:ROWS], HALF)
    alone = balanced_accuracy(one.balanced, labels[ROWS:])
    assert balanced_accuracy(both.balanced, labels[ROWS:]) == pytest.approx(alone, abs=0.005)


@pytest.mark.filterwarnings("error")
def test_probes_that_are_certain_stay_finite(labels):
    scores = drawn(1.0, labels, 0)
    scores[ROWS:] *= 1e6  # surer than any validation row
    one = prediction(scores)
    both = combine(one, one, labels[:ROWS], HALF)
    assert np.isfinite(both.balanced).all()
    assert np.isfinite(both.natural).all()
    assert both.balanced.min() == -20


def test_a_class_that_nobody_validated_is_the_last_guess(labels):
    three = np.array([0.4, 0.4, 0.2])
    first, second = (padded(prediction(drawn(shift, labels, seed))) for seed, shift in ((0, 0.6), (1, 0.8)))
    both = combine(first, second, labels[:ROWS], three)
    assert both.balanced.shape == (ROWS, 3)
    assert not (both.balanced.argmax(axis=1) == 2).any()
