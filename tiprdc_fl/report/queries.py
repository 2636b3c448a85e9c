"""Questions that several readers put to a report: the strongest probe, the headline, shares of groups."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

from tiprdc_fl.report.schema import CurvePoint, GroupResult, ProbeResult, Report, WorstOffResult
from tiprdc_fl.report.words import TITLES, in_order

WIDEST = ("both", "informed")  # the sources of labels that hold the others
Row = TypeVar("Row", ProbeResult, CurvePoint)


def highest(rows: Iterable[Row], figure: str = "balanced_accuracy") -> Row | None:
    """The row that does best on the validation people, among those that have a figure; None where none has it.

    Where probes learned from contributors and the collector's people together, one of these is chosen, informed or
    not: they have most labels, the controls learn from the same, and all were validated on the same people.

    Args:
        rows: to choose from.
        figure: "balanced_accuracy" or "per_person".
    """
    chosen_by = {"balanced_accuracy": "validation", "per_person": "validation_per_person"}[figure]
    defined = [row for row in rows if getattr(row, figure).value is not None]
    # Scores on different validation people do not compare: where somebody has everybody's labels, they count.
    known = [row for row in defined if getattr(row, "learned_from", None) in WIDEST] or defined
    return max(known, key=lambda row: _known(getattr(row, chosen_by)), default=None)


def _known(value: float | None) -> float:
    return -1.0 if value is None else value


def strongest(rows: Iterable[ProbeResult], attribute: str, representation: str) -> ProbeResult | None:
    """The strongest probe of examples, chosen on the validation people; None where no figure is defined."""
    wanted = (attribute, representation)
    return highest(row for row in rows if (row.attribute, row.representation) == wanted)


def pooled_row(
    rows: Iterable[ProbeResult], attribute: str, representation: str = "features"
) -> ProbeResult | None:
    """The strongest probe from all of a person's examples; None where no figure is defined."""
    wanted = (attribute, representation)
    return highest((row for row in rows if (row.attribute, row.representation) == wanted), "per_person")


def beside_floor(
    rows: Sequence[ProbeResult], attribute: str, per_person: bool
) -> Literal["features", "features+metadata"]:
    """What is set against the label floor: features, or with them what travels along.

    The two together count where validation people say that this is more; per person they have no figure.
    """
    alone, together = (strongest(rows, attribute, kind) for kind in ("features", "features+metadata"))
    if per_person or alone is None or together is None or together.balanced_accuracy.value is None:
        return "features"
    return "features+metadata" if _known(together.validation) >= _known(alone.validation) else "features"


def ranked(rows: Iterable[ProbeResult]) -> dict[str, list[ProbeResult]]:
    """Representation -> its probes, the strongest on the validation people first, probes of people last."""
    rows = list(rows)
    order = sorted(rows, key=lambda row: (-_known(row.validation), -_known(row.validation_per_person)))
    kinds = in_order(row.representation for row in rows)
    return {kind: [row for row in order if row.representation == kind] for kind in kinds}


def beside(rows: Iterable[ProbeResult]) -> list[str]:
    """Names of the other protections that were measured beside what was sent."""
    return [kind for kind in in_order(row.representation for row in rows) if kind not in TITLES]


def chance_of(rows: Iterable[ProbeResult], attribute: str) -> float:
    """Balanced accuracy of a blind guess: 1/(number of classes); of two classes where no figure is defined."""
    blind = strongest(rows, attribute, "majority")
    known = None if blind is None else blind.balanced_accuracy.value
    return 0.5 if known is None else known


def attributes_of(
    rows: Sequence[ProbeResult] | Sequence[WorstOffResult] | Sequence[GroupResult], role: str
) -> list[str]:
    """Names of the attributes of a role, in the order of the rows."""
    return list(dict.fromkeys(row.attribute for row in rows if row.role == role))


def worst_group(rows: Iterable[GroupResult]) -> GroupResult | None:
    """The group with the least balanced accuracy, of a private attribute with the most; None of fewer than two."""
    known = [(row.balanced_accuracy.value, row) for row in rows if row.balanced_accuracy.value is not None]
    if len(known) < 2:
        return None
    sign = -1 if known[0][1].role == "private" else 1
    return min(known, key=lambda pair: sign * pair[0])[1]


def headline(report: Report) -> dict[str, float]:
    """Balanced accuracy of the strongest probe on the features, for each attribute: leakage and utility."""
    figures = {}
    for row in report.results:
        best = strongest(report.results, row.attribute, "features")
        if best is not None and best.balanced_accuracy.value is not None:
            kind = "leakage" if row.role == "private" else "utility"
            figures[f"{kind}/{row.attribute}"] = best.balanced_accuracy.value
    return figures


def answered_shares(report: Report) -> dict[tuple[str, str], float]:
    """(what divides, group) -> share that was collected, of contributors for devices, else of examples."""
    groups = report.strategy.participation
    devices = {("device", row.group): row.answered / max(1, row.contributors) for row in groups.device}
    return devices | {
        (name, row.group): row.answered / max(1, row.examples)
        for name, rows in groups.attribute.items()
        for row in rows
    }
