"""Figures by group: how well an attribute is inferred from the examples of one device class, of men, of women."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.evaluation.chance import chance_ranges
from tiprdc_fl.evaluation.intervals import UNDEFINED, Interval, People, share_interval
from tiprdc_fl.evaluation.scores import accuracy_of, enough_people, recalls

DEVICE = "device"

# Ids of people, int64 [n] -> the title of each person's device class.
DeviceOf = Callable[[np.ndarray], Sequence[str]]


@dataclass(frozen=True)
class Grouping:
    """A division of rows into groups.

    Attributes:
        group_by: "device", or the attribute whose values make the groups.
        names: of the groups, such as "Male=1".
        members: position in ``names`` of each row's group, int64 [rows].
    """

    group_by: str
    names: Sequence[str]
    members: np.ndarray


@dataclass(frozen=True)
class GroupFigures:
    """How well an attribute is inferred from the examples of one group.

    Attributes:
        group_by: see ``Grouping``.
        group: name of the group.
        people: number of people with at least one example in the group.
        examples: number in the group.
        accuracy: share of examples inferred correctly; undefined for fewer than FEWEST_PEOPLE people.
        balanced_accuracy: mean of the classes' recalls; where the group is a value of the inferred attribute, the
            recall of that value. Undefined for fewer than FEWEST_PEOPLE people in the group or in a class of it.
        chance_low, chance_high: range of balanced_accuracy in random divisions into groups of these sizes, which in
            95 % of them holds all groups. None where the figure is undefined, or the groups are the values of the
            inferred attribute.
        beyond_chance: whether balanced_accuracy is outside that range; None with it.
    """

    group_by: str
    group: str
    people: int
    examples: int
    accuracy: Interval
    balanced_accuracy: Interval
    chance_low: float | None = None
    chance_high: float | None = None
    beyond_chance: bool | None = None


def groupings(measured: Rows, device_of: DeviceOf | None) -> list[Grouping]:
    """Divisions of the rows by device class, where devices are modelled, and by each attribute's values."""
    divisions = []
    if device_of is not None:
        ids, person = np.unique(measured.people, return_inverse=True)
        titles, device = np.unique(np.array(device_of(ids), dtype=str), return_inverse=True)
        divisions.append(Grouping(DEVICE, titles.tolist(), device[person]))
    for name, labels in measured.labels.items():
        values, members = np.unique(labels, return_inverse=True)
        divisions.append(Grouping(name, [f"{name}={value}" for value in values], members))
    return divisions


def by_group(
    prediction: Prediction, labels: np.ndarray, people: People, grouping: Grouping, own: bool, seed: int
) -> list[GroupFigures]:
    """Figures of every group, beside what random groups of their sizes have.

    Args:
        prediction: of all rows.
        labels: of the attribute inferred, int64 [rows].
        people: whose the rows are.
        grouping: of the rows.
        own: whether the groups are the values of the attribute inferred.
        seed: of the random groups.
    """
    figures = [
        _figures(prediction, labels, people, grouping, number, own) for number in range(len(grouping.names))
    ]
    known = [n for n, figure in enumerate(figures) if figure.balanced_accuracy.value is not None]
    if own or len(figures) < 2 or not known:
        return figures
    right = prediction.balanced.argmax(axis=1) == labels
    ranges = chance_ranges(right, labels, people, grouping.members, known, seed)
    for number, expected in zip(known, ranges, strict=True):
        figures[number] = replace(
            figures[number],
            chance_low=expected.low,
            chance_high=expected.high,
            beyond_chance=expected.excludes(figures[number].balanced_accuracy.value or 0.0),
        )
    return figures


def _figures(
    prediction: Prediction, labels: np.ndarray, people: People, grouping: Grouping, number: int, own: bool
) -> GroupFigures:
    """Figures of a group's rows, where enough people stand behind them."""
    chosen = np.flatnonzero(grouping.members == number)
    some = People(people.person[chosen], people.count)
    guess = Prediction(prediction.balanced[chosen], prediction.natural[chosen])
    truth, balanced = labels[chosen], UNDEFINED
    if enough_people(truth, some) and (own or len(np.unique(truth)) > 1):
        balanced = share_interval(recalls(guess, truth, some))
    return GroupFigures(
        group_by=grouping.group_by,
        group=grouping.names[number],
        people=len(np.unique(some.person)),
        examples=len(chosen),
        accuracy=accuracy_of(guess, truth, some),
        balanced_accuracy=balanced,
    )
