"""Figures by group: how well an attribute is inferred from the examples of one device class, of men, of women."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.evaluation.bootstrap import UNDEFINED, Interval, Resamples, interval
from tiprdc_fl.evaluation.scores import accuracies

DEVICE = "device"
FEWEST_PEOPLE = 10  # in a group, and of each class in it: a bootstrap over fewer says nothing

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
    """

    group_by: str
    group: str
    people: int
    examples: int
    accuracy: Interval
    balanced_accuracy: Interval


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
    prediction: Prediction, labels: np.ndarray, people: Resamples, grouping: Grouping, own: bool
) -> Iterator[GroupFigures]:
    """Figures of every group.

    Args:
        prediction: of all rows.
        labels: of the attribute inferred, int64 [rows].
        people: resamples of all people; a group's resamples are restricted to its people.
        grouping: of the rows.
        own: whether the groups are the values of the attribute inferred.
    """
    for number, name in enumerate(grouping.names):
        chosen = np.flatnonzero(grouping.members == number)
        some = Resamples(people.person[chosen], people.counts)
        guess = Prediction(prediction.balanced[chosen], prediction.natural[chosen])
        size, figures = len(np.unique(some.person)), _figures(guess, labels[chosen], some, own)
        yield GroupFigures(grouping.group_by, name, size, len(chosen), *figures)


def _figures(
    guess: Prediction, labels: np.ndarray, people: Resamples, own: bool
) -> tuple[Interval, Interval]:
    """Accuracy and balanced accuracy of a group's rows, where enough people stand behind them."""
    if len(np.unique(people.person)) < FEWEST_PEOPLE:
        return UNDEFINED, UNDEFINED
    accuracy, balanced = accuracies(guess, labels, people)
    if own:
        recall, _ = accuracies(Prediction(guess.balanced, guess.balanced), labels, people)
        return interval(accuracy), interval(recall)
    behind = [len(np.unique(people.person[labels == value])) for value in np.unique(labels)]
    enough = min(behind) >= FEWEST_PEOPLE
    return interval(accuracy), interval(balanced) if enough else UNDEFINED
