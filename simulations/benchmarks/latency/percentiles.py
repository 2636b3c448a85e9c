"""Times of stages, and what tables and files say of them."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

QUANTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": 100}


def percentiles(values: np.ndarray) -> dict[str, float]:
    """The five figures of some values; the 99th percentile of fewer than a hundred is near their maximum."""
    figures = np.percentile(values, list(QUANTILES.values())).tolist()
    return dict(zip(QUANTILES, figures, strict=True))


def with_total(stages: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Stages with their sum, ``total``: percentiles of stages do not add up to it."""
    return {**stages, "total": np.sum(list(stages.values()), axis=0)}


def cells(figures: Mapping[str, Mapping[str, float]], scale: float = 1.0) -> Iterator[str]:
    """The median of each stage, and all five figures of the total, for the terminal.

    Args:
        figures: stage -> its percentiles; ``total`` is the last one.
        scale: that figures are multiplied by.
    """
    yield from (number(scale * figures[stage]["p50"]) for stage in figures if stage != "total")
    yield from (number(scale * figures["total"][name]) for name in QUANTILES)


def titles(stages: Sequence[str], unit: str) -> list[str]:
    """Names of the columns that ``cells`` fills."""
    medians = [f"{stage}\np50 {unit}" for stage in stages if stage != "total"]
    return [*medians, *(f"total\n{name} {unit}" for name in QUANTILES)]


def number(value: float) -> str:
    """Three digits, and whole ones from 100 on."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
