"""Figures of a study's table: read from reports, combined over seeds, made flat for CSV and JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from tiprdc_fl.report.queries import pooled_row, strongest
from tiprdc_fl.report.queries import worst_group as worst_row
from tiprdc_fl.report.schema import Interval, Report

LEVEL = 0.95


class Span(NamedTuple):
    """A figure with its 95 % interval, in the unit of its column; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


UNDEFINED = Span(None)
Cell = Span | float | str | None
Row = dict[str, Cell]

# How a column's cells are combined over seeds and written; see ``Column``.
_SPANS = ("percent", "number")
_FIXED = ("label", "paper")


@dataclass(frozen=True)
class Column:
    """One column of a study's table.

    Attributes:
        key: its name in CSV and JSON.
        title: its heading on the terminal.
        kind: "label" (text that tells rows apart), "note" (text), "paper" (the paper's figure, a share),
            "percent" (Span of shares, shown in %), "number" (Span), "count" (a number without interval).
        brief: whether the terminal leaves the interval out.
        terminal: whether the terminal shows it at all.
    """

    key: str
    title: str
    kind: str = "percent"
    brief: bool = False
    terminal: bool = True


def span(figure: Interval[float] | float | None) -> Span:
    """A report's figure, with or without an interval, as a Span."""
    if isinstance(figure, Interval):
        return Span(figure.value, figure.low, figure.high)
    return Span(figure)


def best(
    report: Report, attribute: str, figure: str = "balanced_accuracy", representation: str = "features"
) -> Span:
    """A figure of the strongest probe on what was sent: leakage or utility by its attribute's role."""
    row = strongest(report.results, attribute, representation)
    return UNDEFINED if row is None else span(getattr(row, figure))


def floor(report: Report, attribute: str) -> Span:
    """The label floor: leakage from what travels with the features alone; not defined where nobody measured it."""
    return best(report, attribute, representation="metadata")


def pooled(report: Report, attribute: str) -> Span:
    """Balanced accuracy over people of the best guess from all examples of a person together."""
    row = pooled_row(report.results, attribute)
    return UNDEFINED if row is None else span(row.per_person)


def of_people(report: Report, attribute: str, figure: str) -> Span:
    """A figure of the people worst off, such as "mean" or "worst_tenth", of the strongest probe."""
    rows = [row for row in report.worst_off if row.attribute == attribute]
    return span(getattr(rows[0], figure)) if rows else UNDEFINED


def worst_group(report: Report, attribute: str) -> tuple[Span, str]:
    """The group served worst, or exposed most, with its name; device classes and other attributes' values count."""
    rows = [row for row in report.groups if row.attribute == attribute and row.group_by != attribute]
    worst = worst_row(rows)
    return (UNDEFINED, "") if worst is None else (span(worst.balanced_accuracy), worst.group)


def reidentified(report: Report) -> Span:
    """Area under the ROC curve of telling whether two contributions come from one person."""
    wanted = ("features", "contribution")
    rows = [row for row in report.reidentification if (row.representation, row.unit) == wanted]
    return span(rows[0].roc_auc) if rows else UNDEFINED


def private_of(report: Report) -> list[str]:
    """The private attributes of a run."""
    return list(report.configuration.data.private or ())


def tasks_of(report: Report) -> list[str]:
    """The task attributes of a run."""
    return list(report.configuration.data.tasks or ())


def highest(spans: Sequence[Span]) -> Span:
    """The largest of the figures that are defined."""
    known = [span for span in spans if span.value is not None]
    return max(known, key=lambda span: span.value or 0.0, default=UNDEFINED)


def mean_span(spans: Sequence[Span]) -> Span:
    """The mean of the figures that are defined; its bounds are the mean bounds, at least as wide as its own.

    A figure of a study is undefined for the lack of people of a class, and then it is so in every case.
    """
    known = [span for span in spans if span.value is not None]
    if not known:
        return UNDEFINED
    parts = [[part for part in column if part is not None] for column in zip(*known, strict=True)]
    value, low, high = (float(np.mean(part)) if len(part) == len(known) else None for part in parts)
    return Span(value, low, high)


def over_seeds(values: Sequence[float | None]) -> Span:
    """Mean of one figure's values, one a seed, with Student's 95 % interval.

    Not defined where one of the seeds has no value: it would be a mean of fewer seeds than the caption says.
    """
    if None in values or len(values) < 2:
        return UNDEFINED
    known = np.array(values, float)
    mean = float(known.mean())
    half = float(stdtrit(len(known) - 1, (1 + LEVEL) / 2) * known.std(ddof=1) / np.sqrt(len(known)))
    return Span(mean, mean - half, mean + half)


def combine(columns: Sequence[Column], seeds: Sequence[Sequence[Row]]) -> list[Row]:
    """The rows of several seeds as one table: rows with the same labels become one.

    Args:
        columns: the table's.
        seeds: each seed's rows; of a single seed they stay as they are, with their intervals over people.
    """
    if len(seeds) == 1:
        return [dict(row) for row in seeds[0]]
    groups: dict[tuple[Cell, ...], list[Row]] = {}
    for row in (row for rows in seeds for row in rows):
        groups.setdefault(tuple(row.get(c.key) for c in columns if c.kind == "label"), []).append(row)
    return [
        {c.key: _combined(c, [row.get(c.key) for row in group]) for c in columns} for group in groups.values()
    ]


def _combined(column: Column, cells: Sequence[Any]) -> Cell:
    if column.kind in _FIXED:
        return cells[0]
    if column.kind == "note":
        return " / ".join(dict.fromkeys(str(cell) for cell in cells if cell))
    values = over_seeds([cell.value if isinstance(cell, Span) else cell for cell in cells])
    if column.kind == "percent":  # Student's interval knows nothing of 0 and 1
        values = Span(*(None if part is None else min(1.0, max(0.0, part)) for part in values))
    return values if column.kind in _SPANS else values.value


def flat(columns: Sequence[Column], row: Row) -> dict[str, float | str | None]:
    """A row with plain values: of a Span its value, and its bounds under ``key_low`` and ``key_high``."""

    def pairs() -> Iterator[tuple[str, float | str | None]]:
        for column in columns:
            cell = row.get(column.key)
            if column.kind in _SPANS:
                value, low, high = cell if isinstance(cell, Span) else UNDEFINED
                yield from zip(_names(column), (value, low, high), strict=True)
            else:
                yield column.key, cell if not isinstance(cell, Span) else cell.value

    return dict(pairs())


def flat_names(columns: Sequence[Column]) -> list[str]:
    """The keys of ``flat``, in order."""
    return [name for c in columns for name in (_names(c) if c.kind in _SPANS else [c.key])]


def _names(column: Column) -> list[str]:
    return [column.key, f"{column.key}_low", f"{column.key}_high"]
