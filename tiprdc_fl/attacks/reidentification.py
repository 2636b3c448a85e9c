"""Re-identification: do two contributions come from the same person?

A contribution carries its contributor's id, so the adversary knows which of the collected rows belong together
and can learn from them what stays the same within a person. With that it compares contributions of people it
has never seen: who can tell that two of them are one person's can follow people under changing ids.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.reduction import reduced
from tiprdc_fl.attacks.roc import weighted_auc
from tiprdc_fl.errors import InputError

BATCH = 512  # rows read at a time
COMPONENTS = 128  # most principal components that the metric is learned on
OTHERS = 50  # most people that each person's contribution is compared with
SMALLEST = 1e-6  # share of the largest variance below which a direction is rounding error


@dataclass(frozen=True)
class Owned:
    """Rows whose owners are known.

    Attributes:
        read: row numbers -> what the adversary sees of them, float [n, ...] as ``reduced`` takes it.
        people: whose rows they are, int64 [rows].
    """

    read: Callable[[np.ndarray], Tensor]
    people: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Compared pairs.

    Attributes:
        scores: cosine similarity, higher for pairs that look like one person's, float64 [pairs].
        same: whether they are one person's, bool [pairs].
        first, second: whose the two sides are, as positions in ``Reidentification.people``, int64 [pairs].
    """

    scores: np.ndarray
    same: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Reidentification:
    """What the adversary says of people it has not learned from.

    Attributes:
        contribution: half of a person's examples against the other half, or half of another person's.
        example: one example of each of the same halves.
        people: ids of the measured people, sorted, int64 [people].
        usable: how many of them have at least two examples; the others are in no pair.
        components: how many values the metric compares.
    """

    contribution: Pairs
    example: Pairs
    people: np.ndarray
    usable: int
    components: int


@dataclass(frozen=True)
class Metric:
    """A map under which a person's examples scatter alike in all directions, by one, around the person's mean.

    Attributes:
        mean: of the rows it was learned from, float64 [k].
        basis: float64 [k, components].
        between: variance of people's means along each component, float64 [components].
    """

    mean: np.ndarray
    basis: np.ndarray
    between: np.ndarray

    def embed(self, x: np.ndarray) -> np.ndarray:
        """Reduced rows [n, k] as embeddings [n, components]."""
        return (x - self.mean) @ self.basis

    def weigh(self, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Means of ``counts`` embeddings each, every component by the square root of its reliability.

        That is between / (between + 1 / count): the share of the mean's variance that is the person's own
        (probabilistic linear discriminant analysis, Ioffe 2006). Single examples are best compared by the few
        components that tell people apart, means of many by nearly all.
        """
        variance = self.between + 1 / counts[:, None]
        return means * np.sqrt(self.between / variance)


def reidentify(rows: Owned, measured: Owned, seed: int, others: int = OTHERS) -> Reidentification | None:
    """Learns a metric from ``rows`` and compares the measured people by it.

    Each measured person's examples are split at random into two halves, two contributions of one person. The pairs
    are each person's two halves, and each first half with the second halves of up to ``others`` other people.

    Args:
        rows: to learn from.
        measured: other people's rows.
        seed: of the halves and of the people to compare with.
        others: most people to compare each person with.

    Returns:
        The pairs; None where fewer than two measured people have two examples.

    Raises:
        InputError: there are fewer than two rows to learn from.
    """
    if len(rows.people) < 2:
        raise InputError(
            f"contributors sent {len(rows.people)} examples, and re-identification needs two: raise clients"
        )
    people, owner, sizes = np.unique(measured.people, return_inverse=True, return_counts=True)
    usable = np.flatnonzero(sizes > 1)
    if len(usable) < 2:
        return None
    metric = learn_metric(_read(rows), rows.people)
    embedded = metric.embed(_read(measured))
    order = np.split(np.argsort(owner, kind="stable"), np.cumsum(sizes)[:-1])
    halves = [_halves(order[index], seed, int(people[index])) for index in usable]
    first, second = _compared(people[usable], seed, others)
    found = []
    for most in (None, 1):
        a, b = ([half[side][:most] for half in halves] for side in (0, 1))
        a, b = _of_groups(metric, embedded, a), _of_groups(metric, embedded, b)
        found.append(Pairs(_cosine(a[first], b[second]), first == second, usable[first], usable[second]))
    return Reidentification(found[0], found[1], people, len(usable), metric.basis.shape[1])


def auc(pairs: Pairs, counts: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of the scores in every resample of people, float [1 + resamples].

    A pair of two people weighs the product of how often they were drawn, a person's own pair as often as the
    person was; ties count half. NaN in a resample that lacks either kind of pair.

    Args:
        pairs: compared pairs.
        counts: how often each person stands in each resample, float [1 + resamples, people], the people as in
            ``Reidentification.people``, the first row all ones.
    """

    def weigh(part: np.ndarray, rows: np.ndarray) -> np.ndarray:
        others = np.where(pairs.same[rows], 1.0, part[:, pairs.second[rows]])
        return part[:, pairs.first[rows]] * others

    return weighted_auc(pairs.scores, pairs.same, counts, weigh)


def learn_metric(x: np.ndarray, people: np.ndarray) -> Metric:
    """Linear discriminant analysis of people, on standardised values and at most COMPONENTS principal components.

    The scatter within people is shrunk as Ledoit and Wolf (2004) propose and made the unit; the components are
    those of the scatter between people, less what people's means scatter by chance. Where nobody has two rows,
    nothing is known of the scatter within people, and components are scaled to unit variance instead.

    Args:
        x: reduced rows, float [n, k], at least two.
        people: whose they are, int64 [n].
    """
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale <= np.abs(mean) * SMALLEST] = np.inf  # a constant says nothing of anybody
    basis, variances = _principal((x - mean) / scale)
    if not len(variances):
        return Metric(mean, basis, variances)
    y = (x - mean) / scale @ basis
    turned, between = _discriminants(y, people, SMALLEST * variances.max())
    return Metric(mean, basis @ turned / scale[:, None], between)


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The principal components of centred rows and their variances, float64 [k, components], [components]."""
    variances, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = np.flatnonzero(variances > SMALLEST * max(variances[-1], SMALLEST))[-COMPONENTS:]
    return vectors[:, kept], variances[kept]


def _discriminants(y: np.ndarray, people: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """The map of LDA on principal components and the variance between people along each of its components.

    Args:
        y: centred rows, float64 [n, components].
        people: whose they are, int64 [n].
        least: variance within people below which a direction is taken to have this much.
    """
    _, owner, sizes = np.unique(people, return_inverse=True, return_counts=True)
    means = np.zeros((len(sizes), y.shape[1]))
    np.add.at(means, owner, y)
    means /= sizes[:, None]
    repeated = sizes[owner] > 1
    if not repeated.any():
        return np.diag(1 / y.std(axis=0)), np.ones(y.shape[1])
    white = _whitening((y - means[owner])[repeated], int((sizes > 1).sum()), least)
    apart = (means - means.mean(axis=0)) @ white
    chance = (1 / sizes).mean()
    between, turn = np.linalg.eigh(apart.T @ apart / max(1, len(sizes) - 1))
    return white @ turn, np.maximum(0, between - chance)


def _whitening(residuals: np.ndarray, people: int, least: float) -> np.ndarray:
    """The map that gives the scatter within people unit variance, float64 [components, components]."""
    from sklearn.covariance import ledoit_wolf  # half a second to import, and most runs need none of it

    within = ledoit_wolf(residuals, assume_centered=True)[0] * len(residuals) / (len(residuals) - people)
    variances, vectors = np.linalg.eigh(within)
    return vectors / np.sqrt(np.maximum(variances, least))


def _of_groups(metric: Metric, embedded: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Weighed mean embedding of each group of rows, [groups, components]."""
    means = np.stack([embedded[rows].mean(axis=0) for rows in groups])
    return metric.weigh(means, np.array([len(rows) for rows in groups]))


def _read(owned: Owned) -> np.ndarray:
    """All rows, reduced, float32 [rows, k]; each is read once."""
    batches = np.array_split(np.arange(len(owned.people)), -(-len(owned.people) // BATCH))
    return np.concatenate([reduced(owned.read(chosen)) for chosen in batches])


def _halves(rows: np.ndarray, seed: int, person: int) -> tuple[np.ndarray, np.ndarray]:
    """A person's rows in two random halves; they do not depend on who else is measured."""
    shuffled = seeding.generator(seed, "reidentification", "halves", person).permutation(rows)
    return shuffled[: len(rows) // 2], shuffled[len(rows) // 2 :]


def _compared(people: np.ndarray, seed: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in ``people`` of the two sides of every pair: each with themselves, then with random others."""
    count = len(people)
    first, second = [np.arange(count)], [np.arange(count)]
    for index, person in enumerate(people):
        generator = seeding.generator(seed, "reidentification", "others", int(person))
        steps = 1 + generator.permutation(count - 1)[:others]
        first.append(np.full(len(steps), index))
        second.append((index + steps) % count)
    return np.concatenate(first), np.concatenate(second)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity of matching rows, [pairs]; 0 beside an embedding of zeros."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("pk,pk->p", a, b) / np.where(norms > 0, norms, 1)
