"""What report.json says of a collection's course on the virtual clock: the strategy's cost, bias and latencies.

All of it is modelled, but for what is called measured.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from tiprdc_fl.report.schema import (
    DeviceParticipation,
    ModelledCost,
    Moment,
    Outcome,
    SecondsToShare,
    ValueParticipation,
)

POINTS = 200  # of a timeline

SHARES = (50, 90, 95, 99)  # percent of the answers, for how long these took
LOST = ("dropped", "silent", "unable", "failed")


def outcome_figures(requests: pa.Table, contributors: int, given_up: int, never_came: int) -> Outcome:
    """How many contributors were asked and answered, and what became of the requests."""
    outcome = requests.column("outcome").to_pylist()
    asked = len(np.unique(column(requests, "contributor")))
    return Outcome(
        contributors=contributors,
        asked=asked,
        answered=outcome.count("answered"),
        given_up=given_up,
        never_came=never_came,
        not_asked=contributors - asked,
        requests=len(outcome),
        lost=sum(map(outcome.count, LOST)),
        late=outcome.count("late"),
        cut=outcome.count("cut"),
        duplicates=int(column(requests, "twice").sum()),
    )


def cost_figures(requests: pa.Table, seconds: float) -> ModelledCost:
    """Modelled seconds of the collection, bytes sent, bytes wasted, and seconds of compute on devices.

    All bytes are wasted except accepted answers and a download of the extractor for each contributor who answered.
    """
    down, up = (column(requests, name) for name in ("down_bytes", "up_bytes"))
    twice, people = column(requests, "twice").astype(bool), column(requests, "contributor")
    taken = np.array(requests.column("outcome").to_pylist(), object) == "answered"
    both = int(down.sum() + up.sum() + up[twice].sum())
    own = np.isin(people, people[taken])
    order = np.lexsort((down[own], people[own]))  # the largest download of each who answered comes last
    last = np.append(np.diff(people[own][order]) != 0, True)[: len(order)]
    useful = int(up[taken].sum() + down[own][order][last].sum())
    ended = np.sort(column(requests, "ended")[taken])
    return ModelledCost(
        seconds=seconds,
        seconds_to_share=SecondsToShare(
            **{
                f"p{share}": float(ended[-(-len(ended) * share // 100) - 1]) if len(ended) else None
                for share in SHARES
            }
        ),
        downlink_bytes=int(down.sum()),
        uplink_bytes=int(up.sum() + up[twice].sum()),
        wasted_bytes=both - useful,
        device_seconds=float(column(requests, "computing").sum()),
    )


def timeline(requests: pa.Table) -> tuple[Moment, ...]:
    """Cumulative answers and examples at no more than POINTS moments."""
    taken = _where(requests, "outcome", "answered").sort_by("ended")
    examples = np.cumsum(column(taken, "examples"))
    shown = (
        np.unique(np.linspace(0, len(taken) - 1, min(POINTS, len(taken))).astype(int)) if len(taken) else []
    )
    ended = column(taken, "ended")
    return tuple(
        Moment(seconds=float(ended[i]), answered=int(i) + 1, examples=int(examples[i])) for i in shown
    )


def device_participation(
    requests: pa.Table, groups: Sequence[str], titles: Sequence[str]
) -> tuple[DeviceParticipation, ...]:
    """For each device class its contributors, those asked, those who answered and their examples.

    Args:
        requests: see ``stages.collect.requests_table``.
        groups: class of each contributor.
        titles: of all classes.
    """
    kinds = np.array(requests.column("device_class").to_pylist(), object)
    people = column(requests, "contributor")
    taken = np.array(requests.column("outcome").to_pylist(), object) == "answered"
    everybody, examples = np.array(groups, object), column(requests, "examples")
    return tuple(
        DeviceParticipation(
            group=title,
            contributors=int((everybody == title).sum()),
            asked=len(np.unique(people[kinds == title])),
            answered=int(((kinds == title) & taken).sum()),
            examples=int(examples[(kinds == title) & taken].sum()),
        )
        for title in titles
    )


def attribute_participation(
    people: np.ndarray, labels: Mapping[str, np.ndarray], answered: Collection[int]
) -> dict[str, tuple[ValueParticipation, ...]]:
    """For each value of each attribute the contributors' examples, and those collected.

    Args:
        people: contributor of each example, int64 [n].
        labels: attribute -> label of each example, int8 [n].
        answered: ids of the contributors whose examples were collected.
    """
    collected = np.isin(people, np.array(list(answered), np.int64))
    return {
        name: tuple(
            ValueParticipation(
                group=f"{name}={value}",
                examples=int((column == value).sum()),
                answered=int(((column == value) & collected).sum()),
            )
            for value in np.unique(column).tolist()
        )
        for name, column in labels.items()
    }


def _where(table: pa.Table, name: str, value: str) -> pa.Table:
    """The rows that have a value in a column."""
    return table.filter(pa.array(np.array(table.column(name).to_pylist(), object) == value))


def column(table: pa.Table, name: str) -> np.ndarray:
    """A column of a table as an array, [rows]."""
    return table.column(name).to_numpy(zero_copy_only=False)
