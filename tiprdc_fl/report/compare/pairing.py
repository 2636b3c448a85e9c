"""Differences of runs that measured the same rows of the same holdout people."""

from collections.abc import Mapping, Sequence
from math import isclose

from tiprdc_fl.evaluation.intervals import Interval
from tiprdc_fl.evaluation.paired import RowPredictions, figure_of, paired_difference
from tiprdc_fl.report.schema import ShareFigure

_ROUNDING = 1e-6  # float32 logits that tie

Predictions = Mapping[str, RowPredictions]
"""Of a run, by attribute."""


def pairs(
    attribute: str,
    pooled: bool,
    figures: Sequence[ShareFigure | None],
    predictions: Sequence[Predictions],
) -> list[Interval | None]:
    """The difference of every run but the first to the first, paired; None where that cannot be.

    Args:
        attribute: whose figures are compared.
        pooled: whether the figures are over people, from all of their rows.
        figures: of the runs, as their reports have them.
        predictions: of the runs.
    """
    rows = [
        _of_figure(run.get(attribute), pooled, figure)
        for run, figure in zip(predictions, figures, strict=True)
    ]
    first, *others = rows
    return [
        None if first is None or other is None else paired_difference(other, first, pooled)
        for other in others
    ]


def _of_figure(
    predictions: RowPredictions | None, pooled: bool, figure: ShareFigure | None
) -> RowPredictions | None:
    """The predictions, if they are those that the report's figure was measured from."""
    if predictions is None or figure is None or figure.value is None:
        return None
    value = figure_of(predictions, pooled)
    return predictions if value is not None and isclose(value, figure.value, abs_tol=_ROUNDING) else None
