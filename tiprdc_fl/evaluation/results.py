"""Utility and leakage of stored features, on people that no network has seen, with intervals over people."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl import seeding
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Prediction, Rows, probe
from tiprdc_fl.attacks.suite import ATTACKS
from tiprdc_fl.evaluation.bootstrap import Interval, Resamples, resample
from tiprdc_fl.evaluation.scores import measure, measure_people
from tiprdc_fl.models.architecture import Architecture


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
