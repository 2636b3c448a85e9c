"""Re-identification: do two contributions come from the same person?

A contribution carries its contributor's id, so the adversary knows which collected rows belong to one person. From
them it learns a metric under which a person's rows are close. It then compares contributions of people it has never
seen. An adversary that recognises two contributions of one person can follow people under changing ids.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.attacks.reduction import reduce_features
from tiprdc_fl.errors import InputError

BATCH = 512  # rows read at a time
MAX_COMPONENTS = 128  # principal components that the metric is learned on
MAX_OTHERS = 50  # other people with whom each person's contribution is compared
ROUNDING_SHARE = 1e-6  # of the largest variance; a direction with less is rounding error


@dataclass(frozen=True)
class OwnedRows:
    """Rows with the person of each.

    Attributes:
        read: row numbers -> inputs of the adversary, float [n, ...], as ``reduce_features`` takes them.
        people: person of each row, int64 [rows].
    """

    read: Callable[[np.ndarray], Tensor]
    people: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Compared pairs of contributions or of examples.

    Attributes:
        scores: cosine similarity of the two sides, float64 [pairs].
        same: whether both sides come from one person, bool [pairs].
        first: person of the first side, as a position in ``Reidentification.people``, int64 [pairs].
        second: person of the second side, likewise.
    """

    scores: np.ndarray
    same: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Reidentification:
    """The adversary's scores for people it has not learned from.

    Attributes:
        contribution: pairs of contributions; each side is half of one person's examples.
        example: pairs of single examples, one from each of the same halves.
        people: ids of the measured people, sorted, int64 [people].
        usable: number of measured people with at least two examples; only they are in pairs.
        components: number of values that the metric compares.
    """

    contribution: Pairs
    example: Pairs
    people: np.ndarray
    usable: int
    components: int


@dataclass(frozen=True)
class Metric:
    """A linear map after which a person's examples have variance 1 around the person's mean in every direction.

    Attributes:
        mean: mean of the training rows, float64 [k].
        basis: directions of the components, float64 [k, components].
        between: variance of people's means along each component, float64 [components].
    """

    mean: np.ndarray
    basis: np.ndarray
    between: np.ndarray

    def embed(self, x: np.ndarray) -> np.ndarray:
        """Maps reduced rows [n, k] to embeddings [n, components]."""
        return (x - self.mean) @ self.basis

    def weigh(self, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Multiplies every component of a mean embedding by the square root of its reliability.

        The reliability is between / (between + 1 / count), the share of the mean's variance that comes from the
        person (probabilistic linear discriminant analysis, Ioffe 2006). Single examples are best compared by the
        few components that separate people, means of many examples by nearly all components.

        Args:
            means: mean embeddings, float64 [n, components].
            counts: number of embeddings in each mean, int64 [n].
        """
        variance = self.between + 1 / counts[:, None]
        return means * np.sqrt(self.between / variance)


def reidentify(
    rows: OwnedRows, measured: OwnedRows, seed: int, others: int = MAX_OTHERS
) -> Reidentification | None:
    """Learns a metric from ``rows``, and compares the measured people by it.

    Each measured person's examples are divided at random into two halves, which stand for two contributions. A pair
    is a person's two halves, or a person's first half and the second half of one of up to ``others`` other people.

    Args:
        rows: rows to learn from.
        measured: rows of other people, to compare.
        seed: seed of the halves and of the people to compare with.
        others: number of other people to compare each person with, at most.

    Returns:
        The compared pairs; None if fewer than two measured people have two examples.

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
    metric = learn_metric(read_reduced(rows.read, np.arange(len(rows.people))), rows.people)
    embedded = metric.embed(read_reduced(measured.read, np.arange(len(measured.people))))
    order = np.split(np.argsort(owner, kind="stable"), np.cumsum(sizes)[:-1])
    halves = [halves_of(order[index], seed, int(people[index])) for index in usable]
    first, second = _pairs(people[usable], seed, others)

    def compare(examples: int | None) -> Pairs:
        """Compares halves by that number of their examples; None compares all."""
        a, b = (
            _mean_embeddings(metric, embedded, [half[side][:examples] for half in halves]) for side in (0, 1)
        )
        return Pairs(
            scores=cosine(a[first], b[second]),
            same=first == second,
            first=usable[first],
            second=usable[second],
        )

    return Reidentification(
        contribution=compare(None),
        example=compare(1),
        people=people,
        usable=len(usable),
        components=metric.basis.shape[1],
    )


def learn_metric(x: np.ndarray, people: np.ndarray) -> Metric:
    """Learns a metric by linear discriminant analysis of people.

    The values are standardised and reduced to at most MAX_COMPONENTS principal components. The scatter within
    people, shrunk after Ledoit and Wolf (2004), is scaled to 1. The components are those of the scatter between
    people, less the scatter that people's means have by chance. If nobody has two rows, the scatter within people
    is unknown, and the principal components are scaled to variance 1 instead.

    Args:
        x: reduced rows, float [n, k], at least two.
        people: person of each row, int64 [n].
    """
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale <= np.abs(mean) * ROUNDING_SHARE] = np.inf  # a constant value identifies nobody
    basis, variances = _principal((x - mean) / scale)
    if not len(variances):
        return Metric(mean, basis, variances)
    y = (x - mean) / scale @ basis
    directions, between = _discriminants(y, people, ROUNDING_SHARE * variances.max())
    return Metric(mean, basis @ directions / scale[:, None], between)


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of centred rows, float64 [k, components], and their variances, float64 [components]."""
    variances, vectors = np.linalg.eigh(x.T @ x / len(x))
    kept = np.flatnonzero(variances > ROUNDING_SHARE * max(variances[-1], ROUNDING_SHARE))[-MAX_COMPONENTS:]
    return vectors[:, kept], variances[kept]


def _discriminants(y: np.ndarray, people: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Linear discriminants on principal components.

    Args:
        y: centred rows, float64 [n, components].
        people: person of each row, int64 [n].
        least: lower limit on the variance within people along a direction.

    Returns:
        Directions of the discriminants, float64 [components, components], and the variance between people along
        each of them, float64 [components].
    """
    _, owner, sizes = np.unique(people, return_inverse=True, return_counts=True)
    means = np.zeros((len(sizes), y.shape[1]))
    np.add.at(means, owner, y)
    means /= sizes[:, None]
    repeated = sizes[owner] > 1
    if not repeated.any():
        return np.diag(1 / y.std(axis=0)), np.ones(y.shape[1])
    white = _whitening((y - means[owner])[repeated], int((sizes > 1).sum()), least)
    whitened = (means - means.mean(axis=0)) @ white
    chance = (1 / sizes).mean()
    between, rotation = np.linalg.eigh(whitened.T @ whitened / max(1, len(sizes) - 1))
    return white @ rotation, np.maximum(0, between - chance)


def _whitening(residuals: np.ndarray, people: int, least: float) -> np.ndarray:
    """The linear map that scales the scatter within people to variance 1, float64 [components, components]."""
    from sklearn.covariance import ledoit_wolf  # takes half a second to import, and most runs do not need it

    within = ledoit_wolf(residuals, assume_centered=True)[0] * len(residuals) / (len(residuals) - people)
    variances, vectors = np.linalg.eigh(within)
    return vectors / np.sqrt(np.maximum(variances, least))


def _mean_embeddings(metric: Metric, embedded: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Weighted mean embedding of each group of rows, [groups, components]."""
    means = np.stack([embedded[rows].mean(axis=0) for rows in groups])
    return metric.weigh(means, np.array([len(rows) for rows in groups]))


def read_reduced(read: Callable[[np.ndarray], Tensor], rows: np.ndarray) -> np.ndarray:
    """The given rows, reduced, float32 [rows, k]; each is read once."""
    return np.concatenate(
        [reduce_features(read(batch)) for batch in np.array_split(rows, -(-len(rows) // BATCH))]
    )


def halves_of(rows: np.ndarray, seed: int, person: int) -> tuple[np.ndarray, np.ndarray]:
    """Divides a person's rows into two random halves, which do not depend on the other measured people."""
    shuffled = seeding.generator(seed, "reidentification", "halves", person).permutation(rows)
    return shuffled[: len(rows) // 2], shuffled[len(rows) // 2 :]


def _pairs(people: np.ndarray, seed: int, others: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in ``people`` of the two sides of every pair: each person with itself, then with random others."""
    count = len(people)
    first, second = [np.arange(count)], [np.arange(count)]
    for index, person in enumerate(people):
        generator = seeding.generator(seed, "reidentification", "others", int(person))
        steps = 1 + generator.permutation(count - 1)[:others]
        first.append(np.full(len(steps), index))
        second.append((index + steps) % count)
    return np.concatenate(first), np.concatenate(second)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity of matching rows, [pairs]; 0 if either embedding is zero."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.einsum("pk,pk->p", a, b) / np.where(norms > 0, norms, 1)
