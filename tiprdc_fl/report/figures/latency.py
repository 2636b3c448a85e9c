"""Latencies, measured on this host and modelled of device classes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tiprdc_fl.report.figures.strategy import column
from tiprdc_fl.report.schema import MeasuredLatency, ModelledLatency, Quantiles
from tiprdc_fl.store.layout import STAGES

QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


def measured_latency(contributions: pa.Table) -> MeasuredLatency:
    """Percentiles over contributors of the seconds that each stage took on this host."""
    seconds = {stage: column(contributions, f"{stage}_seconds") for stage in STAGES}
    return MeasuredLatency(**{stage: percentiles(values) for stage, values in seconds.items()})


def modelled_latency(
    stages: Mapping[str, np.ndarray], groups: Sequence[str], titles: Sequence[str]
) -> dict[str, ModelledLatency]:
    """Percentiles over all contributors of a device class, asked or not, of the seconds of each stage and of all.

    They do not depend on the strategy, and include no queueing.

    Args:
        stages: name -> seconds of each contributor.
        groups: class of each contributor.
        titles: of all classes; those that nobody has are left out.
    """
    classes, modelled = np.array(groups, object), {}
    for title in titles:
        mine = classes == title
        if mine.any():
            whole = np.sum([seconds[mine] for seconds in stages.values()], axis=0)
            parts = {name: percentiles(seconds[mine]) for name, seconds in stages.items()}
            modelled[title] = ModelledLatency(**parts, total=percentiles(whole))
    return modelled


def latency_cdf(
    seconds: np.ndarray, groups: Sequence[str], titles: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    """Seconds of all contributors of a device class at the quantiles 0, 1, ..., 100 %."""
    everybody, grid = np.array(groups, object), np.linspace(0, 1, 101)
    present = [title for title in titles if (everybody == title).any()]
    return {title: tuple(np.quantile(seconds[everybody == title], grid).tolist()) for title in present}


def percentiles(values: np.ndarray) -> Quantiles:
    """The QUANTILES of some numbers."""
    parts = np.quantile(values, list(QUANTILES.values())).tolist()
    return Quantiles(**dict(zip(QUANTILES, parts, strict=True)))
