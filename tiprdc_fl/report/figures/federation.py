"""What the federation did: contributors, bytes and seconds."""

from collections.abc import Collection
from typing import Any, cast

import numpy as np
import pyarrow as pa

from tiprdc_fl.federation.collector import Collected
from tiprdc_fl.report.schema import Failure, FederationFigures, Percentiles, SecondsPerContributor
from tiprdc_fl.store.layout import STAGES

MOST_FAILURES = 100  # that the report names


def federation_figures(
    contributions: pa.Table,
    asked: Collection[int],
    accepted: Collection[int],
    collected: Collected,
    withdrawn: Collection[int],
    engine: str,
    mode: str,
) -> FederationFigures:
    """What the federation did, over all sessions of the run.

    Args:
        contributions: a row for each stored contribution, see ``per_contributor``.
        asked: ids of the contributors asked on the virtual clock.
        accepted: ids of those whose answers count there.
        collected: what became of the collection in the last session.
        withdrawn: ids of the contributors who have withdrawn; they count in no other number.
        engine: "flower" or "inline".
        mode: "throughput" or "latency".
    """
    examples = int(sum(contributions.column("examples").to_pylist()))
    sent = int(sum(contributions.column("sent_bytes").to_pylist()))
    raw = int(sum(contributions.column("raw_bytes").to_pylist()))
    failed = [failure for failure in collected.failures if failure.contributor not in withdrawn]
    withdrawn_ids, everybody = set(withdrawn), set(asked)
    answered = len(set(accepted) - withdrawn_ids - {failure.contributor for failure in failed})
    return FederationFigures(
        engine=cast(Any, engine),  # the model checks the choices
        mode=cast(Any, mode),
        asked=len(everybody | withdrawn_ids),
        answered=answered,
        failed=len(failed),
        unanswered=len(everybody - withdrawn_ids) - answered - len(failed),
        withdrawn=len(withdrawn_ids),
        failures=tuple(Failure.model_validate(failure) for failure in failed[:MOST_FAILURES]),
        examples=examples,
        sent_bytes=sent,
        sent_bytes_per_example=sent / max(1, examples),
        raw_bytes_per_example=raw / max(1, examples),
        sent_to_raw_ratio=sent / max(1, raw),
        examples_per_second=collected.examples / collected.seconds if collected.seconds else None,
        asked_again=collected.asked_again,
        seconds_per_contributor=_seconds(contributions),
    )


def per_contributor(keys: pa.Table) -> pa.Table:
    """A row for each contributor of a store's ``keys``: examples, bytes, and seconds of each stage."""
    stages = [f"{stage}_seconds" for stage in STAGES]
    table = keys.group_by("contributor", use_threads=False).aggregate(
        [("row", "count"), ("raw_bytes", "sum"), ("sent_bytes", "max"), *((stage, "max") for stage in stages)]
    )
    names = {"row_count": "examples", "raw_bytes_sum": "raw_bytes", "sent_bytes_max": "sent_bytes"}
    names |= {f"{stage}_max": stage for stage in stages}
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def _seconds(contributions: pa.Table) -> SecondsPerContributor:
    """Percentiles over contributors of each stage, and of all of them together ("extraction")."""
    seconds = {stage: contributions.column(f"{stage}_seconds").to_numpy() for stage in STAGES}
    seconds["extraction"] = np.sum([seconds[stage] for stage in STAGES[1:]], axis=0)
    return SecondsPerContributor(**{name: _percentiles(values) for name, values in seconds.items()})


def _percentiles(values: np.ndarray) -> Percentiles:
    """Percentiles of seconds, float [contributors], at least one."""
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).tolist()
    return Percentiles(p50=p50, p95=p95, p99=p99, max=float(values.max()))
