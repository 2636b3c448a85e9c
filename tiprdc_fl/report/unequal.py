"""Who is served worst and who is exposed most, in a line or two for each attribute."""

from collections.abc import Iterator, Sequence
from typing import Any

from tiprdc_fl.report.words import percent

Rows = Sequence[dict[str, Any]]


def unequal(report: dict[str, Any], attribute: str) -> Iterator[str]:
    """Sentences on the groups and the tenth of the people that are worst off; none where nothing is defined."""
    rows = [row for row in report["groups"] if row["attribute"] == attribute]
    by_device, by_attribute = (
        worst_group(
            [row for row in rows if row["group_by"] != attribute and (row["group_by"] == "device") == which]
        )
        for which in (True, False)
    )
    found = [
        f"{kind}{row['group']} {percent(row)}"
        for kind, row in (("", by_attribute), ("device ", by_device))
        if row is not None
    ]
    if found:
        private = rows[0]["role"] == "private"
        yield f"  {'Most exposed' if private else 'Worst served'} group: {', '.join(found)}."
    for row in report["worst_off"]:
        if row["attribute"] == attribute and row["worst_tenth"]["value"] is not None:
            yield _tenth(row)


def worst_group(rows: Rows) -> dict[str, Any] | None:
    """The group with the least balanced accuracy, of a private attribute with the most; None of fewer than two."""
    known = [row for row in rows if row["balanced_accuracy"]["value"] is not None]
    if len(known) < 2:
        return None
    sign = -1 if known[0]["role"] == "private" else 1
    return min(known, key=lambda row: sign * row["balanced_accuracy"]["value"])


def _tenth(row: dict[str, Any]) -> str:
    """The tenth of the people that are worst off."""
    share, mean = percent(row, "worst_tenth"), percent(row, "mean")
    expected, most = 100 * row["expected_worst_tenth"], "at least" if row["role"] == "private" else "at most"
    return (
        f"  Of a tenth of the people {most} {share} % of their examples are inferred correctly, on average "
        f"{mean} %; if people did not differ, of a tenth {most} {expected:.1f} %."
    )
