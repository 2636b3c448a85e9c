"""The collector's side of masked sums: whole groups are added up, impossible and unusual ones are left out.

Masks hide a false summand as well as a true one, so the collector can only judge the sum of a group. What no
examples give is left out. Where there are COMPARED groups, so is what lies far from most of them: one liar then
counts as PERSONS people at the edge, or as FAR deviations of a group's sum, whichever is more.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.class_sums import possible, width_of
from tiprdc_fl.federation.collector import Answer
from tiprdc_fl.federation.secure_sums import ROUNDING, decode

COMPARED = 8  # groups that are enough to tell which is unusual
FAR = 10.0  # robust standard deviations over the groups
PERSONS = 3  # who may be together in a group, and nowhere else, without being unusual


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
        unusual: number of those whose sums are far from most groups'.
    """

    values: np.ndarray
    groups: int
    incomplete: int
    impossible: int
    unusual: int


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
    place_of = {member: place for place, group in enumerate(groups) for member in group}
    sums, silent = np.zeros((len(groups), width), np.uint64), [set(group) for group in groups]
    for answer in answers:
        for member, numbers in zip(answer.asked, _numbers(answer, width), strict=False):
            place = place_of[member]
            if member in silent[place]:
                sums[place] += numbers
                silent[place].remove(member)
        on_answer(len(answer.asked))
    complete = [place for place, members in enumerate(silent) if not members]
    credible = [place for place in complete if _possible(sums[place], len(groups[place]), shape)]
    if not credible:
        raise InputError(
            f"protection.statistics=contributors: of {len(groups)} masking groups {len(complete)} are complete, "
            "with sums that nobody's examples have; see statistics/logs in the run folder, or use "
            "protection.statistics=collector"
        )
    members = np.array([len(groups[place]) for place in credible])
    usual = _usual(decode(sums[credible]), members, shape.most)
    total = sums[credible][usual].sum(axis=0, dtype=np.uint64)
    return Totals(
        values=decode(total).reshape(shape.classes, -1),
        groups=int(usual.sum()),
        incomplete=len(groups) - len(complete),
        impossible=len(complete) - len(credible),
        unusual=int((~usual).sum()),
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


def _usual(sums: np.ndarray, members: np.ndarray, most: int) -> np.ndarray:
    """Which groups' sums are near to those of most groups in every number, bool [groups]; all of a few groups.

    Args:
        sums: float64 [groups, values].
        members: of each group, int [groups].
        most: largest weight of one device's items.
    """
    if len(sums) < COMPARED:
        return np.ones(len(sums), bool)
    means = sums / members[:, None]
    apart = np.abs(means - np.median(means, axis=0))
    deviation = 1.4826 * np.median(apart, axis=0)  # of a normal distribution with that median
    rare = PERSONS * most / members.min()  # a private class of few people is in few groups
    return np.asarray((apart <= np.maximum(FAR * deviation, rare)).all(axis=1))
