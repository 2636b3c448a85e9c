"""An upper bound on what any adversary can infer from one sent item that has few possible values.

An adversary of the suite is a lower bound on leakage. An item of few values, such as a code, also has an upper one:
no rule beats the best rule of the true distributions, and that rule's accuracy is estimated from people. The proof,
the assumptions and what the bound leaves open stand in ``docs/certificate.md``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.errors import InputError
from tiprdc_fl.evaluation.intervals import FEWEST_PEOPLE

# The least number of examples in each bucket: 1, 2-4, 5-16, 17 and more. Fixed before any person is seen, since
# the bound does not hold for values that were chosen to suit the measured people.
BUCKET_STARTS = (1, 2, 5, 17)
COUNT_BUCKETS = len(BUCKET_STARTS)
_MOST_VALUES = 2**63 - 1  # an item is an int64


@dataclass(frozen=True)
class Certificate:
    """A bound on the balanced accuracy of every adversary that sees one item of a person.

    Attributes:
        values: number of values that an item may have.
        people: number of measured people of each class, in the order of the classes.
        measured: balanced accuracy of the best rule on the measured people; too high on average.
        certified: bound for new people, at most 1. It fails with probability ``delta`` at most.
        delta: within (0, 1).
    """

    values: int
    people: tuple[int, ...]
    measured: float
    certified: float
    delta: float


def certify(items: np.ndarray, classes: np.ndarray, values: int, delta: float = 0.05) -> Certificate | None:
    """Bounds the balanced accuracy of every adversary, whatever it computes.

    One item a person; people are independent; what maps examples to values was fixed on other people.

    Args:
        items: sent by each person, int within [0, values), [people].
        classes: private attribute of each person, int [people]; the classes are those that occur.
        values: number of values that an item may have.
        delta: probability, over the choice of the measured people, that the bound fails.

    Returns:
        None where one class only occurs, or one of them is of fewer than FEWEST_PEOPLE people.

    Raises:
        InputError: an argument is outside its range, or the lengths differ.
    """
    _check_items("items", items, values)
    _check_delta(delta)
    if classes.shape != items.shape or not _is_integer(classes):
        raise InputError(
            f"classes: expected {len(items)} integers, one for each item, got {classes.dtype} of shape "
            f"{list(classes.shape)}"
        )
    people = tuple(np.unique(classes, return_counts=True)[1].tolist())
    if len(people) < 2 or min(people) < FEWEST_PEOPLE:
        return None
    measured = _best_rule(items, classes, people)
    return Certificate(
        values=values,
        people=people,
        measured=measured,
        certified=min(1.0, measured + deviation(people, delta)),
        delta=delta,
    )


def deviation(people: Sequence[int], delta: float = 0.05) -> float:
    """How far the best rule's accuracy on measured people may lie below its true one, but for chance ``delta``.

    It is Hoeffding's inequality for one rule: that which is best for the true distributions does not depend on the
    measured people, so that a union over rules is not needed. The number of values does not occur.

    Args:
        people: number of each class, [classes].
        delta: within (0, 1).
    """
    _check_delta(delta)
    return math.sqrt(math.log(1 / delta) * _inverse(people) / 2) / len(people)


def expected_excess(values: int, people: Sequence[int]) -> float:
    """The most by which ``measured`` exceeds the truth on average: the price of many values.

    Says before anything is measured how many people a certificate needs.

    Args:
        values: number of values that an item may have.
        people: number of each class, [classes].
    """
    classes = len(people)
    return (1 - 1 / classes) / classes * math.sqrt((values - 1) * _inverse(people))


def joint(columns: Sequence[np.ndarray], sizes: Sequence[int]) -> tuple[np.ndarray, int]:
    """Numbers the combinations of what travels together: a code, labels, a bucket of counts.

    Args:
        columns: of each person, int within [0, size), [columns, people].
        sizes: number of values of each column, [columns].

    Returns:
        The number of each person's combination, int64 [people], whose last column varies fastest; the number of
        combinations.

    Raises:
        InputError: a value is outside its column's range, lengths differ, or the combinations are too many.
    """
    if not columns or len(columns) != len(sizes):
        raise InputError(
            f"sizes: expected one for each of {len(columns)} columns, at least one, got {len(sizes)}"
        )
    for number, (column, size) in enumerate(zip(columns, sizes, strict=True)):
        _check_items(f"column {number}", column, size)
        if len(column) != len(columns[0]):
            raise InputError(
                f"column {number}: expected {len(columns[0])} values, as in column 0, got {len(column)}"
            )
    values = math.prod(int(size) for size in sizes)  # of Python's integers, which do not overflow
    if values > _MOST_VALUES:
        raise InputError(f"sizes: {values} combinations are more than {_MOST_VALUES}; leave out a column")
    items = np.zeros(len(columns[0]), dtype=np.int64)
    for column, size in zip(columns, sizes, strict=True):
        items = items * int(size) + column.astype(np.int64)
    return items, values


def count_bucket(counts: np.ndarray) -> np.ndarray:
    """Bucket of each person's number of examples: 1, 2-4, 5-16, 17 and more.

    Args:
        counts: at least 1, int [people].

    Returns:
        Within [0, COUNT_BUCKETS), int64 [people].

    Raises:
        InputError: a count is below 1.
    """
    if not _is_integer(counts) or (counts.size and counts.min() < 1):
        raise InputError("counts: expected whole numbers from 1; a person without an example sends nothing")
    return np.searchsorted(BUCKET_STARTS, counts, side="right") - 1


def _best_rule(items: np.ndarray, classes: np.ndarray, people: Sequence[int]) -> float:
    """Balanced accuracy, on the people it is made from, of the rule that names each value's likeliest class."""
    occurring, value = np.unique(items, return_inverse=True)
    number = np.unique(classes, return_inverse=True)[1]
    table = np.bincount(number * len(occurring) + value, minlength=len(people) * len(occurring))
    shares = table.reshape(len(people), -1) / np.array(people)[:, None]
    return min(1.0, float(shares.max(axis=0).sum()) / len(people))


def _inverse(people: Sequence[int]) -> float:
    """Sum over the classes of 1 / people."""
    if len(people) < 2 or min(people) < 1:
        raise InputError(f"people={list(people)}: expected at least two classes, of one person at least")
    return sum(1 / count for count in people)


def _check_items(name: str, items: np.ndarray, values: int) -> None:
    if items.ndim != 1 or not _is_integer(items):
        raise InputError(
            f"{name}: expected integers [people], got {items.dtype} of shape {list(items.shape)}"
        )
    if values < 1:
        raise InputError(f"{name}: expected at least one possible value, got {values}")
    if items.size and not 0 <= items.min() <= items.max() < values:
        raise InputError(
            f"{name}: expected whole numbers from 0 to {values - 1}, got {items.min()} to {items.max()}"
        )


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise InputError(f"delta={delta}: expected a number above 0 and below 1")


def _is_integer(values: np.ndarray) -> bool:
    """Whether these are whole numbers, or a binary attribute."""
    return np.issubdtype(values.dtype, np.integer) or values.dtype == bool
