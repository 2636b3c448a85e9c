"""What is inferred of each holdout row, kept so that two runs on the same people are compared row by row."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.disk import reading, write_bytes
from tiprdc_fl.evaluation.intervals import Estimate, Interval, People, people_of
from tiprdc_fl.evaluation.scores import balanced_accuracy, enough_people, pool, recalls

_SAME = 1e-12  # variance of a difference that is none


@dataclass(frozen=True)
class RowPredictions:
    """The predictions behind an attribute's two headline figures.

    Attributes:
        people: person of each row, int64 [rows].
        labels: the truth, int64 [rows].
        single: logits under balanced classes of the probe that is strongest from one row, float32 [rows, classes].
        pooled: likewise of the probe that is strongest from all rows of a person; None where that is not defined.
    """

    people: np.ndarray
    labels: np.ndarray
    single: np.ndarray
    pooled: np.ndarray | None = None

    def units(self, pooled: bool) -> tuple[Prediction, np.ndarray, People] | None:
        """What is measured: rows with their people, or people; None where there is no such figure."""
        people = people_of(self.people)
        if not pooled:
            return Prediction(self.single, self.single), self.labels, people
        if self.pooled is None:
            return None
        logits, trait = pool(self.pooled, self.labels, people)
        return Prediction(logits, logits), trait, People(np.arange(people.count), people.count)


def save_predictions(path: Path, predictions: Mapping[str, RowPredictions]) -> None:
    """Writes a file of predictions by attribute; raises InputError where the disk refuses."""
    arrays: dict[str, np.ndarray] = {"attributes": np.array(list(predictions), dtype=str)}
    for number, row in enumerate(predictions.values()):
        for name, values in vars(row).items():
            if values is not None:
                kind = np.float32 if name in ("single", "pooled") else np.int64
                arrays[f"{number}.{name}"] = np.asarray(values, dtype=kind)
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)  # pyright: ignore[reportArgumentType]
    write_bytes(path, written.getvalue())


def load_predictions(path: Path) -> dict[str, RowPredictions]:
    """Predictions by attribute; none where there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    if not path.exists():
        return {}
    with reading(path), np.load(path, allow_pickle=False) as stored:
        parts = ("people", "labels", "single", "pooled")
        return {
            str(attribute): RowPredictions(
                **{part: stored[f"{number}.{part}"] for part in parts if f"{number}.{part}" in stored}
            )
            for number, attribute in enumerate(stored["attributes"])
        }


def figure_of(predictions: RowPredictions, pooled: bool) -> float | None:
    """Balanced accuracy of the predictions, over rows or (``pooled``) over people; None where not defined."""
    units = predictions.units(pooled)
    if units is None or not enough_people(units[1], units[2]):
        return None
    return balanced_accuracy(*units).value


def paired_difference(first: RowPredictions, second: RowPredictions, pooled: bool) -> Interval | None:
    """Balanced accuracy of the first less that of the second, with its interval over people.

    The two figures' intervals are put together with the correlation of the figures over people (Zou and Donner
    2008): what the same people move in both falls out.

    Args:
        first: predictions of rows.
        second: other predictions.
        pooled: whether the figures are over people, from all of their rows.

    Returns:
        None where the two are not of the same people and labels row by row, or a figure is not defined.
    """
    if not (np.array_equal(first.people, second.people) and np.array_equal(first.labels, second.labels)):
        return None
    sides = [predictions.units(pooled) for predictions in (first, second)]
    if sides[0] is None or sides[1] is None or not enough_people(*sides[0][1:]):
        return None
    if len(np.unique(sides[0][1])) < 2:
        return None
    figures = [balanced_accuracy(*side) for side in sides if side is not None]
    spreads = [_spread(recalls(*side)) for side in sides if side is not None]
    return _less(figures[0], figures[1], spreads[0], spreads[1])


def _spread(shares: list[Estimate]) -> np.ndarray:
    """Each person's part of the error of a mean of shares, float [people]."""
    return np.mean([share.spread for share in shares], axis=0)


def _less(first: Interval, second: Interval, a: np.ndarray, b: np.ndarray) -> Interval:
    """A difference of figures from their intervals and from people's parts of their errors."""
    values = [first.value, first.low, first.high, second.value, second.low, second.high]
    x, x_low, x_high, y, y_low, y_high = (0.0 if value is None else value for value in values)
    if (a - b) @ (a - b) < _SAME:
        return Interval(x - y, x - y, x - y)
    scale = np.sqrt((a @ a) * (b @ b))
    correlation = float(a @ b / scale) if scale > 0 else 0.0

    def length(one: float, other: float) -> float:
        return float(np.sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other)))

    return Interval(x - y, x - y - length(x - x_low, y_high - y), x - y + length(x_high - x, y - y_low))
