"""What a probe is asked, and what it answers: one attribute, from one source's labels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

LEAST_TOLERANCE, MOST_TOLERANCE = 0.01, 0.03  # of balanced accuracy


@dataclass(frozen=True)
class Problem:
    """One attribute to infer, by a probe that has one source's labels.

    Attributes:
        attribute: name of the attribute.
        source: name of the source, see ``Trial``.
        classes: number of values of the attribute.
        labels: label of each row, int64 [rows]. Only those of ``training`` and ``validation`` may be read.
        training: numbers of the rows to learn from, int64, ascending.
        validation: numbers of the rows of other people, on which settings are chosen, int64, ascending.
        seed: seed of the probe's random choices.
    """

    attribute: str
    source: str
    classes: int
    labels: np.ndarray
    training: np.ndarray
    validation: np.ndarray
    seed: int

    @property
    def key(self) -> tuple[str, str]:
        """Attribute and source."""
        return self.attribute, self.source

    @cached_property
    def shares(self) -> np.ndarray:
        """Share of each class among the training rows, float64 [classes].

        Add-one smoothing keeps the logarithm of an absent class finite.
        """
        counts = np.bincount(self.labels[self.training], minlength=self.classes) + 1
        return counts / counts.sum()

    def tolerance(self, score: float) -> float:
        """The largest gain by the last doubling of the steps at which a training has converged.

        One point of balanced accuracy, or the score's standard error where few validation rows decide: they cannot
        tell a smaller gain from chance. Three points are the most that a converged training may gain.
        """
        counts = np.bincount(self.labels[self.validation], minlength=self.classes)
        known = counts[counts > 0]
        error = float(np.sqrt(score * (1 - score) * (1 / known).sum()) / len(known))
        return min(max(LEAST_TOLERANCE, error), MOST_TOLERANCE)

    def score(self, logits: np.ndarray) -> float:
        """Balanced accuracy of logits [validation rows, classes] under balanced classes."""
        return balanced_accuracy(logits, self.labels[self.validation])


@dataclass(frozen=True)
class Answer:
    """Logits of a probe under balanced classes, and how its training ended.

    Attributes:
        validated: of the validation rows, float32 [m, classes].
        measured: of the measured rows, float32 [n, classes].
        steps: length of the training: batches, trees or iterations; None in closed form.
        last_doubling: what the last doubling of the steps brought on the validation rows, as a difference of
            balanced accuracies; None in closed form.
        converged: whether more steps would change little.
    """

    validated: np.ndarray
    measured: np.ndarray
    steps: int | None = None
    last_doubling: float | None = None
    converged: bool = True


def balanced_accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean recall of the classes that occur among the labels [n], by the largest of the logits [n, classes]."""
    right = logits.argmax(axis=1) == labels
    return float(np.mean([right[labels == value].mean() for value in np.unique(labels)]))


def last_of_best(scores: list[float]) -> int:
    """Position of the highest score; of equal ones the last."""
    return len(scores) - 1 - int(np.argmax(scores[::-1]))
