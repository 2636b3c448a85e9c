"""True positives at few false ones: by hand, what they do not depend on, how often the interval holds the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.evaluation.intervals import UNDEFINED, Interval, people_of
from tiprdc_fl.evaluation.operating_point import FEWEST_FALSE, true_positives
from tiprdc_fl.evaluation.scores import measure


def scores_of(people: int, each: int, gap: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with a person's effect, whether positive, people."""
    generator = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), each)
    positive = (np.arange(people) % 2 == 1)[person]
    effect = np.sqrt(0.3) * generator.normal(size=people)[person]
    return effect + np.sqrt(0.7) * generator.normal(size=len(person)) + gap * positive, positive, person


def test_the_share_above_the_threshold_by_hand():
    """A thousand negative rows 0, 1, ... 999: ten of them may be above, so that the threshold is 989."""
    person = np.arange(1100)
    positive = person >= 1000
    scores = np.where(positive, 989.5, person)
    scores[-40:] = 988.5
    assert true_positives(scores, positive, people_of(person), 0.01).value == pytest.approx(0.6)
    assert true_positives(scores, positive, people_of(person), 0.02).value == 1


def test_scores_that_all_tie_recognise_nobody():
    person = np.arange(1200)
    figure = true_positives(np.zeros(1200), person < 100, people_of(person), 0.01)
    assert figure.value == 0 and figure.low == 0 and (figure.high or 0) > 0


@pytest.mark.parametrize(("negatives", "known"), [(1000, True), (999, False)])
def test_too_few_negative_rows_have_no_figure(negatives, known):
    assert FEWEST_FALSE / 0.01 == 1000
    person = np.arange(negatives + 50)
    figure = true_positives(person * 1.0, person >= negatives, people_of(person), 0.01)
    assert (figure != UNDEFINED) == known


def test_a_monotone_change_of_scores_changes_nothing():
    scores, positive, person = scores_of(200, 12, 1.5)
    first = true_positives(scores, positive, people_of(person), 0.01)
    again = true_positives(np.exp(scores), positive, people_of(person), 0.01)
    assert vars(again) == pytest.approx(vars(first))


def test_of_more_false_positives_more_are_recognised():
    scores, positive, person = scores_of(400, 60, 1.5)
    logits = np.stack([np.zeros(len(scores)), scores], axis=1)
    figures = measure(Prediction(logits, logits), positive.astype(int), people_of(person))
    assert 0 < (figures.tpr_at_01_fpr.value or 0) < (figures.tpr_at_1_fpr.value or 0) < 1


def test_three_classes_have_no_such_figure():
    labels = np.arange(6000) % 3
    logits = np.eye(3)[labels]
    figures = measure(Prediction(logits, logits), labels, people_of(np.arange(6000) // 10))
    assert figures.tpr_at_1_fpr == UNDEFINED and figures.roc_auc == Interval(1, figures.roc_auc.low, 1)


def test_intervals_hold_the_truth():
    held = 0
    for seed in range(300):
        scores, positive, person = scores_of(200, 12, 1.5, seed)
        figure = true_positives(scores, positive, people_of(person), 0.01)
        assert figure.low is not None and figure.high is not None
        held += figure.low <= 1 - norm.cdf(norm.ppf(0.99) - 1.5) <= figure.high
    assert 0.91 <= held / 300 <= 0.985
