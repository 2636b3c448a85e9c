"""Scores of a probe's predictions, each with its interval: accuracies, ROC-AUC, usable bits, figures per person."""

import numpy as np

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.attacks.roc import weighted_auc
from tiprdc_fl.evaluation.bootstrap import UNDEFINED, Interval, Resamples, interval, per_person

TRAIT = 0.95  # CelebA: 99.5 % of the labels Male are those of their person's majority, 73 % of Smiling


def measure(
    prediction: Prediction, labels: np.ndarray, people: Resamples
) -> tuple[Interval, Interval, Interval, Interval]:
    """Accuracy, balanced accuracy, ROC-AUC and usable bits of a prediction.

    Accuracy and bits judge the probe under the natural class shares, balanced accuracy and ROC-AUC under
    balanced ones.
    """
    accuracy, balanced = accuracies(prediction, labels, people)
    of_class = _classes_per_resample(prediction, labels, people)
    rows = of_class.sum(axis=1)
    shares = of_class / rows[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        entropy = -np.nansum(shares * np.log2(shares), axis=1)
    loss = -prediction.natural[np.arange(len(labels)), labels] / np.log(2)
    bits = np.maximum(0, entropy - per_person(loss, people) / rows)
    defined = (of_class > 0).sum(axis=1) > 1
    return (
        interval(accuracy),
        interval(balanced),
        interval(np.where(defined, roc_auc(prediction.balanced, labels, people), np.nan)),
        interval(np.where(defined, bits, np.nan)),
    )


def accuracies(
    prediction: Prediction, labels: np.ndarray, people: Resamples
) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and balanced accuracy in every resample, float [1 + resamples] each.

    NaN where a resample has none of the rows' people; balanced accuracy also where it has one class only.
    """
    of_class = _classes_per_resample(prediction, labels, people)
    known = labels[:, None] == np.arange(of_class.shape[1])
    right = prediction.balanced.argmax(axis=1) == labels
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = per_person(prediction.natural.argmax(axis=1) == labels, people) / of_class.sum(axis=1)
        recall = per_person(right[:, None] & known, people) / of_class
    occurring = (of_class > 0).sum(axis=1)
    balanced = np.nansum(recall, axis=1) / np.maximum(1, occurring)
    return accuracy, np.where(occurring > 1, balanced, np.nan)


def _classes_per_resample(prediction: Prediction, labels: np.ndarray, people: Resamples) -> np.ndarray:
    """Rows of each class in every resample, float [1 + resamples, classes]."""
    return per_person(labels[:, None] == np.arange(prediction.balanced.shape[1]), people)


def measure_people(prediction: Prediction, labels: np.ndarray, people: Resamples) -> Interval:
    """Balanced accuracy over people of one guess a person, by the mean logits of all their examples.

    A contributor's examples arrive together, so an adversary may pool them. Defined for attributes of the person:
    at least TRAIT of the examples carry the label that most of their person's do.
    """
    size, classes = people.counts.shape[1], prediction.balanced.shape[1]
    votes, sums = np.zeros((size, classes)), np.zeros((size, classes))
    np.add.at(votes, people.person, labels[:, None] == np.arange(classes))
    np.add.at(sums, people.person, prediction.balanced.astype(np.float64))
    if votes.max(axis=1).sum() < TRAIT * len(labels):
        return UNDEFINED
    pooled = Prediction(sums, sums)
    return measure(pooled, votes.argmax(axis=1), Resamples(np.arange(size), people.counts))[1]


def roc_auc(logits: np.ndarray, labels: np.ndarray, people: Resamples) -> np.ndarray:
    """Area under the ROC curve in every resample, float [1 + resamples]; one-vs-rest mean over classes.

    For two classes that is the score of class 1 against class 0.
    """

    def weigh(part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return part[:, people.person[rows]]

    logits, classes = logits.astype(np.float64), range(logits.shape[1])
    results = []
    for c in [1] if len(classes) == 2 else classes:
        others = np.logaddexp.reduce(np.delete(logits, c, axis=1), axis=1)
        results.append(weighted_auc(logits[:, c] - others, labels == c, people.counts, weigh))
    return np.mean(results, axis=0)
