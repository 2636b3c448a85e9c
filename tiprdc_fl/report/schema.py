"""report.json: what it holds. ``report.schema.json`` beside this file documents every field."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from tiprdc_fl.evaluation import Result
from tiprdc_fl.store import STAGES

SCHEMA_VERSION = 4
REPRESENTATIONS = ("features", "random", "raw", "majority")
CAVEAT = (
    "Leakage is what the strongest adversary tried here could infer: a lower bound on what the features "
    "give away, never a guarantee. An adversary with another network, more labelled people or more time may "
    "do better."
)


def result_rows(results: Sequence[Result], private: Sequence[str]) -> list[dict[str, Any]]:
    """Results as the report has them, with the attribute's role."""
    return [
        {"role": "private" if result.attribute in private else "task", **asdict(result)} for result in results
    ]


def federation_figures(
    contributions: pa.Table,
    asked: Collection[int],
    accepted: Collection[int],
    collected: Mapping[str, Any],
    withdrawn: Collection[int],
    engine: str,
    mode: str,
) -> dict[str, Any]:
    """What the federation did, over all sessions of the run.

    Args:
        contributions: a row for each stored contribution, see ``per_contributor``.
        asked: ids of the contributors asked on the virtual clock.
        accepted: ids of those whose answers count there.
        collected: the fields of the last session's ``federation.collector.Collected``.
        withdrawn: ids of the contributors who have withdrawn; they count as nothing else.
        engine: "flower" or "inline".
        mode: "throughput" or "latency".
    """
    examples = int(sum(contributions.column("examples").to_pylist()))
    sent = int(sum(contributions.column("sent_bytes").to_pylist()))
    raw = int(sum(contributions.column("raw_bytes").to_pylist()))
    failed = [failure for failure in collected["failures"] if failure["contributor"] not in withdrawn]
    gone, everybody = set(withdrawn), set(asked)
    answered = len(set(accepted) - gone - {failure["contributor"] for failure in failed})
    return {
        "engine": engine,
        "mode": mode,
        "asked": len(everybody | gone),
        "answered": answered,
        "failed": len(failed),
        "unanswered": len(everybody - gone) - answered - len(failed),
        "withdrawn": len(gone),
        "failures": failed[:100],
        "examples": examples,
        "sent_bytes": sent,
        "sent_bytes_per_example": sent / max(1, examples),
        "raw_bytes_per_example": raw / max(1, examples),
        "sent_to_raw_ratio": sent / max(1, raw),
        "examples_per_second": collected["examples"] / collected["seconds"] if collected["seconds"] else None,
        "asked_again": collected["asked_again"],
        "seconds_per_contributor": _seconds(contributions),
    }


def per_contributor(keys: pa.Table) -> pa.Table:
    """A row for each contributor of a store's ``keys``: examples, bytes, and seconds of each stage."""
    stages = [f"{stage}_seconds" for stage in STAGES]
    table = keys.group_by("contributor", use_threads=False).aggregate(
        [("row", "count"), ("raw_bytes", "sum"), ("sent_bytes", "max"), *((stage, "max") for stage in stages)]
    )
    names = {"row_count": "examples", "raw_bytes_sum": "raw_bytes", "sent_bytes_max": "sent_bytes"}
    names |= {f"{stage}_max": stage for stage in stages}
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def _seconds(contributions: pa.Table) -> dict[str, dict[str, float]]:
    """Percentiles over contributors of each stage, and of all of them together ("extraction")."""
    seconds = {stage: contributions.column(f"{stage}_seconds").to_numpy() for stage in STAGES}
    seconds["extraction"] = np.sum([seconds[stage] for stage in STAGES[1:]], axis=0)
    return {name: _percentiles(values) for name, values in seconds.items()}


def _percentiles(values: np.ndarray) -> dict[str, float]:
    if not len(values):
        return {}
    p50, p95, p99 = np.percentile(values, [50, 95, 99])
    return {"p50": float(p50), "p95": float(p95), "p99": float(p99), "max": float(values.max())}


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


def protection_text(configuration: dict[str, Any]) -> str:
    """What the devices did before they sent, such as "hybrid, epsilon 0.5, 64 components"."""
    section, training = configuration["protection"], configuration["training"]
    if training["extractor"] is not None:
        return f"the extractor given as {training['extractor']}"
    settings = {
        "tiprdc": f"budget {training['budget']:g}",
        "encoder": f"trained on {section['encoder']}",
        "hybrid": f"epsilon {section['epsilon']:g}, {section['components']} components",
        "noisy": f"sigma {section['sigma']:g}",
        "dp": f"epsilon {section['epsilon']:g}",
        "random": "an extractor that was never trained",
        "raw": "nothing is hidden",
    }
    return f"{section['name']}, {settings[section['name']]}"


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
