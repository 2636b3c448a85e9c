"""Figures and their intervals, against scikit-learn and by hand."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.attacks.suite import attacks_for
from tiprdc_fl.evaluation.bootstrap import Interval, resample
from tiprdc_fl.evaluation.results import evaluate, majority
from tiprdc_fl.evaluation.scores import measure, measure_people, roc_auc
from tiprdc_fl.models.architecture import Architecture

UNDEFINED = Interval(None, None, None)
IMAGES = Architecture("image", 4, image_size=(32, 32))


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
    probabilities, labels, people = guesses(500, classes, seed=1, distinct=distinct)
    found = measure(prediction_of(probabilities), labels, resample(people, 10, 0))
    guess = probabilities.argmax(axis=1)
    assert found[0].value == pytest.approx(accuracy_score(labels, guess))
    assert found[1].value == pytest.approx(balanced_accuracy_score(labels, guess))
    scores = probabilities[:, 1] if classes == 2 else probabilities
    assert found[2].value == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))


def test_all_scores_equal_is_half_the_area():
    labels = np.array([0, 1, 1, 0, 1])
    people = resample(np.arange(5), 3, 0)
    assert roc_auc(np.zeros((5, 2)), labels, people)[0] == 0.5


def test_the_order_of_confident_scores_counts():
    logits = np.array([[0, 20], [0, 40]], dtype=np.float32)
    assert roc_auc(logits, np.array([0, 1]), resample(np.arange(2), 3, 0))[0] == 1


@pytest.mark.parametrize("classes", [2, 3])
def test_area_in_a_resample_equals_that_of_repeated_rows(classes):
    probabilities, labels, ids = guesses(400, classes, seed=2, distinct=12)
    people = resample(ids, 150, 0)  # more than are computed at once
    found = roc_auc(logarithms(probabilities), labels, people)
    scores = probabilities[:, 1] if classes == 2 else probabilities
    assert found.shape == (151,)
    for area, counts in zip(found, people.counts, strict=True):
        if classes == 2:
            expected = roc_auc_score(labels, scores, sample_weight=counts[people.person])
        else:
            again = np.repeat(np.arange(400), counts[people.person].astype(int))
            expected = roc_auc_score(labels[again], scores[again], multi_class="ovr")
        assert area == pytest.approx(expected)


def test_accuracy_and_bits_judge_natural_shares_the_others_balanced_ones():
    labels = np.array([0, 0, 0, 1])
    balanced = logarithms([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    natural = logarithms([[0.9, 0.1], [0.9, 0.1], [0.75, 0.25], [0.75, 0.25]])
    found = measure(Prediction(balanced, natural), labels, resample(np.arange(4), 5, 0))
    accuracy, balanced_accuracy, area, bits = (figure.value for figure in found)
    assert accuracy == 3 / 4
    assert balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert area == pytest.approx((1 + 1 + 0.5) / 3)
    entropy = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    loss = -(2 * np.log2(0.9) + np.log2(0.75) + np.log2(0.25)) / 4
    assert bits == pytest.approx(entropy - loss)


@pytest.mark.parametrize("counts", [[4, 4], [9, 1], [2, 3, 5]])
def test_usable_bits_of_the_perfect_and_of_the_knowing_nothing(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    shares = np.array(counts) / sum(counts)
    people = resample(np.arange(len(labels)), 20, 0)
    almost = np.full((len(labels), len(counts)), 1e-12)
    almost[np.arange(len(labels)), labels] = 1
    entropy = -(shares * np.log2(shares)).sum()
    assert measure(prediction_of(almost), labels, people)[3].value == pytest.approx(entropy)
    constant = prediction_of(np.tile(shares, (len(labels), 1)))
    assert measure(constant, labels, people)[3].value == pytest.approx(0, abs=1e-12)


def test_usable_bits_are_never_below_zero():
    labels = np.array([0, 1] * 10)
    wrong = np.where(labels[:, None] == np.arange(2), 0.01, 0.99)
    assert measure(prediction_of(wrong), labels, resample(np.arange(20), 20, 0))[3] == Interval(0, 0, 0)


def test_copies_of_a_persons_example_do_not_narrow_the_interval():
    probabilities, labels, _ = guesses(60, 2, seed=3)
    once = measure(prediction_of(probabilities), labels, resample(np.arange(60), 500, 0))
    copied, copies = probabilities.repeat(20, axis=0), labels.repeat(20)
    by_person = measure(prediction_of(copied), copies, resample(np.arange(60).repeat(20), 500, 0))
    by_example = measure(prediction_of(copied), copies, resample(np.arange(1200), 500, 0))

    def width(figure: Interval) -> float:
        assert figure.low is not None and figure.high is not None
        return figure.high - figure.low

    for one, people, examples in zip(once, by_person, by_example, strict=True):
        assert people.low == pytest.approx(one.low) and people.high == pytest.approx(one.high)
        assert width(people) > 3 * width(examples)  # the square root of 20 copies is 4.5


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        labels = np.array([0, 1] * 100)
        right = generator.random(200) < 0.7
        guess = np.where(right, labels, 1 - labels)
        probabilities = np.where(guess[:, None] == np.arange(2), 0.7, 0.3)
        found = measure(prediction_of(probabilities), labels, resample(np.arange(200), 300, seed))[1]
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.7 <= found.high
    assert 0.90 <= covered / 200 <= 0.99  # 0.95, give or take three standard errors of 200 trials


def test_intervals_depend_on_the_seed_alone():
    probabilities, labels, people = guesses(300, 2, seed=4)
    first, again, other = (
        measure(prediction_of(probabilities), labels, resample(people, 50, seed)) for seed in (0, 0, 1)
    )
    assert first == again
    assert first[1].value == other[1].value and first[1].low != other[1].low


def test_resampled_people_are_as_many_as_there_are():
    people = resample(np.array([7, 7, 3, 9]), 100, 0)
    assert people.person.tolist() == [1, 1, 0, 2]
    assert (people.counts[0] == 1).all() and (people.counts.sum(axis=1) == 3).all()


def test_one_class_only_leaves_all_but_accuracy_undefined():
    found = measure(prediction_of(np.full((5, 2), 0.5)), np.zeros(5, int), resample(np.arange(5), 20, 0))
    assert found == (Interval(1, 1, 1), UNDEFINED, UNDEFINED, UNDEFINED)


def test_resamples_of_one_class_are_left_out():
    labels, probabilities = np.array([0, 1]), np.array([[0.9, 0.1], [0.1, 0.9]])
    people = resample(np.arange(2), 50, 0)
    assert (people.counts == 2).any()
    found = measure(prediction_of(probabilities), labels, people)
    assert found[1] == found[2] == Interval(1, 1, 1)


def test_many_rows_and_resamples_are_affordable():
    probabilities, labels, people = guesses(5_000, 2, seed=5)
    found = measure(prediction_of(probabilities), labels, resample(people, 1_000, 0))
    for figure in found:
        assert figure.value is not None and figure.low is not None and figure.high is not None
        assert figure.low < figure.value < figure.high


def test_blind_guess_knows_the_majority_and_nothing_else():
    generator = np.random.default_rng(0)
    labels = {"Rare": (generator.random(200) < 0.1).astype(int), "Three": generator.integers(0, 3, 200)}
    rows = Rows(lambda chosen: torch.zeros(len(chosen)), generator.integers(0, 40, 200), labels)
    rare, three = majority(rows, rows, 200, 0)
    assert (rare.representation, rare.probe, rare.attribute) == ("majority", "constant", "Rare")
    assert rare.accuracy.value == pytest.approx(np.mean(labels["Rare"] == 0))
    assert rare.balanced_accuracy == rare.roc_auc == Interval(0.5, 0.5, 0.5)
    assert three.balanced_accuracy.value == pytest.approx(1 / 3)
    assert three.accuracy.value == pytest.approx(np.bincount(labels["Three"]).max() / 200)
    assert rare.usable_bits.value == pytest.approx(0, abs=1e-3)


def test_blind_guess_may_meet_a_class_it_has_not_seen():
    def rows(labels: list[int]) -> Rows:
        return Rows(lambda chosen: torch.zeros(len(chosen)), np.arange(len(labels)), {"A": np.array(labels)})

    (found,) = majority(rows([0, 0, 1]), rows([0, 1, 2]), 20, 0)
    assert found.accuracy.value == pytest.approx(1 / 3)


def test_every_attack_is_measured_for_every_attribute():
    generator = np.random.default_rng(0)
    z = torch.rand(120, 8, 8, 8)
    labels = {"A": generator.integers(0, 2, 120), "B": generator.integers(0, 3, 120)}
    rows = Rows(lambda chosen: z[chosen], np.arange(120) // 4, labels)
    seen: list[None] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probed = evaluate(
            "features",
            IMAGES,
            rows,
            rows,
            {"A": attacks_for("image"), "B": ("linear", "trees")},
            Fit(3, 32, 1e-3, 0, "cpu", "float32"),
            20,
            lambda: seen.append(None),
            learned_from="collector",
        )
    found = [one.result for one in probed]
    assert {one.prediction.balanced.shape for one in probed} == {(120, 2), (120, 3)}
    expected = {("A", name) for name in attacks_for("image")} | {("B", "linear"), ("B", "trees")}
    assert {(one.attribute, one.probe) for one in found} == expected
    assert {one.learned_from for one in found} == {"collector"}
    assert all(one.representation == "features" and one.accuracy.value is not None for one in found)
    assert len(seen) == 3
    assert {(one.learned_people, one.learned_examples) for one in found} == {(30, 120)}


def test_pooling_a_person_s_examples_beats_one_of_them():
    """100 people with 20 examples each, every one of them a weak hint of the person's trait."""
    generator = np.random.default_rng(0)
    people = np.repeat(np.arange(100), 20)
    trait = people % 2
    hints = generator.normal(0.5 * (2 * trait - 1), 1.0)
    logits = np.stack([-hints, hints], axis=1)
    prediction = Prediction(logits, logits)
    drawn = resample(people, 200, 0)
    single = measure(prediction, trait, drawn)[1]
    pooled = measure_people(prediction, trait, drawn)
    by_hand = np.mean(
        [((hints.reshape(100, 20).mean(1) > 0) == np.arange(100) % 2)[c::2].mean() for c in (0, 1)]
    )
    assert pooled.value == pytest.approx(by_hand)
    assert pooled.value > single.value + 0.15
    mood = generator.integers(0, 2, 2000)
    assert measure_people(prediction, mood, drawn) == Interval(None, None, None)
