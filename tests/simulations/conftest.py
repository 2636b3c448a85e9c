from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tiprdc_fl.evaluation.bootstrap import Interval
from tiprdc_fl.evaluation.results import Result


@dataclass(frozen=True)
class Chosen(Result):
    validation: float | None = None
    validation_per_person: float | None = None
    steps: int | None = None
    last_doubling: float | None = None
    converged: bool = True


@pytest.fixture
def results() -> Callable[..., Result]:
    """Makes the result of a probe from its figures on validation people and on others."""

    def make(probe: str, validation: float, value: float = 0.5, steps: int | None = None, converged=True):
        figure = Interval(value, value - 0.02, value + 0.02)
        return Chosen(
            attribute="class",
            representation="features",
            probe=probe,
            learned_from="contributors",
            accuracy=figure,
            balanced_accuracy=figure,
            roc_auc=figure,
            usable_bits=figure,
            per_person=figure,
            learned_people=800,
            learned_examples=16_000,
            measured_people=400,
            measured_examples=8000,
            validation=validation,
            validation_per_person=validation,
            steps=steps,
            converged=converged,
        )

    return make
