"""What no adversary can exceed, in sentences."""

import math
from collections.abc import Iterator, Sequence

from tiprdc_fl.report.schema import CertificateResult, Report
from tiprdc_fl.report.words import in_order, title_of

COVERS = {
    "code": "from one code",
    "code+labels": "from one code with its task labels and about how many examples there are",
}


def certified(report: Report, attribute: str) -> Iterator[str]:
    """What is certified of a private attribute, a sentence for each protection that sends codes."""
    own = [row for row in report.certificates if row.attribute == attribute]
    for kind in in_order(row.representation for row in own):
        yield _certified(attribute, kind, [row for row in own if row.representation == kind])


def _certified(attribute: str, representation: str, found: Sequence[CertificateResult]) -> str:
    """The certificates of one representation."""
    name = (
        attribute if representation == "features" else f"{attribute}, with {title_of(representation)} instead"
    )
    sure = 100 * (1 - found[0].delta)
    parts = "; ".join(f"{COVERS[row.covers]} {_bound(row)}" for row in found)
    return (
        f"{name}: with {sure:g} % certainty each, no adversary's balanced accuracy of a new person exceeds: "
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
