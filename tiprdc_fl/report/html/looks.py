"""What figures of several sections share: attributes, chance, and how a representation looks."""

from typing import Any

from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.queries import strongest

# What a representation looks like in every figure: colour and marker.
LOOKS = {
    "features": (INKS["c1"], "o"),
    "random": (INKS["c5"], "s"),
    "raw": (INKS["c4"], "^"),
    "majority": (INKS["quiet"], "X"),
}


def names(report: dict[str, Any], role: str) -> list[str]:
    """Attributes of a role, in the order of the report."""
    return list(dict.fromkeys(row["attribute"] for row in report["results"] if row["role"] == role))


def chance(report: dict[str, Any], attribute: str) -> float:
    """Balanced accuracy of a blind guess, in %."""
    blind = strongest(report["results"], attribute, "majority")
    return 50.0 if blind is None else 100 * blind["balanced_accuracy"]["value"]
