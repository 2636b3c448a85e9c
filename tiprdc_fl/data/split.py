"""The split of people into three disjoint groups, fixed by the seed."""

from dataclasses import dataclass

import numpy as np

from tiprdc_fl.data.examples import People
from tiprdc_fl.errors import InputError
from tiprdc_fl.seeding import generator

# Default sizes of the groups if people are generated.
COLLECTOR = 400
HOLDOUT = 200

# A larger range of people than any dataset on disk has; such people are generated on demand.
_GENERATED = 10_000_000
# A person's examples all have the same value of a trait, so two people are needed for two values.
_FEWEST = 2


@dataclass(frozen=True)
class Split:
    """Ids of the people of each group, int64; no person is in two groups.

    Attributes:
        collector: people whose examples train the extractor.
        contributors: people whose features are collected.
        holdout: people on whom every reported figure is measured.
    """

    collector: np.ndarray
    contributors: np.ndarray
    holdout: np.ndarray


def split_people(
    people: People,
    clients: int,
    collector: int | None,
    holdout: int | None,
    seed: int,
    *,
    official: People | None = None,
) -> Split:
    """Divides people into the three groups.

    The groups are consecutive parts, in the order holdout, collector, contributors, of the ids themselves if people
    are generated, and else of a random permutation of the ids. If the sizes of holdout and collector are given,
    these two groups therefore do not depend on ``clients``, and a smaller group of contributors is the beginning of
    a larger one. With ``official``, the same holds within the test people and within the others.

    Args:
        people: ids of all people; a range of more than 10 million if people are generated.
        clients: number of contributors.
        collector: number of the collector's people. None: 400 if people are generated; else all people who are
            left,
            or two thirds of them if ``holdout`` is None too.
        holdout: number of people held out. None: 200 if people are generated; else all people who are left.
        seed: seed of the permutation.
        official: people whom the data's authors set aside for testing. Holdout is drawn from them (None: all of
            them),
            collector and contributors from the others (``collector`` None: all others who are left).

    Raises:
        InputError: there are not enough people, or a group is too small (collector and holdout need 2 each).
    """
    _check_sizes(clients, collector, holdout)
    if official is not None:
        return _split_officially(people, official, clients, collector, holdout, seed)
    if isinstance(people, range) and len(people) > _GENERATED:
        collector = COLLECTOR if collector is None else collector
        holdout = HOLDOUT if holdout is None else holdout
        _check_enough(len(people), clients, collector, holdout)
        ids = np.asarray(people[: holdout + collector + clients], np.int64)
    else:
        _check_enough(len(people), clients, collector, holdout)
        collector, holdout = _share(len(people) - clients, collector, holdout)
        ids = generator(seed, "split").permutation(np.asarray(people, np.int64))
    first = holdout + collector
    return Split(
        collector=ids[holdout:first], contributors=ids[first : first + clients], holdout=ids[:holdout]
    )


def _split_officially(
    people: People, official: People, clients: int, collector: int | None, holdout: int | None, seed: int
) -> Split:
    """Draws holdout from the test people, and the other groups from the other people."""
    ids = generator(seed, "split").permutation(np.asarray(people, np.int64))
    test = np.isin(ids, np.asarray(official, np.int64))
    tested, others = ids[test], ids[~test]
    _check_official(len(tested), len(others), clients, collector, holdout)
    collector = len(others) - clients if collector is None else collector
    return Split(
        collector=others[:collector],
        contributors=others[collector : collector + clients],
        holdout=tested if holdout is None else tested[:holdout],
    )


def _share(left: int, collector: int | None, holdout: int | None) -> tuple[int, int]:
    """Sizes of collector and holdout, which share the ``left`` people who are not contributors."""
    if collector is None and holdout is None:
        collector = min(round(left * 2 / 3), left - _FEWEST)
    if collector is None:
        collector = left - (holdout or 0)
    return collector, left - collector if holdout is None else holdout


def _check_sizes(clients: int, collector: int | None, holdout: int | None) -> None:
    """Checks each given size by itself.

    Raises:
        InputError: a size is too small.
    """
    if clients < 1:
        raise InputError(f"clients={clients}: at least 1 contributor is needed")
    for key, size in (("data.collector_people", collector), ("data.holdout_people", holdout)):
        if size is not None and size < _FEWEST:
            raise InputError(f"{key}={size}: at least {_FEWEST} people are needed; raise it or leave it out")


def _check_enough(available: int, clients: int, collector: int | None, holdout: int | None) -> None:
    """Checks that the groups, at their given or smallest sizes, fit into the data.

    Raises:
        InputError: there are too few people.
    """
    others = (collector or _FEWEST) + (holdout or _FEWEST)
    if clients + others <= available:
        return
    given = {"data.collector_people": collector, "data.holdout_people": holdout}
    fixed = [key for key, size in given.items() if size is not None]
    received = ", ".join([f"clients={clients}"] + [f"{key}={given[key]}" for key in fixed])
    need = (
        f" and collector and holdout need at least {_FEWEST} each",
        f" and {'holdout' if collector else 'collector'} needs at least {_FEWEST}",
        "",
    )[len(fixed)]
    fix = f"so at most {available - others} can be contributors"
    if available <= others:
        fix = f"too few for any contributor: lower {' and '.join(fixed)}" if fixed else "too few to split"
    raise InputError(f"{received}: the data has {available} people{need}, {fix}")


def _check_official(
    tested: int, others: int, clients: int, collector: int | None, holdout: int | None
) -> None:
    """Checks that the groups, at their given or smallest sizes, fit into the official division.

    Raises:
        InputError: there are too few test people or too few others.
    """
    if tested < (holdout or _FEWEST):
        received = "" if holdout is None else f", data.holdout_people={holdout}"
        fix = "lower it or leave it out"
        if tested < _FEWEST:
            fix = f"at least {_FEWEST} are needed; use data.split=random"
        raise InputError(f"data.split=official{received}: the data has {tested} test people, {fix}")
    most = others - (collector or _FEWEST)
    if clients > most:
        received = "" if collector is None else f", data.collector_people={collector}"
        need = f" and collector needs at least {_FEWEST}" if collector is None else ""
        fix = f"so at most {most} can be contributors" if most > 0 else "too few for any contributor"
        raise InputError(
            f"data.split=official, clients={clients}{received}: the data has {others} people besides the test "
            f"people{need}, {fix}"
        )
