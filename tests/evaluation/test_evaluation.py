"""Figures and their intervals, against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.evaluation.area import roc_auc
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE, Interval, people_of
from tiprdc_fl.evaluation.results import majority
from tiprdc_fl.evaluation.scores import Scores, measure, measure_people

UNDEFINED = Interval(None, None, None)


def logarithms(probabilities) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(probabilities, dtype=np.float64))


def prediction_of(probabilities) -> Prediction:
    logs = logarithms(probabilities)
    return Prediction(logs, logs)


def guesses(
    rows: int, classes: int, seed: int, distinct: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities that know a little of the labels, labels, and people of 1 to 30 examples.

    ``distinct``: how many different probabilities there are at most; the others are ties.
    """
    generator = np.random.default_rng(seed)
    labels = generator.choice(classes, rows, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    scores = generator.normal(size=(rows, classes))
    scores[np.arange(rows), labels] += 0.7
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    if distinct is not None:
        few = probabilities[:distinct]
        nearest = ((probabilities[:, None] - few) ** 2).sum(axis=2).argmin(axis=1)
        probabilities = few[nearest]
    people = np.repeat(np.arange(rows), generator.integers(1, 31, rows))[:rows]
    return probabilities, labels, people


@pytest.mark.parametrize("distinct", [None, 12])
@pytest.mark.parametrize("classes", [2, 3])
def test_figures_equal_those_of_scikit_learn(classes, distinct):
    probabilities, labels, people = guesses(900, classes, seed=1, distinct=distinct)
    scores = measure(prediction_of(probabilities), labels, people_of(people))
    guess = probabilities.argmax(axis=1)
    assert scores.accuracy.value == pytest.approx(accuracy_score(labels, guess))
    assert scores.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(labels, guess))
    area = roc_auc_score(labels, probabilities[:, 1] if classes == 2 else probabilities, multi_class="ovr")
    assert scores.roc_auc.value == pytest.approx(area)


def test_all_scores_equal_is_half_the_area():
    labels = np.array([0, 1, 1, 0, 1])
    assert roc_auc(np.zeros((5, 2)), labels, people_of(np.arange(5))) == Interval(0.5, 0.5, 0.5)


def test_the_order_of_confident_scores_counts():
    logits = np.array([[0, 20], [0, 40], [0, 50]], dtype=np.float32)
    assert roc_auc(logits, np.array([0, 1, 1]), people_of(np.arange(3))).value == 1


def test_accuracy_and_bits_judge_natural_shares_the_others_balanced_ones():
    """Ten times four people of one row each."""
    labels = np.tile([0, 0, 0, 1], 10)
    balanced = logarithms(np.tile([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]], (10, 1)))
    natural = logarithms(np.tile([[0.9, 0.1], [0.9, 0.1], [0.75, 0.25], [0.75, 0.25]], (10, 1)))
    scores = measure(Prediction(balanced, natural), labels, people_of(np.arange(40)))
    assert scores.accuracy.value == 3 / 4
    assert scores.balanced_accuracy.value == pytest.approx((2 / 3 + 1) / 2)
    assert scores.roc_auc.value == pytest.approx((1 + 1 + 0.5) / 3)
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    loss = -(2 * np.log2(0.9) + np.log2(0.75) + np.log2(0.25)) / 4
    assert scores.usable_bits.value == pytest.approx(entropy - loss)


@pytest.mark.parametrize("counts", [[40, 40], [90, 10], [20, 30, 50]])
def test_usable_bits_of_the_perfect_and_of_the_knowing_nothing(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    shares = np.array(counts) / sum(counts)
    people = people_of(np.arange(len(labels)))
    almost = np.full((len(labels), len(counts)), 1e-12)
    almost[np.arange(len(labels)), labels] = 1
    entropy = -(shares * np.log2(shares)).sum()
    assert measure(prediction_of(almost), labels, people).usable_bits.value == pytest.approx(entropy)
    constant = prediction_of(np.tile(shares, (len(labels), 1)))
    assert measure(constant, labels, people).usable_bits.value == pytest.approx(0, abs=1e-12)


def test_usable_bits_are_never_below_zero():
    labels = np.array([0, 1] * 20)
    wrong = np.where(labels[:, None] == np.arange(2), 0.01, 0.99)
    assert measure(prediction_of(wrong), labels, people_of(np.arange(40))).usable_bits == Interval(0, 0, 0)


def width(figure: Interval) -> float:
    assert figure.low is not None and figure.high is not None
    return figure.high - figure.low


def test_copies_of_a_persons_example_do_not_narrow_the_interval():
    probabilities, labels, _ = guesses(60, 2, seed=3)
    once = measure(prediction_of(probabilities), labels, people_of(np.arange(60)))
    copied, copies = probabilities.repeat(20, axis=0), labels.repeat(20)
    by_person = measure(prediction_of(copied), copies, people_of(np.arange(60).repeat(20)))
    by_example = measure(prediction_of(copied), copies, people_of(np.arange(1200)))
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "usable_bits"):
        single, people, examples = (getattr(scores, name) for scores in (once, by_person, by_example))
        assert width(people) == pytest.approx(width(single), rel=0.05)  # but for degrees of freedom
        assert width(people) > 3 * width(examples)  # the square root of 20 copies is 4.5


@pytest.mark.parametrize("classes", [2, 3])
def test_figures_depend_on_neither_the_order_of_rows_nor_the_names_of_people(classes):
    probabilities, labels, people = guesses(900, classes, seed=4)
    order = np.random.default_rng(0).permutation(900)
    renamed = 10_000 - 7 * people
    first = measure(prediction_of(probabilities), labels, people_of(people))
    again = measure(prediction_of(probabilities[order]), labels[order], people_of(renamed[order]))
    for name, figure in vars(first).items():
        assert vars(getattr(again, name)) == pytest.approx(vars(figure)), name


@pytest.mark.parametrize(("rare", "known"), [(FEWEST_PEOPLE, True), (FEWEST_PEOPLE - 1, False)])
def test_a_class_of_few_people_has_no_figure_but_accuracy(rare, known):
    labels = np.repeat((np.arange(40) < rare).astype(int), 5)
    scores = measure(prediction_of(np.full((200, 2), 0.5)), labels, people_of(np.repeat(np.arange(40), 5)))
    assert scores.accuracy != UNDEFINED
    for name in ("balanced_accuracy", "roc_auc", "usable_bits"):
        assert (getattr(scores, name) != UNDEFINED) == known


def test_few_people_have_no_figure_at_all():
    labels = np.tile([0, 1], 45)
    people = people_of(np.repeat(np.arange(9), 10))
    assert measure(prediction_of(np.full((90, 2), 0.5)), labels, people) == Scores()


def test_one_class_only_leaves_all_but_accuracy_undefined():
    scores = measure(prediction_of(np.full((20, 2), 0.5)), np.zeros(20, int), people_of(np.arange(20)))
    assert scores == Scores(accuracy=scores.accuracy) and scores.accuracy.value == 1


def test_many_rows_are_affordable():
    """All figures of a probe on 4,000 rows of 200 people."""
    probabilities, labels, _ = guesses(4_000, 2, seed=5)
    scores = measure(prediction_of(probabilities), labels, people_of(np.repeat(np.arange(200), 20)))
    for name, figure in vars(scores).items():
        if name != "tpr_at_01_fpr":  # of too few negative rows
            assert figure.low < figure.value < figure.high


def test_blind_guess_knows_the_majority_and_nothing_else():
    generator = np.random.default_rng(0)
    labels = {"Rare": (generator.random(200) < 0.1).astype(int), "Three": generator.integers(0, 3, 200)}
    rows = Rows(lambda chosen: torch.zeros(len(chosen)), generator.integers(0, 40, 200), labels)
    rare, three = majority(rows, rows)
    assert (rare.representation, rare.probe, rare.attribute) == ("majority", "constant", "Rare")
    assert rare.validation is None and rare.converged
    assert rare.scores.accuracy.value == pytest.approx(np.mean(labels["Rare"] == 0))
    assert rare.balanced_accuracy == rare.scores.roc_auc == Interval(0.5, 0.5, 0.5)
    assert three.balanced_accuracy.value == pytest.approx(1 / 3)
    assert three.scores.accuracy.value == pytest.approx(np.bincount(labels["Three"]).max() / 200)
    assert rare.scores.usable_bits.value == pytest.approx(0, abs=1e-3)


def test_blind_guess_may_meet_a_class_it_has_not_seen():
    def rows(labels: list[int]) -> Rows:
        every = np.repeat(labels, 10)
        return Rows(lambda chosen: torch.zeros(len(chosen)), np.arange(len(every)), {"A": every})

    (result,) = majority(rows([0, 0, 1]), rows([0, 1, 2]))
    assert result.scores.accuracy.value == pytest.approx(1 / 3)


def test_pooling_a_person_s_examples_beats_one_of_them():
    """100 people with 20 examples each, every one of them a weak hint of the person's trait."""
    generator = np.random.default_rng(0)
    people = np.repeat(np.arange(100), 20)
    trait = people % 2
    hints = generator.normal(0.5 * (2 * trait - 1), 1.0)
    logits = np.stack([-hints, hints], axis=1)
    prediction = Prediction(logits, logits)
    drawn = people_of(people)
    single = measure(prediction, trait, drawn).balanced_accuracy
    pooled = measure_people(prediction, trait, drawn)
    by_hand = np.mean(
        [((hints.reshape(100, 20).mean(1) > 0) == np.arange(100) % 2)[c::2].mean() for c in (0, 1)]
    )
    assert pooled.value == pytest.approx(by_hand)
    assert pooled.value > single.value + 0.15
    mood = generator.integers(0, 2, 2000)
    assert measure_people(prediction, mood, drawn) == Interval(None, None, None)
