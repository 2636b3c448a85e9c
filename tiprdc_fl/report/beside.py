"""What other protections would have given away and kept, in sentences."""

from collections.abc import Iterator

from tiprdc_fl.report.queries import beside, pooled_row, strongest
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.words import probe_name, readable, share


def instead(report: Report, attribute: str) -> Iterator[str]:
    """How well an attribute is inferred from what each other protection would have sent, a sentence each."""
    for name in beside(report.results):
        best = strongest(report.results, attribute, name)
        if best is None:
            continue
        pooled = pooled_row(report.results, attribute, name)
        of_people = "" if pooled is None else f", per person {share(pooled.per_person)}"
        figure, by = share(best.balanced_accuracy), probe_name(best)
        yield f"With {readable(name)} instead: {figure} by the {by}{of_people}."
