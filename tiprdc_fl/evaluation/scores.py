"""Scores of a probe's predictions, each with its interval over people."""

from dataclasses import dataclass

import numpy as np

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.evaluation.area import roc_auc, score_of
from tiprdc_fl.evaluation.intervals import (
    FEWEST_PEOPLE,
    UNDEFINED,
    Estimate,
    Interval,
    People,
    number_interval,
    ratio,
    share_interval,
    share_of,
)
from tiprdc_fl.evaluation.operating_point import true_positives
from tiprdc_fl.evaluation.traits import is_trait


@dataclass(frozen=True)
class Scores:
    """How well a prediction knows an attribute.

    All but accuracy are undefined where one class only occurs, or a class that occurs is of fewer than
    FEWEST_PEOPLE people; accuracy where there are fewer than FEWEST_PEOPLE people.

    Attributes:
        accuracy: share of rows inferred correctly under the natural class shares.
        balanced_accuracy: mean of the classes' recalls, under balanced classes.
        roc_auc: area under the ROC curve; for more than two classes the mean of one against the others.
        usable_bits: entropy of the labels minus the cross-entropy under the natural shares, at least 0.
        tpr_at_1_fpr, tpr_at_01_fpr: share of the rows of class 1 that is recognised where at most 1 %, or 0.1 %,
            of those of class 0 are taken for it. Defined for two classes and at least FEWEST_FALSE / FPR rows of
            class 0.
    """

    accuracy: Interval = UNDEFINED
    balanced_accuracy: Interval = UNDEFINED
    roc_auc: Interval = UNDEFINED
    usable_bits: Interval = UNDEFINED
    tpr_at_1_fpr: Interval = UNDEFINED
    tpr_at_01_fpr: Interval = UNDEFINED


def measure(prediction: Prediction, labels: np.ndarray, people: People) -> Scores:
    """Scores of a prediction.

    Args:
        prediction: of all rows.
        labels: the truth, int64 [rows].
        people: whose the rows are.
    """
    accuracy = accuracy_of(prediction, labels, people)
    if not enough_people(labels, people) or len(np.unique(labels)) < 2:
        return Scores(accuracy)
    return Scores(
        accuracy=accuracy,
        balanced_accuracy=balanced_accuracy(prediction, labels, people),
        roc_auc=roc_auc(prediction.balanced, labels, people),
        usable_bits=usable_bits(prediction, labels, people),
        tpr_at_1_fpr=_recognised(prediction, labels, people, 0.01),
        tpr_at_01_fpr=_recognised(prediction, labels, people, 0.001),
    )


def enough_people(labels: np.ndarray, people: People) -> bool:
    """Whether at least FEWEST_PEOPLE people stand behind every class that occurs."""
    return all(
        np.count_nonzero(people.sums(labels == c)) >= FEWEST_PEOPLE for c in np.unique(labels).tolist()
    )


def accuracy_of(prediction: Prediction, labels: np.ndarray, people: People) -> Interval:
    """Share of rows inferred correctly under the natural class shares."""
    person = people.person
    if len(np.unique(person)) < FEWEST_PEOPLE:
        return UNDEFINED
    right = prediction.natural.argmax(axis=1) == labels
    return share_interval([share_of(people.sums(right), people.sums(np.ones(len(person))))])


def balanced_accuracy(prediction: Prediction, labels: np.ndarray, people: People) -> Interval:
    """Mean recall of the classes that occur, under balanced classes."""
    shares = recalls(prediction, labels, people)
    if len(np.unique(prediction.balanced.argmax(axis=1))) == 1:  # one recall is 1, whoever is measured
        return Interval(*[sum(share.value for share in shares) / len(shares)] * 3)
    return share_interval(shares)


def recalls(prediction: Prediction, labels: np.ndarray, people: People) -> list[Estimate]:
    """Recall of every class that occurs, under balanced classes."""
    right = prediction.balanced.argmax(axis=1) == labels
    return [
        share_of(people.sums(right & (labels == c)), people.sums(labels == c))
        for c in np.unique(labels).tolist()
    ]


def usable_bits(prediction: Prediction, labels: np.ndarray, people: People) -> Interval:
    """Entropy of the labels minus the prediction's cross-entropy, at least 0, in bits."""
    rows = people.sums(np.ones(len(labels)))
    shares = np.bincount(labels) / len(labels)
    surprise = -np.log2(np.where(shares > 0, shares, 1))[labels]  # its mean is the entropy
    loss = -prediction.natural[np.arange(len(labels)), labels] / np.log(2)
    figure = number_interval(ratio(people.sums(surprise - loss), rows))
    return Interval(*(None if part is None else max(0.0, part) for part in vars(figure).values()))


def _recognised(prediction: Prediction, labels: np.ndarray, people: People, allowed: float) -> Interval:
    if prediction.balanced.shape[1] != 2:
        return UNDEFINED
    return true_positives(score_of(prediction.balanced, 1), labels == 1, people, allowed)


def measure_people(prediction: Prediction, labels: np.ndarray, people: People) -> Interval:
    """Balanced accuracy over people of one guess a person, by the mean logits of all their examples.

    A contributor's examples arrive together, so an adversary may pool them. Defined for a trait of the person, see
    ``traits``, that enough people of every class have.
    """
    if not is_trait(labels, people):
        return UNDEFINED
    pooled, trait = pool(prediction.balanced, labels, people)
    alone = People(np.arange(people.count), people.count)
    return measure(Prediction(pooled, pooled), trait, alone).balanced_accuracy


def pool(logits: np.ndarray, labels: np.ndarray, people: People) -> tuple[np.ndarray, np.ndarray]:
    """Each person's summed logits, float [people, classes], and their most frequent label, int64 [people]."""
    classes = range(logits.shape[1])
    sums = np.stack([people.sums(logits[:, c]) for c in classes], axis=1)
    votes = np.stack([people.sums(labels == c) for c in classes], axis=1)
    return sums, votes.argmax(axis=1)
