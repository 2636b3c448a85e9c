"""Which probes still improved when their training ended, in sentences."""

from collections.abc import Iterator, Sequence

from tiprdc_fl.report.queries import attributes_of, beside, pooled_row, strongest
from tiprdc_fl.report.schema import ProbeResult, Report
from tiprdc_fl.report.words import in_order, points, probe_name, title_of

JUDGED = ("features", "metadata", "random", "raw")  # and other protections
PER_PERSON = ("features", "metadata")


def late_probes(report: Report) -> Iterator[str]:
    """Warnings of probes whose figures may be too low, the strongest ones first."""
    kinds = in_order([*JUDGED, *beside(report.results)])
    strongest_ones = [pair for kind in kinds for pair in _strongest(report, kind)]
    for where, row in strongest_ones:
        if not row.converged:
            yield f"{where}: the {probe_name(row)} {short(row, report.configuration.evaluation.steps)}"
    yield from _others(report, [row for _, row in strongest_ones])


def _strongest(report: Report, kind: str) -> Iterator[tuple[str, ProbeResult]]:
    """The strongest probes of a representation, with what they are the strongest of."""
    for attribute in (*attributes_of(report.results, "private"), *attributes_of(report.results, "task")):
        best = strongest(report.results, attribute, kind)
        if best is not None:
            yield f"{attribute}, {title_of(kind)}", best
        of_people = pooled_row(report.results, attribute, kind)
        if kind in PER_PERSON and of_people is not None and of_people is not best:
            yield f"{attribute}, {title_of(kind)}, per person", of_people


def short(row: ProbeResult, most: int) -> str:
    """That a probe had not converged, and what would help.

    Args:
        row: of the probe.
        most: steps that a network may take.
    """
    steps = "" if row.steps is None else f" after {row.steps:,} steps"
    gained = row.last_doubling
    more = "more may help" if gained is None else f"its last doubling brought {points(gained)} points"
    remedy = "; raise evaluation.steps" if row.steps is not None and row.steps >= most else ""
    return f"had not converged{steps}: {more}{remedy}"


def _others(report: Report, strongest_ones: Sequence[ProbeResult]) -> Iterator[str]:
    """Probes of the features that had not converged and are not the strongest."""
    probes = [row for row in report.results if row.representation == "features"]
    late = [row for row in probes if not row.converged and row not in strongest_ones]
    if late:
        names = ", ".join(dict.fromkeys(row.probe for row in late))
        most = report.configuration.evaluation.steps
        remedy = "; raise evaluation.steps" if any((row.steps or 0) >= most for row in late) else ""
        yield (
            f"{names} had not converged in {len(late)} of {len(probes)} probes of the features, none of them the "
            f"strongest: with more steps one may be{remedy}"
        )
