"""The collector's side of masked sums: complete groups are added up, others and impossible ones are left out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.class_sums import possible, width_of
from tiprdc_fl.federation.collector import Answer
from tiprdc_fl.federation.secure_sums import ROUNDING, decode, unmasked_sum


@dataclass(frozen=True)
class SumsShape:
    """What sums are of.

    Attributes:
        classes: number of private classes.
        components: number of components.
        most: largest weight of one device's items.
    """

    classes: int
    components: int
    most: int


@dataclass(frozen=True, eq=False)
class Totals:
    """Sums over all masking groups that count.

    Attributes:
        values: sums of ``class_sums.row_values``, float64 [classes, values].
        groups: number of masking groups that count.
        incomplete: number of those of which a message is missing.
        impossible: number of those whose sums no items have.
    """

    values: np.ndarray
    groups: int
    incomplete: int
    impossible: int


def add_up(
    answers: Iterable[Answer],
    groups: Sequence[Sequence[int]],
    shape: SumsShape,
    on_answer: Callable[[int], None],
) -> Totals:
    """Adds up what arrives. No sum is looked at but that of a whole group.

    A group of which a message is missing is left out and never asked again without that member: the two sums
    would differ by one person. Integers are added, so that the order of the answers changes no bit.

    Args:
        answers: masked sums of the contributors asked in each message.
        groups: the masking groups.
        shape: what the sums are of.
        on_answer: called after each message with the number of contributors asked.

    Raises:
        InputError: no group counts.
    """
    width = shape.classes * width_of(shape.components)
    messages: dict[int, np.ndarray] = {}
    for answer in answers:
        messages |= dict(zip(answer.asked, _numbers(answer, width), strict=False))
        on_answer(len(answer.asked))
    sums = {tuple(group): unmasked_sum(messages, group) for group in groups}
    complete = {group: total for group, total in sums.items() if total is not None}
    counted = [total for group, total in complete.items() if _possible(total, len(group), shape)]
    if not counted:
        lacking = len(groups) - len(complete)
        raise InputError(
            f"protection.statistics=contributors: of {len(groups)} masking groups {lacking} lack a member's "
            f"message and {len(complete)} have sums that no examples have; see statistics/logs in the run folder, or leave "
            "protection.statistics out"
        )
    total = np.asarray(np.sum(counted, axis=0, dtype=np.uint64))
    return Totals(
        values=decode(total).reshape(shape.classes, -1),
        groups=len(counted),
        incomplete=len(groups) - len(complete),
        impossible=len(complete) - len(counted),
    )


def _numbers(answer: Answer, width: int) -> np.ndarray:
    """Masked sums of an answer, uint64 [asked, width]; none where their number is not that of the contributors."""
    data = answer.contributions or b""
    if len(data) != 8 * width * len(answer.asked):
        return np.empty((0, width), np.uint64)
    return np.frombuffer(data, "<u8").reshape(len(answer.asked), width)


def _possible(total: np.ndarray, members: int, shape: SumsShape) -> bool:
    values = decode(total).reshape(shape.classes, -1)
    return possible(values, shape.components, members, shape.most, rounding=members * ROUNDING)
