"""Who is who: three disjoint groups of people, fixed by the seed."""

from dataclasses import dataclass

import numpy as np

from tiprdc_fl.data.examples import People
from tiprdc_fl.errors import InputError
from tiprdc_fl.seeding import generator

# Numbers of people where they are generated and nothing says otherwise.
COLLECTOR = 400
HOLDOUT = 200

# A range of more people than any dataset has: its people are generated when asked for.
_GENERATED = 10_000_000
# One person's examples carry a single value of a trait: two are the least that can differ.
_LEAST = 2


@dataclass(frozen=True)
class Split:
    """Ids of the people of each group, each int64; nobody is in two groups.

    Attributes:
        collector: their examples train the extractor.
        contributors: their features are collected.
        holdout: every reported figure is measured on them.
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
    """Choose the three groups.

    Where people are generated, ids are taken in their order: holdout, collector, contributors. Elsewhere a
    permutation by the seed is cut in this order. Either way, with given sizes of holdout and collector, the
    two stay the same when ``clients`` changes, and fewer contributors are the first of more. The same holds
    with ``official``: the permutation is then divided into test people and others before it is cut.

    Args:
        people: ids of all people; a range of more than 10 million where they are generated.
        clients: number of contributors.
        collector: number of people for the collector. None: 400 where people are generated; else what the
            others leave over, two thirds of it if holdout is None too.
        holdout: number of people held out. None: 200 where people are generated; else the rest.
        seed: fixes the permutation.
        official: people whom the data's authors set aside for testing: holdout is drawn from them (None: all
            of them), collector and contributors from the others (collector None: the others left over).

    Raises:
        InputError: there are not enough people, or a group is too small (collector and holdout need 2 each).
    """
    _check_least(clients, collector, holdout)
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
    """Holdout from the people set aside for testing, the rest from the others; sizes are possible ones."""
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
    """Sizes of collector and holdout, given how many people are not contributors (enough, as checked)."""
    if collector is None and holdout is None:
        collector = min(round(left * 2 / 3), left - _LEAST)
    if collector is None:
        collector = left - (holdout or 0)
    return collector, left - collector if holdout is None else holdout


def _check_least(clients: int, collector: int | None, holdout: int | None) -> None:
    """Each size that is given must be possible by itself."""
    if clients < 1:
        raise InputError(f"clients={clients}: at least 1 contributor is needed")
    for key, size in (("data.collector_people", collector), ("data.holdout_people", holdout)):
        if size is not None and size < _LEAST:
            raise InputError(f"{key}={size}: at least {_LEAST} people are needed; raise it or leave it out")


def _check_enough(available: int, clients: int, collector: int | None, holdout: int | None) -> None:
    """The groups, at their given or least sizes, must fit into the data."""
    others = (collector or _LEAST) + (holdout or _LEAST)
    if clients + others <= available:
        return
    given = {"data.collector_people": collector, "data.holdout_people": holdout}
    fixed = [key for key, size in given.items() if size is not None]
    received = ", ".join([f"clients={clients}", *(f"{key}={given[key]}" for key in fixed)])
    need = (
        f" and collector and holdout need at least {_LEAST} each",
        f" and {'holdout' if collector else 'collector'} needs at least {_LEAST}",
        "",
    )[len(fixed)]
    fix = f"so at most {available - others} can be contributors"
    if available <= others:
        fix = f"too few for any contributor: lower {' and '.join(fixed)}" if fixed else "too few to split"
    raise InputError(f"{received}: the data has {available} people{need}, {fix}")


def _check_official(
    tested: int, others: int, clients: int, collector: int | None, holdout: int | None
) -> None:
    """The groups, at their given or least sizes, must fit into the official division."""
    if tested < (holdout or _LEAST):
        received = "" if holdout is None else f", data.holdout_people={holdout}"
        fix = "lower it or leave it out"
        if tested < _LEAST:
            fix = f"at least {_LEAST} are needed; use data.split=random"
        raise InputError(f"data.split=official{received}: the data has {tested} test people, {fix}")
    most = others - (collector or _LEAST)
    if clients > most:
        received = "" if collector is None else f", data.collector_people={collector}"
        need = f" and collector needs at least {_LEAST}" if collector is None else ""
        fix = f"so at most {most} can be contributors" if most > 0 else "too few for any contributor"
        raise InputError(
            f"data.split=official, clients={clients}{received}: the data has {others} people besides the test "
            f"people{need}, {fix}"
        )
