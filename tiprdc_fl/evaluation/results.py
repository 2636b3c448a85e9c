"""Utility and leakage of stored features, on people that no network has seen, with intervals over people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Prediction, Rows, probe
from tiprdc_fl.attacks.suite import ATTACKS
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.intervals import Interval, People, people_of
from tiprdc_fl.evaluation.scores import measure, measure_people
from tiprdc_fl.models.architecture import Architecture

Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
"""A metric of the caller's own: function(labels, logits, people) -> a number.

labels: int64 [n]. logits: float [n, classes], the probe's log-probabilities under the class shares of the rows it
learned from: accuracy and usable bits judge these, balanced accuracy and ROC-AUC those under balanced classes.
people: the person behind each row, int64 [n]. The rows are those of the holdout people.
"""


@dataclass(frozen=True)
class Result:
    """How well one probe infers one attribute from one representation.

    Attributes:
        attribute: its name.
        representation: "features", "random" (an untrained extractor's), "raw", or "majority".
        probe: key of ATTACKS; "constant" for the majority class.
        learned_from: whose labelled features the probe learned from: "contributors" (a task model, or an adversary
            with an insider's labels) or "collector" (an adversary with the collector's own people: auxiliary data).
        accuracy: share of examples inferred correctly.
        balanced_accuracy: mean of the classes' recalls.
        roc_auc: area under the ROC curve.
        usable_bits: label entropy minus held-out cross-entropy, at least 0, in bits (predictive V-information,
            Xu et al. 2020).
        per_person: balanced accuracy over people of a guess from all of a person's examples together, by the
            mean of their logits; not defined for an attribute that varies within people.
        learned_people, learned_examples: what the probe could learn from, its validation people included.
        measured_people, measured_examples: what it was measured on.
        metrics: values of the caller's own metrics; None where one is not finite.
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
    metrics: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Probed:
    """A probe's result, and its prediction for each measured row."""

    result: Result
    prediction: Prediction


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
    metrics: Mapping[str, Metric] | None = None,
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
        metrics: of the caller, by name.
    """
    candidates: dict[str, Candidate] = {}
    for attribute, labels in rows.labels.items():
        classes = _classes(labels, measured.labels[attribute])
        for name in attacks[attribute]:
            seeding.seed_torch(fit.seed, "probe", representation, attribute, name)
            attack = ATTACKS[name]
            learner = attack.build(architecture, classes)
            candidates[f"{attribute}/{name}"] = Candidate(learner, attribute, classes, attack.rate)
    people = people_of(measured.people)
    results = []
    for key, prediction in probe(candidates, rows, measured, fit, on_batch).items():
        attribute, _, name = key.rpartition("/")
        labels = (attribute, representation, name, learned_from)
        results.append(Probed(_result(labels, prediction, rows, measured, people, metrics), prediction))
    return results


def _result(
    labels: tuple[str, str, str, str],
    prediction: Prediction,
    rows: Rows,
    measured: Rows,
    people: People,
    metrics: Mapping[str, Metric] | None,
) -> Result:
    """A result from attribute, representation, probe and learned_from."""
    truth = measured.labels[labels[0]]
    scores = measure(prediction, truth, people)
    return Result(
        *labels,
        scores.accuracy,
        scores.balanced_accuracy,
        scores.roc_auc,
        scores.usable_bits,
        measure_people(prediction, truth, people),
        len(np.unique(rows.people)),
        len(rows.people),
        people.count,
        len(measured.people),
        {name: _value(name, metric, prediction, truth, measured) for name, metric in (metrics or {}).items()},
    )


def _value(
    name: str, metric: Metric, prediction: Prediction, truth: np.ndarray, measured: Rows
) -> float | None:
    """A metric of the caller; it has copies, so that it cannot change what others read.

    Raises:
        InputError: it returns something else than a number.
    """
    value = metric(truth.copy(), prediction.natural.copy(), measured.people.copy())
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"metrics: {name} returned {value!r}: return one number") from error
    return number if np.isfinite(number) else None


def _classes(*labels: np.ndarray) -> int:
    """How many values an attribute has, at least two."""
    return max(2, *(int(part.max(initial=0)) + 1 for part in labels))


def majority(
    rows: Rows, measured: Rows, resamples: int, seed: int, metrics: Mapping[str, Metric] | None = None
) -> list[Result]:
    """The control that knows nothing but the class shares of the training rows."""
    people = people_of(measured.people)
    results = []
    for attribute, labels in rows.labels.items():
        shares = np.bincount(labels, minlength=_classes(labels, measured.labels[attribute])) + 1.0
        logs = np.log(shares / shares.sum())
        logits = np.tile(logs, (len(measured.people), 1))
        prediction = Prediction(logits, logits)
        named = (attribute, "majority", "constant", "contributors")
        results.append(_result(named, prediction, rows, measured, people, metrics))
    return results
