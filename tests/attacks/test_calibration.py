"""Calibration: distorted logits are put right, and few rows are believed little."""

import numpy as np
import pytest
from scipy.special import log_softmax

from tiprdc_fl.attacks.calibration import calibrate

HALF = np.array([0.5, 0.5])


def evidence(rows: int, share: float = 0.5, gap: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihoods of two Gaussians ``gap`` apart, float [rows, 2], and the classes."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(rows) < share).astype(np.int64)
    x = generator.normal(size=rows) + gap * labels
    return np.stack([np.zeros(rows), gap * x - gap**2 / 2], axis=1), labels


def cross_entropy(logs: np.ndarray, labels: np.ndarray) -> float:
    return float(-logs[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.1, 0.0), (8.0, 0.0), (1.0, 2.0), (5.0, -3.0)])
def test_scale_and_offset_of_distorted_logits_are_recovered(share, scale, offset):
    truth, labels = evidence(20_000, share)
    calibration = calibrate(scale * truth + [0, offset], labels, np.array([1 - share, share]))
    assert calibration.scale == pytest.approx(1 / scale, rel=0.05) and calibration.sign == 1
    best = log_softmax(truth + np.log([1 - share, share]), axis=1)
    fitted = calibration.natural(scale * truth + [0, offset])
    assert cross_entropy(fitted, labels) == pytest.approx(cross_entropy(best, labels), abs=0.002)
    assert np.exp(fitted[:, 1]).mean() == pytest.approx(labels.mean(), abs=0.005)


def test_the_opposite_of_a_probe_that_is_systematically_wrong():
    truth, labels = evidence(300)
    calibration = calibrate(-truth, labels, HALF)
    assert calibration.sign == -1
    assert calibration.natural(-truth)[:, 1] == pytest.approx(
        calibrate(truth, labels, HALF).natural(truth)[:, 1], abs=1e-3
    )


def test_three_classes_have_no_opposite():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 500)
    wrong = -2.0 * np.eye(3)[labels] + generator.normal(size=(500, 3))
    calibration = calibrate(wrong, labels, np.full(3, 1 / 3))
    assert calibration.sign == 1 and calibration.scale == 0
    assert np.exp(calibration.natural(wrong)).std() < 0.05


@pytest.mark.parametrize("labels", [np.zeros(40, dtype=np.int64), np.eye(1, 40, dtype=np.int64)[0]])
def test_a_row_of_a_rare_class_or_none_is_no_evidence_for_the_opposite(labels):
    """The row of class 1 has by chance the lowest score for it."""
    scores = np.linspace(-1.0, 1.0, 40)
    calibration = calibrate(np.stack([-scores, scores], axis=1), labels, np.array([0.95, 0.05]))
    assert calibration.sign == 1


def test_a_sharp_probe_is_worth_something_whatever_its_scale():
    """Without calibration its cross-entropy is above the entropy of the labels: no usable bits."""
    truth, labels = evidence(2000)
    sharp = 50 * truth
    assert cross_entropy(log_softmax(sharp, axis=1), labels) > np.log(2)
    bits = 1 - cross_entropy(calibrate(sharp, labels, HALF).natural(sharp), labels) / np.log(2)
    assert bits == pytest.approx(
        0.486, abs=0.04
    )  # the information in the sign and size of two Gaussians 2 apart


def test_few_rows_hardly_move_the_offsets():
    shares = np.array([0.9, 0.1])
    few = calibrate(np.zeros((4, 2)), np.zeros(4, dtype=np.int64), shares)
    assert few.offsets == pytest.approx(np.log(shares), abs=0.3)
    truth, labels = evidence(4000, share=0.5)
    many = calibrate(0 * truth, labels, shares)
    assert many.natural(0 * truth)[0] == pytest.approx(np.log([0.5, 0.5]), abs=0.05)


def test_logits_that_are_all_the_same_become_the_shares():
    shares = np.array([0.7, 0.3])
    labels = (np.arange(100) < 30).astype(np.int64)
    natural = calibrate(np.full((100, 2), 3.0), labels, shares).natural(np.full((5, 2), 3.0))
    assert np.allclose(np.exp(natural), shares, atol=0.01)
