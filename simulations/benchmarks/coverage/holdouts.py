"""Simulated holdout people, and a probe of which every figure is known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import root_scalar
from scipy.special import ndtr, ndtri

from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE

PEOPLE = (30, 66, 200, 1000)
SHARES = (0.016, 0.05, 0.2, 0.5)
ACCURACIES = (0.5, 0.7, 0.9)  # 0.5: nothing leaks
EACH = np.arange(5, 21)  # examples of a person, as likely as one another
FALSE_POSITIVES = 0.01


@dataclass(frozen=True)
class Cell:
    """One kind of holdout set and probe.

    Attributes:
        people: how many.
        share: of positives.
        trait: whether all examples of a person have one label; else each has its own.
        accuracy: the probe's balanced accuracy; over people for the figure per person.
    """

    people: int
    share: float
    trait: bool
    accuracy: float

    @property
    def rarest(self) -> float:
        """People with an example of the rarer class, on average."""
        return self.people * (self.share if self.trait else float((1 - (1 - self.share) ** EACH).mean()))

    @property
    def words(self) -> str:
        """Such as "66 people, 20 % positive, trait, probe of 70 %"."""
        kind = "trait" if self.trait else "varies"
        return f"{self.people:,} people, {100 * self.share:g} % positive, {kind}, {100 * self.accuracy:.0f} %"


def cells() -> Iterator[Cell]:
    """All cells that have a figure: FEWEST_PEOPLE people of the rarer class, on average."""
    for people in PEOPLE:
        for share in SHARES:
            for trait in (True, False):
                for accuracy in ACCURACIES:
                    cell = Cell(people, share, trait, accuracy)
                    if cell.rarest >= FEWEST_PEOPLE - 1e-9:
                        yield cell


@dataclass(frozen=True)
class Holdout:
    """Rows of holdout people.

    Attributes:
        person: of each row, int64 [rows].
        labels: int64 [rows].
        noise: of two probes' scores, normal with variance 1, float [2, rows].
    """

    person: np.ndarray
    labels: np.ndarray
    noise: np.ndarray

    def logits(self, gap: float, probe: int = 0) -> np.ndarray:
        """Balanced logits of a probe whose scores the label moves by ``gap`` either way, float [rows, 2]."""
        scores = self.noise[probe] + gap * (2 * self.labels - 1)
        return np.stack([np.zeros(len(scores)), scores], axis=1)


def draw(cell: Cell, correlation: float, generator: np.random.Generator) -> Holdout:
    """A holdout set; two scores of one person have that correlation, and two probes share half their variance."""
    each = generator.choice(EACH, cell.people)
    person = np.repeat(np.arange(cell.people), each)
    units = cell.people if cell.trait else len(person)
    labels = (generator.random(units) < cell.share).astype(np.int64)
    parts = [
        np.sqrt(correlation) * generator.normal(size=cell.people)[person]
        + np.sqrt(1 - correlation) * generator.normal(size=len(person))
        for _ in range(3)
    ]
    noise = np.sqrt(0.5) * np.stack([parts[0] + parts[1], parts[0] + parts[2]])
    return Holdout(person, labels[person] if cell.trait else labels, noise)


def gap_of(accuracy: float) -> float:
    """What the label must move scores by for that balanced accuracy."""
    return float(ndtri(accuracy))


def pooled_gap(accuracy: float, correlation: float) -> float:
    """What the label must move scores by for that balanced accuracy of the mean score of a person."""
    spread = np.sqrt(correlation + (1 - correlation) / EACH)
    solved = root_scalar(lambda gap: float(ndtr(gap / spread).mean()) - accuracy, bracket=(-10, 10))
    return float(solved.root)


def truth(cell: Cell) -> dict[str, float]:
    """The true figures of the cell's probe."""
    gap = gap_of(cell.accuracy)
    return {
        "accuracy": cell.accuracy,
        "balanced_accuracy": cell.accuracy,
        "roc_auc": float(ndtr(np.sqrt(2) * gap)),
        "tpr_at_1_fpr": float(1 - ndtr(ndtri(1 - FALSE_POSITIVES) - 2 * gap)),
        "per_person": cell.accuracy,
        "difference": 0.0,
    }
