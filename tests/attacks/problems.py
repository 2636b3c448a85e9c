"""Rows with known classes, for the tests of probes."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Key, Prediction, Rows, Source, Trial, probe_each
from tiprdc_fl.attacks.problem import Answer, Problem
from tiprdc_fl.attacks.reduced import Reduced, standardised


def problem_of(labels: np.ndarray, classes: int = 2, attribute: str = "A", seed: int = 0) -> Problem:
    """A problem that learns from four of five rows; every fifth validates."""
    rows = np.arange(len(labels))
    return Problem(attribute, "contributors", classes, labels, rows[rows % 5 > 0], rows[rows % 5 == 0], seed)


def reduced_of(learned: np.ndarray, measured: np.ndarray | None = None) -> Reduced:
    """Standardised rows."""
    parts = (learned, learned if measured is None else measured)
    return standardised(*(torch.tensor(part, dtype=torch.float32) for part in parts))


def accuracy(answer: Answer, labels: np.ndarray) -> float:
    """Mean recall of the classes among the measured rows."""
    right = answer.measured.argmax(axis=1) == labels
    return float(np.mean([right[labels == value].mean() for value in np.unique(labels)]))


def rows_of(labels: np.ndarray, x: Tensor, first_person: int = 0, per_person: int = 4, **more) -> Rows:
    """Rows of people with equally many examples."""
    people = first_person + np.arange(len(labels)) // per_person
    return Rows(lambda chosen: x[chosen], people, {"A": labels, **more})


def drawn(seed: int, count: int, share: float, gap: float, size: int = 8, **place) -> Rows:
    """Gaussian inputs whose first coordinate stands ``gap`` standard deviations higher for class 1."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(count) < share).astype(np.int64)
    x = generator.normal(size=(count, size)).astype(np.float32)
    x[:, 0] += gap * labels
    return rows_of(labels, torch.from_numpy(x), **place)


def probe(
    candidates: Mapping[str, Candidate],
    rows: Rows,
    measured: Rows,
    fit: Fit,
    sources: Mapping[str, Source] | None = None,
    on_probe: Callable[[], None] = lambda: None,
) -> dict[Key, Prediction]:
    """The predictions of one trial; without sources everybody's labels are the contributors'."""
    everybody = {"contributors": Source(np.arange(len(rows.people)), tuple(rows.labels))}
    return probe_each({"": Trial(candidates, rows, measured, sources or everybody)}, fit, on_probe)[""]
