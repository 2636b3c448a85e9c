"""What report.json says of a collection's course on the virtual clock: the strategy's cost, bias and latencies.

All of it is modelled, but for what is called measured.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tiprdc_fl.store import STAGES

POINTS = 200  # of a timeline
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
SHARES = (50, 90, 95, 99)  # percent of the answers, for how long these took
LOST = ("dropped", "silent", "unable", "failed")


def outcome_figures(requests: pa.Table, contributors: int, given_up: int, never_came: int) -> dict[str, int]:
    """How many contributors were asked and answered, and what became of the requests."""
    outcome = requests.column("outcome").to_pylist()
    asked = len(np.unique(_column(requests, "contributor")))
    return {
        "contributors": contributors,
        "asked": asked,
        "answered": outcome.count("answered"),
        "given_up": given_up,
        "never_came": never_came,
        "not_asked": contributors - asked,
        "requests": len(outcome),
        "lost": sum(map(outcome.count, LOST)),
        "late": outcome.count("late"),
        "cut": outcome.count("cut"),
        "duplicates": int(_column(requests, "twice").sum()),
    }


def cost_figures(requests: pa.Table, seconds: float) -> dict[str, Any]:
    """Modelled seconds until it was over, bytes that passed, bytes in vain, and seconds that devices computed.

    In vain are all bytes but those of the answers taken and of one extractor for each who answered.
    """
    down, up = (_column(requests, name) for name in ("down_bytes", "up_bytes"))
    twice, people = _column(requests, "twice").astype(bool), _column(requests, "contributor")
    taken = np.array(requests.column("outcome").to_pylist(), object) == "answered"
    both = int(down.sum() + up.sum() + up[twice].sum())
    own = np.isin(people, people[taken])
    order = np.lexsort((down[own], people[own]))  # the largest download of each who answered comes last
    last = np.append(np.diff(people[own][order]) != 0, True)[: len(order)]
    useful = int(up[taken].sum() + down[own][order][last].sum())
    ended = np.sort(_column(requests, "ended")[taken])
    return {
        "seconds": seconds,
        "seconds_to_share": {
            f"p{share}": float(ended[-(-len(ended) * share // 100) - 1]) if len(ended) else None
            for share in SHARES
        },
        "downlink_bytes": int(down.sum()),
        "uplink_bytes": int(up.sum() + up[twice].sum()),
        "wasted_bytes": both - useful,
        "device_seconds": float(_column(requests, "computing").sum()),
    }


def timeline(requests: pa.Table) -> list[dict[str, float]]:
    """Answers and examples that had come at some moments, at most POINTS of them."""
    taken = _where(requests, "outcome", "answered").sort_by("ended")
    examples = np.cumsum(_column(taken, "examples"))
    shown = (
        np.unique(np.linspace(0, len(taken) - 1, min(POINTS, len(taken))).astype(int)) if len(taken) else []
    )
    ended = _column(taken, "ended")
    return [{"seconds": float(ended[i]), "answered": int(i) + 1, "examples": int(examples[i])} for i in shown]


def device_participation(
    requests: pa.Table, groups: Sequence[str], titles: Sequence[str]
) -> list[dict[str, Any]]:
    """For each device class its contributors, those asked, those who answered and their examples.

    Args:
        requests: see ``planning.requests_table``.
        groups: class of each contributor.
        titles: of all classes.
    """
    kinds = np.array(requests.column("device_class").to_pylist(), object)
    people = _column(requests, "contributor")
    taken = np.array(requests.column("outcome").to_pylist(), object) == "answered"
    everybody, examples = np.array(groups, object), _column(requests, "examples")
    return [
        {
            "group": title,
            "contributors": int((everybody == title).sum()),
            "asked": len(np.unique(people[kinds == title])),
            "answered": int(((kinds == title) & taken).sum()),
            "examples": int(examples[(kinds == title) & taken].sum()),
        }
        for title in titles
    ]


def attribute_participation(
    people: np.ndarray, labels: Mapping[str, np.ndarray], answered: Collection[int]
) -> dict[str, list[dict[str, Any]]]:
    """For each value of each attribute the contributors' examples, and those collected.

    Args:
        people: whose each example is, int64 [n].
        labels: attribute -> label of each example, int8 [n].
        answered: ids of the contributors whose examples were collected.
    """
    came = np.isin(people, np.array(list(answered), np.int64))
    return {
        name: [
            {
                "group": f"{name}={value}",
                "examples": int((column == value).sum()),
                "answered": int(((column == value) & came).sum()),
            }
            for value in np.unique(column).tolist()
        ]
        for name, column in labels.items()
    }


def measured_latency(contributions: pa.Table) -> dict[str, dict[str, float]]:
    """Percentiles over contributors of the seconds that each stage took on this host."""
    seconds = {stage: _column(contributions, f"{stage}_seconds") for stage in STAGES}
    return {stage: percentiles(values) for stage, values in seconds.items()}


def modelled_latency(
    stages: Mapping[str, np.ndarray], groups: Sequence[str], titles: Sequence[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """Percentiles over all contributors of a device class, asked or not, of the seconds of each stage and of all.

    So they do not depend on whom a strategy cuts. Nobody queues in them.

    Args:
        stages: name -> seconds of each contributor.
        groups: class of each contributor.
        titles: of all classes; those that nobody has are left out.
    """
    everybody, found = np.array(groups, object), {}
    for title in titles:
        mine = everybody == title
        if mine.any():
            whole = np.sum([seconds[mine] for seconds in stages.values()], axis=0)
            found[title] = {name: percentiles(seconds[mine]) for name, seconds in stages.items()}
            found[title]["total"] = percentiles(whole)
    return found


def latency_cdf(seconds: np.ndarray, groups: Sequence[str], titles: Sequence[str]) -> dict[str, list[float]]:
    """Seconds of all contributors of a device class at the quantiles 0, 1, ..., 100 %."""
    everybody, grid = np.array(groups, object), np.linspace(0, 1, 101)
    present = [title for title in titles if (everybody == title).any()]
    return {title: np.quantile(seconds[everybody == title], grid).tolist() for title in present}


def percentiles(values: np.ndarray) -> dict[str, float]:
    """The QUANTILES of some numbers."""
    return dict(zip(QUANTILES, np.quantile(values, list(QUANTILES.values())).tolist(), strict=True))


def _where(table: pa.Table, name: str, value: str) -> pa.Table:
    """The rows that have a value in a column."""
    return table.filter(pa.array(np.array(table.column(name).to_pylist(), object) == value))


def _column(table: pa.Table, name: str) -> np.ndarray:
    return table.column(name).to_numpy(zero_copy_only=False)
