"""The finished study ``instrument``: its table, and what it says in a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from simulations.benchmarks.instrument.measured import Measured, Size
from simulations.common.figures import Column, Row, Span, combine
from simulations.common.sweeps import as_span
from tiprdc_fl.evaluation.intervals import Interval

FURTHER = "further"  # what the table calls a case that does not count


@dataclass(frozen=True)
class Outcome:
    """The finished study.

    Attributes:
        name: of the size.
        size: how much the probes had to learn from.
        measured: every case with every seed.
    """

    name: str
    size: Size
    measured: Sequence[Measured]

    @property
    def seeds(self) -> list[int]:
        """The seeds it was repeated with."""
        return list(dict.fromkeys(case.seed for case in self.measured))

    @property
    def probes(self) -> list[str]:
        """Keys of ATTACKS."""
        return list(dict.fromkeys(result.probe for case in self.measured for result in case.results))

    @property
    def columns(self) -> list[Column]:
        """Of the table."""
        return [
            Column("name", "case", "label", terminal=False),
            Column("case", "what tells the classes apart", "label"),
            Column("modality", "modality", "label", terminal=False),
            Column("further", "", "label"),
            Column("bayes", "Bayes", brief=True),
            Column("strongest", "strongest\nprobe", "note"),
            Column("figure", "its figure"),
            Column("gap", "gap in\npoints", "number"),
            *(Column(probe, probe, brief=True) for probe in self.probes),
            Column("steps", "its\nsteps", "count"),
            Column("unconverged", "not converged", "note"),
            Column("seconds", "seconds", "count"),
        ]

    @property
    def rows(self) -> list[Row]:
        """Of the table; of several seeds the means."""
        by_seed = [[_row(case) for case in self.measured if case.seed == seed] for seed in self.seeds]
        return combine(self.columns, by_seed)

    @property
    def blind(self) -> list[Row]:
        """The rows of which the strongest probe misses the Bayes accuracy by more than the tolerance."""
        return [row for row in self.rows if not self._within(row)]

    def _within(self, row: Row) -> bool:
        gap = as_span(row["gap"]).value
        return gap is not None and gap <= 100 * self.size.tolerance

    def counted(self, modality: str) -> tuple[int, int]:
        """How many cases of a modality are within the tolerance, and how many there are, without further ones."""
        rows = [row for row in self.rows if row["modality"] == modality and row["further"] != FURTHER]
        return sum(map(self._within, rows)), len(rows)


def _row(measured: Measured) -> Row:
    best = measured.strongest
    probes: Row = {result.probe: _span(result.balanced_accuracy) for result in measured.results}
    unconverged = [result.probe for result in measured.results if not result.converged]
    return {
        "name": measured.name,
        "case": measured.case.label,
        "modality": measured.case.modality,
        "further": FURTHER if measured.case.further else "",
        "bayes": Span(measured.case.bayes),
        "strongest": best.probe,
        "figure": _span(best.balanced_accuracy),
        "gap": Span(100 * measured.gap),
        **probes,
        "steps": None if best.steps is None else float(best.steps),
        "unconverged": ", ".join(unconverged),
        "seconds": measured.seconds,
    }


def _span(figure: Interval) -> Span:
    return Span(figure.value, figure.low, figure.high)
