"""How often intervals hold the truth in one cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from simulations.benchmarks.coverage.holdouts import Cell, Holdout, draw, gap_of, pooled_gap, truth
from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Prediction
from tiprdc_fl.evaluation.intervals import Interval, people_of
from tiprdc_fl.evaluation.paired import RowPredictions, paired_difference
from tiprdc_fl.evaluation.scores import measure, measure_people

FIGURES = ("balanced_accuracy", "accuracy", "roc_auc", "tpr_at_1_fpr", "per_person", "difference")
WANTED = (0.93, 0.97)
FEWEST_RUNS = 100  # with a figure: fewer say nothing of how often
FEWEST_HITS = 10.0  # of a count: the coverage of a smaller one moves in steps of whole counts
ERRORS = 3.0  # standard errors that a simulation may be off by


@dataclass(frozen=True)
class Coverage:
    """A figure's intervals in one cell.

    Attributes:
        cell: the cell.
        figure: one of FIGURES.
        runs: simulated holdout sets that have the figure.
        held: share of their intervals that hold the truth.
        width: mean length of the intervals.
        counts: whether the figure is a count of a few, whose coverage moves in steps: then too high is not wrong.
    """

    cell: Cell
    figure: str
    runs: int
    held: float
    width: float
    counts: bool

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of ``held``."""
        return float(np.sqrt(max(self.held * (1 - self.held), 0.25 / self.runs) / self.runs))

    @property
    def outside(self) -> bool:
        """Whether it is outside WANTED by more than ERRORS standard errors of a coverage at the limit."""
        least, most = WANTED
        if self.held > most:
            return not self.counts and self.held - most > ERRORS * np.sqrt(most * (1 - most) / self.runs)
        return bool(least - self.held > ERRORS * np.sqrt(least * (1 - least) / self.runs))


def coverage_of(
    cell: Cell, runs: int, correlation: float, seed: int, on_run: Callable[[], None]
) -> list[Coverage]:
    """Simulates a cell.

    Args:
        cell: the cell.
        runs: holdout sets to simulate.
        correlation: of two scores of one person, within [0, 1).
        seed: of the simulation.
        on_run: called after each set.
    """
    generator = seeding.generator(seed, "coverage", cell.words)
    known, gaps = truth(cell), (gap_of(cell.accuracy), pooled_gap(cell.accuracy, correlation))
    widths: dict[str, list[float]] = {name: [] for name in FIGURES}
    held: dict[str, int] = dict.fromkeys(FIGURES, 0)
    for _ in range(runs):
        for name, figure in _figures(draw(cell, correlation, generator), cell, *gaps).items():
            if figure is not None and figure.low is not None and figure.high is not None:
                widths[name].append(figure.high - figure.low)
                held[name] += figure.low - 1e-12 <= known[name] <= figure.high + 1e-12
        on_run()
    return [
        Coverage(
            cell=cell,
            figure=name,
            runs=len(widths[name]),
            held=held[name] / len(widths[name]),
            width=float(np.mean(widths[name])),
            counts=cell.rarest * _deciding(name, cell) < FEWEST_HITS,
        )
        for name in FIGURES
        if len(widths[name]) >= FEWEST_RUNS
    ]


def _deciding(figure: str, cell: Cell) -> float:
    """Share of the rarer class that decides a figure which a few may decide; infinite for others."""
    if figure == "tpr_at_1_fpr":
        return truth(cell)[figure]
    return 2 * cell.accuracy * (1 - cell.accuracy) if figure == "difference" else float("inf")


def _figures(holdout: Holdout, cell: Cell, gap: float, pooled: float) -> Mapping[str, Interval | None]:
    """The figures of one holdout set."""
    people, logits = people_of(holdout.person), holdout.logits(gap)
    figures: dict[str, Interval | None] = {
        name: figure
        for name, figure in vars(measure(Prediction(logits, logits), holdout.labels, people)).items()
        if name in FIGURES
    }
    if cell.trait:
        averaged = holdout.logits(pooled)
        figures["per_person"] = measure_people(Prediction(averaged, averaged), holdout.labels, people)
    sides = [RowPredictions(holdout.person, holdout.labels, holdout.logits(gap, probe)) for probe in range(2)]
    figures["difference"] = paired_difference(sides[0], sides[1], pooled=False)
    return figures
