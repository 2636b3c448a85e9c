"""Questions that several readers put to a report: the strongest probe, the headline, shares of groups."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tiprdc_fl.evaluation.results import Result

REPRESENTATIONS = ("features", "random", "raw", "majority")


def result_rows(results: Sequence[Result], private: Sequence[str]) -> list[dict[str, Any]]:
    """Results as the report has them, with the attribute's role."""
    return [
        {"role": "private" if result.attribute in private else "task", **asdict(result)} for result in results
    ]


def strongest(rows: Sequence[dict[str, Any]], attribute: str, representation: str) -> dict[str, Any] | None:
    """The probe with the highest balanced accuracy; None where the figure is not defined."""
    found = [
        row
        for row in rows
        if (row["attribute"], row["representation"]) == (attribute, representation)
        and row["balanced_accuracy"]["value"] is not None
    ]
    return max(found, key=lambda row: row["balanced_accuracy"]["value"], default=None)


def pooled_row(rows: Sequence[dict[str, Any]], attribute: str) -> dict[str, Any] | None:
    """The probe on features that does best from all of a person's examples; None where it is not defined."""
    found = [
        row
        for row in rows
        if (row["attribute"], row["representation"]) == (attribute, "features")
        and row["per_person"]["value"] is not None
    ]
    return max(found, key=lambda row: row["per_person"]["value"], default=None)


def headline(report: dict[str, Any]) -> dict[str, float]:
    """Balanced accuracy of the strongest probe on the features, for each attribute: leakage and utility."""
    found = {}
    for row in report["results"]:
        best = strongest(report["results"], row["attribute"], "features")
        if best is not None:
            kind = "leakage" if row["role"] == "private" else "utility"
            found[f"{kind}/{row['attribute']}"] = best["balanced_accuracy"]["value"]
    return found


def answered_shares(report: dict[str, Any]) -> dict[tuple[str, str], float]:
    """(what divides, group) -> share that was collected, of contributors for devices, else of examples.

    Empty where the report does not say.
    """
    if not report["strategy"]:
        return {}
    found = report["strategy"]["participation"]
    devices = {
        ("device", row["group"]): row["answered"] / max(1, row["contributors"]) for row in found["device"]
    }
    return devices | {
        (name, row["group"]): row["answered"] / max(1, row["examples"])
        for name, rows in found["attribute"].items()
        for row in rows
    }
