"""PARTITIONERS: which contributor has which examples: a person's own, or a share of all, each dealt once.

A new one is a function and a record in the dictionary.

The names of the settings are those of flwr-datasets (Flower's library of partitioners), whose own code is not used.
Measured with its version 0.6.1 for 200,000 examples of 10 classes and 10,000 partitions, on one core: a try of its
DirichletPartitioner takes 1.0 to 1.4 s, its PathologicalPartitioner 1.4 s (here 0.02 s a try), getting the 10,000
partitions out of it another 6 s, and importing it (``datasets``, ``pandas``, ``huggingface_hub``) 1 s and 180 MB.
That would do; what it deals out would not:

* A partition is a run of neighbouring examples, of a class (Dirichlet, pathological) or of all (IID), unless the
  data is shuffled before. Examples are ordered by person here, so it would be a few people's.
* DirichletPartitioner draws again until every partition has ``min_partition_size`` examples. With 10,000 partitions
  of 20 examples of 4 classes, at alpha 0.5 and a minimum of 1, it gives up after eleven tries and 11 s.
* PathologicalPartitioner leaves out the examples of a class that no partition has.
* Sizes by a law are the caller's to work out (SizePartitioner, DistributionPartitioner). LinearPartitioner,
  SquarePartitioner and ExponentialPartitioner, which have one, refuse 10,000 partitions of 200,000 examples.

On shuffled data the label skew is the same: the mean total variation distance of a partition's labels to the
whole's, in the same setting without a minimum, is 0.810, 0.473 and 0.184 there and 0.810, 0.473 and 0.183 here at
alpha 0.05, 0.5 and 5.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from tiprdc_fl.errors import InputError

TRIES = 10  # draws before contributors are topped up, or a class that nobody has is an error
_SCORES = 2**22  # random numbers held at once
_COUNT = "partition.num_classes_per_partition"
_LEAST = "partition.min_partition_size"


@dataclass(frozen=True)
class Settings:
    """Keys of the configuration's section ``partition``, which has their meaning."""

    alpha: float = 0.5
    num_classes_per_partition: int = 1
    class_assignment_mode: str = "random"
    distribution: str = "power_law"
    exponent: float = 2.5
    sigma: float = 1.0
    min_partition_size: int = 1


@dataclass(frozen=True, eq=False)
class Classes:
    """The class of each example.

    Attributes:
        of: positions in ``names``, int64 [n].
        names: of the classes, such as "Smiling=1, Eyeglasses=0"; each has an example.
    """

    of: np.ndarray
    names: tuple[str, ...]


Dealing = Callable[[Classes, int, Settings, np.random.Generator], np.ndarray]


def combined(columns: Mapping[str, np.ndarray], examples: int) -> Classes:
    """Classes by the combination of several attributes' labels; without attributes, a single one.

    Args:
        columns: attribute -> labels, int [examples].
        examples: how many there are.
    """
    code, names = np.zeros(examples, np.int64), [""] if examples else []
    for attribute, labels in columns.items():
        values, label = np.unique(labels, return_inverse=True)
        found, code = np.unique(code * len(values) + label, return_inverse=True)
        pairs = [divmod(int(one), len(values)) for one in found]
        names = [", ".join(filter(None, (names[i], f"{attribute}={values[j]}"))) for i, j in pairs]
    return Classes(code, tuple(names))


def deal(
    name: str, classes: Classes, contributors: int, settings: Settings, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Deals every example to one contributor.

    Args:
        name: key of PARTITIONERS, of one that deals.
        classes: of the n examples.
        contributors: how many there are.
        settings: of the partitioner.
        rng: decides what is left to chance.

    Returns:
        whose each example is, 0 to contributors - 1, int64 [n], and how many contributors had to be topped up to
        ``min_partition_size``, see ``dirichlet``.

    Raises:
        InputError: there are too few examples, in all or of a class.
    """
    partition = PARTITIONERS[name]
    if partition.deal is None:
        raise TypeError(f"partition.name={name}: a person's examples are not dealt out")
    if _LEAST not in partition.reads:
        return partition.deal(classes, contributors, settings, rng), 0
    least = settings.min_partition_size
    _check_enough(name, len(classes.of), contributors, least)
    for _ in range(TRIES):
        owner = partition.deal(classes, contributors, settings, rng)
        short = int((np.bincount(owner, minlength=contributors) < least).sum())
        if not 0 < short <= TRIES:  # the chance that a draw leaves nobody short is about exp(-short)
            break
    return (_topped_up(owner, contributors, least, rng) if short else owner), short


def _check_enough(name: str, examples: int, contributors: int, least: int) -> None:
    if contributors * least > examples:
        most = (
            f"lower clients to {examples // least} or fewer" if examples >= least else "more data is needed"
        )
        raise InputError(
            f"partition.name={name} deals out {examples:,} examples, too few for clients={contributors} with "
            f"partition.min_partition_size={least} each; {most}, or lower partition.min_partition_size"
        )


def _topped_up(owner: np.ndarray, contributors: int, least: int, rng: np.random.Generator) -> np.ndarray:
    """The same owners, but examples of those who have more than ``least`` go to those who have fewer."""
    lacking = np.maximum(0, least - np.bincount(owner, minlength=contributors))
    order = rng.permutation(len(owner))
    order = order[np.argsort(owner[order], kind="stable")]
    grouped = owner[order]
    spare = order[np.arange(len(owner)) - np.searchsorted(grouped, grouped) >= least]
    result = owner.copy()
    result[rng.permutation(spare)[: lacking.sum()]] = np.repeat(np.arange(contributors), lacking)
    return result


def iid(classes: Classes, contributors: int, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Every contributor has as many examples of everybody's, chosen at random; one more where it must be."""
    owner = np.empty(len(classes.of), np.int64)
    owner[rng.permutation(len(owner))] = np.arange(len(owner)) % contributors
    return owner


def dirichlet(
    classes: Classes, contributors: int, settings: Settings, rng: np.random.Generator
) -> np.ndarray:
    """Each class is divided among the contributors by shares from a Dirichlet distribution (Yurochkin et al. 2019).

    All parameters of the distribution are ``alpha``: at 0.01 most contributors have a single class and many have
    nothing, at 100 all have nearly the same. ``deal`` draws again while a few contributors have fewer examples than
    ``min_partition_size``, TRIES times at most. Where it is more than a few, as it always is with many contributors
    and few classes, or the tries are used up, those are topped up with examples of others.
    """
    owner = np.empty(len(classes.of), np.int64)
    for examples in _shuffled(classes, rng):
        shares = rng.dirichlet(np.full(contributors, settings.alpha))
        ends = (np.cumsum(shares)[:-1] * len(examples)).astype(np.int64)
        owner[examples] = np.searchsorted(ends, np.arange(len(examples)), side="right")
    return owner


def _shuffled(classes: Classes, rng: np.random.Generator) -> list[np.ndarray]:
    """Positions of each class's examples, in random order."""
    order = rng.permutation(len(classes.of))
    order = order[np.argsort(classes.of[order], kind="stable")]
    return np.split(order, np.cumsum(np.bincount(classes.of, minlength=len(classes.names)))[:-1])


def quantity(classes: Classes, contributors: int, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    """Everybody's examples at random, but how many a contributor has follows a power law or a log-normal one.

    A contributor has ``min_partition_size`` examples and a share of the rest that is proportional to a quantile of
    the distribution, at (i + 1/2) / contributors; who has which is drawn. So seeds differ in who has much, not in
    how much there is, which with a power law is one contributor's affair.
    """
    sizes = settings.min_partition_size + apportion(
        len(classes.of) - contributors * settings.min_partition_size, log_weights(contributors, settings)
    )
    owner = np.empty(len(classes.of), np.int64)
    owner[rng.permutation(len(owner))] = np.repeat(rng.permutation(contributors), sizes)
    return owner


def log_weights(contributors: int, settings: Settings) -> np.ndarray:
    """Logarithms of the quantiles of a distribution of sizes, float64 [contributors].

    The power law's density falls with size ** -exponent: the i-th largest is near i ** (-1 / (exponent - 1)).
    """
    ranks = (np.arange(contributors) + 0.5) / contributors
    if settings.distribution == "power_law":
        return -np.log(ranks) / (settings.exponent - 1)
    return settings.sigma * ndtri(ranks)


def apportion(total: int, weights: np.ndarray) -> np.ndarray:
    """``total`` as whole numbers in proportion to weights given by their logarithms; largest remainders, int64."""
    shares = np.exp(weights - weights.max())
    shares *= total / shares.sum()
    whole = np.floor(shares).astype(np.int64)
    missing = total - whole.sum()
    whole[np.argsort(whole - shares, kind="stable")[:missing]] += 1
    return whole


def pathological(
    classes: Classes, contributors: int, settings: Settings, rng: np.random.Generator
) -> np.ndarray:
    """Every contributor has examples of exactly ``num_classes_per_partition`` classes (Li et al. 2022).

    The contributors who have a class share its examples evenly, so those of a rare class have few. Which classes
    somebody has is drawn ("random") or counted up from the contributor's position ("deterministic"); it is drawn
    again, TRIES times at most, while a class is nobody's or has fewer examples than holders.

    Raises:
        InputError: there are fewer classes than that, a class is nobody's, or too few of its examples for all.
    """
    key, count, most = _COUNT, settings.num_classes_per_partition, len(classes.names)
    if count > most:
        raise InputError(
            f"{key}={count}: there are {most} classes ({_some(classes.names)}); "
            "lower it or name more attributes in partition.partition_by"
        )
    sizes = np.bincount(classes.of, minlength=most)
    for _ in range(TRIES):
        chosen = _chosen(contributors, most, count, settings.class_assignment_mode, rng)
        holders = np.bincount(chosen.ravel(), minlength=most)
        if ((holders > 0) & (holders <= sizes)).all():
            break
    _check_holders(classes.names, sizes, holders, f"clients={contributors}, {key}={count}")
    owner = np.empty(len(classes.of), np.int64)
    for number, examples in enumerate(_shuffled(classes, rng)):
        mine = rng.permutation(np.flatnonzero(np.any(chosen == number, axis=1)))
        owner[examples] = mine[np.arange(len(examples)) % len(mine)]
    return owner


def _chosen(contributors: int, classes: int, count: int, mode: str, rng: np.random.Generator) -> np.ndarray:
    """Numbers of the classes that each contributor has, all different, int64 [contributors, count]."""
    places = np.arange(contributors)
    if mode == "deterministic":
        return (places[:, None] + np.arange(count)) % classes
    parts = []
    for some in np.split(places, range(0, contributors, max(1, _SCORES // classes))[1:]):
        scores = rng.random((len(some), classes))
        parts.append(np.argpartition(scores, count - 1, axis=1)[:, :count])
    return np.concatenate(parts)


def _check_holders(names: tuple[str, ...], sizes: np.ndarray, holders: np.ndarray, settings: str) -> None:
    """A class must have holders, and an example for each of them."""
    for name, size, people in zip(names, sizes.tolist(), holders.tolist(), strict=True):
        if not people:
            raise InputError(
                f"{settings}: of {len(holders)} classes {name} is nobody's; raise one of the two, or set "
                "partition.class_assignment_mode=deterministic where they are enough"
            )
        if people > size:
            raise InputError(
                f"{settings}: {people:,} contributors are to have {name}, of which there are {size:,} examples; "
                "lower clients, or name other attributes in partition.partition_by"
            )


def _some(names: tuple[str, ...], most: int = 4) -> str:
    return "; ".join(names[:most]) + ("; ..." if len(names) > most else "")


@dataclass(frozen=True)
class Partition:
    """One way to decide which contributor has which examples.

    Attributes:
        label: the partition in a few words.
        deal: deals the examples of all contributors' people; None: a contributor is a person.
        reads: keys of the configuration that it depends on. Where ``min_partition_size`` is among them,
            contributors with fewer examples are topped up.
        by_class: whether ``deal`` reads the classes of examples.
        shifted: whether a person's images go through a camera of the person's own; messages are refused.
        void: (the section's values) -> names of settings that another setting's value makes void.
    """

    label: str
    deal: Dealing | None = None
    reads: tuple[str, ...] = ()
    by_class: bool = False
    shifted: bool = False
    void: Callable[[Mapping[str, Any]], Collection[str]] = lambda section: ()


def _other_law(section: Mapping[str, Any]) -> Collection[str]:
    """The parameter of the distribution of sizes that was not chosen."""
    return ("sigma",) if section["distribution"] == "power_law" else ("exponent",)


PARTITIONERS: dict[str, Partition] = {
    "natural": Partition("a contributor is a person"),
    "iid": Partition("everybody's examples, as many for each", iid, (_LEAST,)),
    "dirichlet": Partition(
        "everybody's examples, classes by Dirichlet shares",
        dirichlet,
        ("partition.partition_by", "partition.alpha", _LEAST),
        by_class=True,
    ),
    "quantity": Partition(
        "everybody's examples, numbers by a law",
        quantity,
        ("partition.distribution", "partition.exponent", "partition.sigma", _LEAST),
        void=_other_law,
    ),
    "pathological": Partition(
        "everybody's examples, a few classes each",
        pathological,
        ("partition.partition_by", _COUNT, "partition.class_assignment_mode"),
        by_class=True,
    ),
    "feature": Partition(
        "a contributor is a person with a camera of its own",
        reads=("partition.strength",),
        shifted=True,
    ),
}


def partition_settings(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the configuration's section that this partition depends on."""
    record = PARTITIONERS[name]
    names = [key.removeprefix("partition.") for key in record.reads]
    void = record.void(section)
    return {key: section[key] for key in names if key not in void}
