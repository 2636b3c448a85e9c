from collections.abc import Callable

import pytest

from tiprdc_fl.evaluation.intervals import Interval
from tiprdc_fl.evaluation.results import Result
from tiprdc_fl.evaluation.scores import Scores


@pytest.fixture
def results() -> Callable[..., Result]:
    """Makes the result of a probe from its figures on validation people and on others."""

    def make(
        probe: str,
        validation: float,
        value: float = 0.5,
        steps: int | None = None,
        converged: bool = True,
        attribute: str = "class",
    ) -> Result:
        figure = Interval(value, value - 0.04, value + 0.04)
        return Result(
            attribute=attribute,
            representation="features",
            probe=probe,
            learned_from="contributors",
            scores=Scores(balanced_accuracy=figure),
            per_person=figure,
            validation=validation,
            validation_per_person=validation,
            steps=steps,
            last_doubling=None if steps is None else 0.001,
            converged=converged,
            learned_people=800,
            learned_examples=16_000,
            measured_people=400,
            measured_examples=8000,
        )

    return make
