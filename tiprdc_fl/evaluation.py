"""Utility and leakage of stored features, on people that no network has seen, with intervals over people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.attacks.networks import ATTACKS
from tiprdc_fl.attacks.probe import Candidate, Fit, Prediction, Rows, probe
from tiprdc_fl.attacks.roc import weighted_auc
from tiprdc_fl.models.architecture import Architecture

LEVEL = 0.95
TRAIT = 0.95  # CelebA: 99.5 % of the labels Male are those of their person's majority, 73 % of Smiling


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; None where it is not defined (one class only).

    Attributes:
        value: on all people. low, high: percentiles of its bootstrap over people.
    """

    value: float | None
    low: float | None
    high: float | None


UNDEFINED = Interval(None, None, None)


@dataclass(frozen=True)
class Result:
    """How well one probe infers one attribute from one representation.

    Attributes:
        attribute: its name.
        representation: "features", "random" (an untrained extractor's), "raw", or "majority".
        probe: key of ATTACKS; "constant" for the majority class.
        learned_from: whose labelled features the probe learned from: "contributors" (a task model, or an adversary
            with an insider's labels) or "collector" (an adversary with the collector's own people: auxiliary data).
        accuracy: share of examples. balanced_accuracy: mean of the classes' recalls. roc_auc: area under
            the ROC curve. usable_bits: label entropy minus held-out cross-entropy, not below 0, in bits
                (predictive V-information, Xu et al. 2020).
        per_person: balanced accuracy over people of a guess from all of a person's examples together, by the
            mean of their logits; not defined for an attribute that varies within people.
        learned_people, learned_examples: what the probe could learn from, its validation people included.
        measured_people, measured_examples: what it was measured on.
    """

    attribute: str
    representation: str
    probe: str
    learned_from: str
    accuracy: Interval
    balanced_accuracy: Interval
    roc_auc: Interval
    usable_bits: Interval
    per_person: Interval
    learned_people: int
    learned_examples: int
    measured_people: int
    measured_examples: int


@dataclass(frozen=True)
class Probed:
    """A probe's result, and what it said of each row it was measured on."""

    result: Result
    prediction: Prediction


@dataclass(frozen=True)
class Resamples:
    """Bootstrap resamples of people: how often each person stands in each.

    Attributes:
        person: index of each row's person, int64 [rows].
        counts: float64 [1 + resamples, people]; the first row holds every person once.
    """

    person: np.ndarray
    counts: np.ndarray


def evaluate(
    representation: str,
    architecture: Architecture,
    rows: Rows,
    measured: Rows,
    attacks: Mapping[str, Sequence[str]],
    fit: Fit,
    resamples: int,
    on_batch: Callable[[], None],
    learned_from: str = "contributors",
) -> list[Probed]:
    """Fresh probes for every attribute of ``rows``, measured on other people; they share each pass.

    Args:
        representation: "features", "random" or "raw": how the results are labelled.
        architecture: says what the rows are.
        rows: what the probes learn from.
        measured: what they are measured on: holdout people.
        attacks: attribute -> keys of ATTACKS.
        fit: how probes are trained.
        resamples: of people behind each interval.
        on_batch: called after each batch of training.
        learned_from: whose rows these are, see Result.
    """
    candidates: dict[str, Candidate] = {}
    for attribute, labels in rows.labels.items():
        classes = _classes(labels, measured.labels[attribute])
        for name in attacks[attribute]:
            seeding.seed_torch(fit.seed, "probe", representation, attribute, name)
            attack = ATTACKS[name]
            learner = attack.build(architecture, classes)
            candidates[f"{attribute}/{name}"] = Candidate(learner, attribute, classes, attack.rate)
    people = resample(measured.people, resamples, fit.seed)
    results = []
    for key, prediction in probe(candidates, rows, measured, fit, on_batch).items():
        attribute, _, name = key.rpartition("/")
        labels = (attribute, representation, name, learned_from)
        results.append(Probed(_result(labels, prediction, rows, measured, people), prediction))
    return results


def _result(
    labels: tuple[str, str, str, str], prediction: Prediction, rows: Rows, measured: Rows, people: Resamples
) -> Result:
    """A result from attribute, representation, probe and learned_from."""
    truth = measured.labels[labels[0]]
    return Result(
        *labels,
        *measure(prediction, truth, people),
        measure_people(prediction, truth, people),
        len(np.unique(rows.people)),
        len(rows.people),
        people.counts.shape[1],
        len(measured.people),
    )


def _classes(*labels: np.ndarray) -> int:
    """How many values an attribute has, at least two."""
    return max(2, *(int(part.max(initial=0)) + 1 for part in labels))


def majority(rows: Rows, measured: Rows, resamples: int, seed: int) -> list[Result]:
    """The control that knows nothing but the class shares of the training rows."""
    people = resample(measured.people, resamples, seed)
    results = []
    for attribute, labels in rows.labels.items():
        shares = np.bincount(labels, minlength=_classes(labels, measured.labels[attribute])) + 1.0
        logs = np.log(shares / shares.sum())
        logits = np.tile(logs, (len(measured.people), 1))
        prediction = Prediction(logits, logits)
        named = (attribute, "majority", "constant", "contributors")
        results.append(_result(named, prediction, rows, measured, people))
    return results


def resample(people: np.ndarray, resamples: int, seed: int) -> Resamples:
    """Draws people, not examples, with replacement: a person's examples are not independent."""
    unique, person = np.unique(people, return_inverse=True)
    generator = seeding.generator(seed, "bootstrap")
    size = len(unique)
    drawn = generator.multinomial(size, np.full(size, 1 / size), size=resamples)
    return Resamples(person, np.vstack([np.ones((1, size)), drawn]))


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
    bits = np.maximum(0, entropy - _per_person(loss, people) / rows)
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
        accuracy = _per_person(prediction.natural.argmax(axis=1) == labels, people) / of_class.sum(axis=1)
        recall = _per_person(right[:, None] & known, people) / of_class
    occurring = (of_class > 0).sum(axis=1)
    balanced = np.nansum(recall, axis=1) / np.maximum(1, occurring)
    return accuracy, np.where(occurring > 1, balanced, np.nan)


def _classes_per_resample(prediction: Prediction, labels: np.ndarray, people: Resamples) -> np.ndarray:
    """Rows of each class in every resample, float [1 + resamples, classes]."""
    return _per_person(labels[:, None] == np.arange(prediction.balanced.shape[1]), people)


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


def _per_person(values: np.ndarray, people: Resamples) -> np.ndarray:
    """Sum of a value per row in each resample: [rows, ...] -> [1 + resamples, ...]."""
    totals = np.zeros((people.counts.shape[1], *values.shape[1:]))
    np.add.at(totals, people.person, values)
    return people.counts @ totals


def mean(values: np.ndarray, people: Resamples) -> Interval:
    """The mean over examples of a figure that each has, float [n]."""
    return interval(_per_person(values, people) / _per_person(np.ones(len(values)), people))


def interval(values: np.ndarray) -> Interval:
    """The value on all people (the first) and percentiles of the others, without those of one class."""
    rest = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(rest):
        return UNDEFINED
    low, high = np.quantile(rest, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))
