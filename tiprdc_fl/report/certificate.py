"""What no adversary can exceed, in sentences."""

import math
from collections.abc import Iterator

from tiprdc_fl.report.schema import CertificateResult, Report

COVERS = {
    "code": "from one code",
    "code+labels": "from one code with the task labels and the number of examples beside it",
}


def certified(report: Report, attribute: str) -> Iterator[str]:
    """What is certified of a private attribute, in a sentence; none where the protection sends no codes."""
    found = [row for row in report.certificates if row.attribute == attribute]
    if not found:
        return
    sure = 100 * (1 - found[0].delta)
    parts = "; ".join(
        f"{COVERS[row.covers]} {_up(row.certified)} ({_up(row.measured)} here)" for row in found
    )
    yield f"{attribute}: no adversary exceeds, with {sure:g} % certainty each: {parts}, over {_people(found[0])}."


def _people(row: CertificateResult) -> str:
    return f"{sum(row.people):,} contributors with one item each"


def _up(share: float) -> str:
    """A bound in %, never below itself."""
    return f"{math.ceil(1000 * share) / 10:.1f}"
