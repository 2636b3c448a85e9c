"""What no adversary can exceed, in sentences."""

import math
from collections.abc import Iterator

from tiprdc_fl.report.schema import CertificateResult, Report

COVERS = {
    "code": "from one code",
    "code+labels": "from one code with its task labels and about how many examples there are",
}


def certified(report: Report, attribute: str) -> Iterator[str]:
    """What is certified of a private attribute, in a sentence; none where the protection sends no codes."""
    found = [row for row in report.certificates if row.attribute == attribute]
    if not found:
        return
    sure = 100 * (1 - found[0].delta)
    parts = "; ".join(f"{COVERS[row.covers]} {_bound(row)}" for row in found)
    yield (
        f"{attribute}: with {sure:g} % certainty each, no adversary's balanced accuracy of a new person exceeds: "
        f"{parts}. Over {sum(found[0].people):,} contributors with one code each; sizes, times and further codes "
        "of a person are not covered."
    )


def _bound(row: CertificateResult) -> str:
    if row.certified >= 1:
        return "100 %, which says nothing"
    return f"{_up(row.certified)} % ({_up(row.measured)} on those measured)"


def _up(share: float) -> str:
    """A bound in %, never below itself."""
    return f"{math.ceil(1000 * share) / 10:.1f}"
