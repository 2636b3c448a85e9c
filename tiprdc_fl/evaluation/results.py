"""Utility and leakage of stored features, on people that no network has seen, with intervals over people."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Key, Prediction, Rows, Trial, class_count, probe_each
from tiprdc_fl.attacks.problem import balanced_accuracy
from tiprdc_fl.attacks.suite import ATTACKS
from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.intervals import Interval, people_of
from tiprdc_fl.evaluation.scores import Scores, measure, measure_people, pool
from tiprdc_fl.evaluation.traits import is_trait
from tiprdc_fl.models.architecture import Architecture

SET = "set-"  # before the name of a probe that learned from one row a person

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
        representation: "features", "random" (an untrained extractor's), "raw", "metadata" (what travels with
            features), "features+metadata", or "majority".
        probe: key of ATTACKS, behind "set-" where it learned from one row a person; "constant" for majority.
        learned_from: whose labelled features the probe learned from: "contributors" (a task model, or an adversary
            with an insider's labels), "collector" (the collector's own people: auxiliary data), "both", or
            "informed" (both, by a probe that uses what is public of the protection).
        scores: on the measured examples; undefined for a probe of people.
        per_person: balanced accuracy over people of one guess from all of a person's examples; not defined for an
            attribute that varies within people.
        validation: balanced accuracy on the validation people; by it the strongest probe is chosen.
        validation_per_person: the same of one guess a person.
        steps, last_doubling, converged: how its training ended, see ``attacks.problem.Answer``.
        learned_people, learned_examples: what the probe could learn from, its validation people included.
        measured_people, measured_examples: what it was measured on.
        metrics: values of the caller's own metrics; None where one is not finite.
    """

    attribute: str
    representation: str
    probe: str
    learned_from: str
    scores: Scores
    per_person: Interval
    validation: float | None
    validation_per_person: float | None
    steps: int | None
    last_doubling: float | None
    converged: bool
    learned_people: int
    learned_examples: int
    measured_people: int
    measured_examples: int
    metrics: dict[str, float | None] = field(default_factory=dict)

    @property
    def balanced_accuracy(self) -> Interval:
        """Mean of the classes' recalls on the measured examples."""
        return self.scores.balanced_accuracy


@dataclass(frozen=True)
class Probed:
    """A probe's result, and its prediction for each measured row (of people, where the probe learned from sets)."""

    result: Result
    prediction: Prediction


def evaluate(
    trials: Mapping[str, Trial],
    fit: Fit,
    on_probe: Callable[[], None] = lambda: None,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, list[Probed]]:
    """Fresh probes for the attributes that each source knows, measured on other people.

    Args:
        trials: what is probed, by the name of the representation.
        fit: how probes are trained.
        on_probe: called as often as there are pairs of a candidate and a source.
        metrics: of the caller, by name.
    """
    predictions = probe_each(trials, fit, on_probe)
    return {
        name: [
            judge(name, key, prediction, trial.rows, trial.measured, trial.sources[key[2]].rows, metrics)
            for key, prediction in predictions[name].items()
        ]
        for name, trial in trials.items()
    }


def candidates_of(architecture: Architecture, names: Sequence[str]) -> dict[str, Candidate]:
    """Probes of what the architecture's extractor returns, by their keys of ATTACKS."""
    return {name: Candidate(partial(ATTACKS[name].build, architecture), ATTACKS[name].rate) for name in names}


def judge(
    representation: str,
    key: Key,
    prediction: Prediction,
    rows: Rows,
    measured: Rows,
    learned: np.ndarray,
    metrics: Mapping[str, Metric] | None = None,
) -> Probed:
    """Measures a prediction.

    Args:
        representation: how the result is labelled.
        key: names of probe, attribute and source.
        prediction: of the measured rows.
        rows: what the probe could learn from.
        measured: the measured rows.
        learned: numbers of the rows of the probe's source, int64.
        metrics: of the caller, by name.
    """
    name, attribute, source = key
    truth, people = measured.labels[attribute], people_of(measured.people)
    return Probed(
        Result(
            attribute=attribute,
            representation=representation,
            probe=name,
            learned_from=source,
            scores=measure(prediction, truth, people),
            per_person=measure_people(prediction, truth, people),
            validation=prediction.validation,
            validation_per_person=_validated_people(prediction, rows, attribute),
            steps=prediction.steps,
            last_doubling=prediction.last_doubling,
            converged=prediction.converged,
            learned_people=len(np.unique(rows.people[learned])),
            learned_examples=len(learned),
            measured_people=people.count,
            measured_examples=len(measured.people),
            metrics={
                metric: _value(metric, function, prediction, truth, measured)
                for metric, function in (metrics or {}).items()
            },
        ),
        prediction,
    )


def _validated_people(prediction: Prediction, rows: Rows, attribute: str) -> float | None:
    """Balanced accuracy of one guess for each validation person; None for what is no trait of the person."""
    chosen = prediction.validation_rows
    if not len(chosen) or not is_trait(rows.labels[attribute], people_of(rows.people)):
        return None
    sums, labels = pool(prediction.validated, rows.labels[attribute][chosen], people_of(rows.people[chosen]))
    return balanced_accuracy(sums, labels)


def as_person(probed: Probed, metrics: Iterable[str] = ()) -> Probed:
    """The result of a probe whose rows are people, as a figure per person.

    Args:
        probed: the result, without the caller's metrics.
        metrics: their names; they are of examples, so they have no value here.
    """
    result = probed.result
    of_people = replace(
        result,
        probe=f"{SET}{result.probe}",
        scores=Scores(),
        per_person=result.scores.balanced_accuracy,
        validation=None,
        validation_per_person=result.validation,
        metrics=dict.fromkeys(metrics),
    )
    return Probed(of_people, probed.prediction)


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


def majority(
    rows: Rows,
    measured: Rows,
    metrics: Mapping[str, Metric] | None = None,
    contributors: int | None = None,
) -> list[Result]:
    """The control that knows nothing but the class shares of the contributors' rows.

    Args:
        rows: the contributors', first, and others that probes learn from.
        measured: the measured rows.
        metrics: of the caller, by name.
        contributors: number of the contributors' rows; None: all rows are theirs.
    """
    results, learned = [], np.arange(len(rows.people))[:contributors]
    for attribute, labels in rows.labels.items():
        classes = class_count(labels, measured.labels[attribute])
        shares = np.bincount(labels[learned], minlength=classes) + 1.0
        logits = np.tile(np.log(shares / shares.sum()), (len(measured.people), 1))
        key = ("constant", attribute, "contributors")
        judged = judge("majority", key, Prediction(logits, logits), rows, measured, learned, metrics)
        results.append(replace(judged.result, validation=None))
    return results
