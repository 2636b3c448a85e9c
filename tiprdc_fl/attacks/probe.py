"""Training of probes on frozen features; all probes of the same features share each pass over them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl.attacks.classical import Classical, Predict, ReducedRows, TrainingSet
from tiprdc_fl.attacks.fitting import Fit, Read, split_rows
from tiprdc_fl.attacks.trainees import logits_of, new_trainee, train

TEMPERATURES = torch.logspace(-1, 1, 41)


@dataclass(frozen=True)
class Rows:
    """Labelled rows that probes learn from or are measured on.

    Attributes:
        read: row numbers -> inputs of the probes, [n, ...].
        people: person of each row, int64 [rows].
        labels: label of each row, int64 [rows], by attribute.
    """

    read: Read
    people: np.ndarray
    labels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Candidate:
    """A fresh probe.

    Attributes:
        model: a network, inputs -> logits [batch, classes], or a classical adversary.
        attribute: name of the attribute to infer.
        classes: number of values of the attribute.
        rate: a network's learning rate as a multiple of ``Fit.learning_rate``.
    """

    model: nn.Module | Classical
    attribute: str
    classes: int
    rate: float = 1.0


@dataclass(frozen=True)
class Prediction:
    """A probe's predictions for n rows that it has not learned from.

    Attributes:
        balanced: logits under balanced classes, float [n, classes].
        natural: log-probabilities under the class shares of the training rows, at the temperature that fits the
            validation people best, float [n, classes].
    """

    balanced: np.ndarray
    natural: np.ndarray


def probe(
    candidates: Mapping[str, Candidate],
    rows: Rows,
    measured: Rows,
    fit: Fit,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Prediction]:
    """Trains probes on ``rows`` and predicts ``measured`` with them.

    Classes are weighted by the inverse of their share, so that no probe ignores a rare class. Classical adversaries
    learn from the batches of the first pass. That pass is completed even if ``fit.steps`` is smaller.

    Args:
        candidates: fresh probes by name; all of them share each pass over the rows.
        rows: rows to learn from; a tenth of their people is kept for validation.
        measured: rows to predict.
        fit: settings of the training.
        on_batch: called after each batch, at most ``fit.steps`` times.

    Returns:
        The predictions of each probe for the measured rows, by its name.

    Raises:
        InputError: there are too few rows, or a probe diverges.
    """
    training, validation = split_rows(rows.people, fit.seed)
    labels = {name: torch.from_numpy(rows.labels[probe.attribute]) for name, probe in candidates.items()}
    shares = {name: _shares(labels[name][training], probe.classes) for name, probe in candidates.items()}
    classical = {
        name: probe.model for name, probe in candidates.items() if isinstance(probe.model, Classical)
    }
    reducers = frozenset(model.reduce for model in classical.values())
    trainees = {
        name: new_trainee(probe.model, probe.rate * fit.learning_rate, labels[name], shares[name], fit)
        for name, probe in candidates.items()
        if isinstance(probe.model, nn.Module)
    }
    trained_rows = ReducedRows(training, reducers)
    validated_rows = ReducedRows(validation, reducers)
    measured_rows = ReducedRows(np.arange(len(measured.people)), reducers)
    train(trainees, rows.read, validation, trained_rows, fit, on_batch)
    validated = logits_of(trainees, rows.read, validated_rows, fit)
    predicted = logits_of(trainees, measured.read, measured_rows, fit)
    for name, model in classical.items():
        predict = _learn_classical(
            model=model,
            labels=labels[name].numpy(),
            shares=shares[name].numpy(),
            training=trained_rows,
            validation=validated_rows,
            seed=fit.seed,
        )
        validated[name] = torch.from_numpy(predict(validated_rows.values[model.reduce]))
        predicted[name] = torch.from_numpy(predict(measured_rows.values[model.reduce]))
    return {
        name: _prediction(validated[name], predicted[name], labels[name][validation], shares[name])
        for name in candidates
    }


def _prediction(validated: Tensor, predicted: Tensor, labels: Tensor, shares: Tensor) -> Prediction:
    """A probe's prediction.

    Args:
        validated: balanced logits of the validation rows, float [m, classes].
        predicted: balanced logits of the measured rows, float [n, classes].
        labels: labels of the validation rows, int64 [m].
        shares: class shares of the training rows, float [classes].
    """
    scale = _temperature(validated, labels, shares.log())
    natural = (predicted / scale + shares.log()).log_softmax(dim=1)
    return Prediction(predicted.numpy(), natural.numpy())


def _learn_classical(
    model: Classical,
    labels: np.ndarray,
    shares: np.ndarray,
    training: ReducedRows,
    validation: ReducedRows,
    seed: int,
) -> Predict:
    """Trains a classical adversary; returns a function from reduced rows to balanced logits, float32."""
    predict = model.learn(
        TrainingSet(
            rows=training.values[model.reduce],
            labels=labels[training.rows],
            validation=validation.values[model.reduce],
            validation_labels=labels[validation.rows],
            shares=shares,
            seed=seed,
        )
    )
    return lambda rows: predict(rows).astype(np.float32)


def _shares(labels: Tensor, classes: int) -> Tensor:
    """Share of each class, float [classes]; add-one smoothing keeps the logarithm of an absent class finite."""
    counts = torch.bincount(labels, minlength=classes).float() + 1
    return counts / counts.sum()


def _temperature(logits: Tensor, labels: Tensor, prior: Tensor) -> float:
    """The temperature with the lowest cross-entropy on the validation rows, one of TEMPERATURES."""
    losses = [F.cross_entropy(logits / scale + prior, labels) for scale in TEMPERATURES]
    return float(TEMPERATURES[int(torch.stack(losses).argmin())])
