"""Classical adversaries: nearest neighbours and boosted trees, from scikit-learn.

They learn from a short row of numbers for each example. These rows are computed from the batches that the networks
read in their first pass, so that no row is read for classical adversaries alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor

from tiprdc_fl import seeding

WORDS = 500  # words that a bag of words counts
# Values of a row that a classical adversary learns from. Trees on all 960 pooled values of CelebA faces take 15
# times as long as on 64 and reach 0.81 balanced accuracy on Male instead of 0.75 (Smiling: 0.73 instead of 0.70).
MAX_LEARNED = 64
NEIGHBOURS = (5, 15, 45)
TREES, STAGE = 100, 10  # largest number of trees, and trees between two validations
MIN_PROBABILITY = 1e-6  # lower limit on the probabilities of trees

Reduce = Callable[[Tensor], Tensor]
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class TrainingSet:
    """The examples that a classical adversary learns from.

    Attributes:
        rows: reduced training rows, float32 [n, d].
        labels: their labels, int64 [n].
        validation: reduced rows of the validation people, float32 [m, d].
        validation_labels: their labels, int64 [m].
        shares: share of each class among the training rows, above 0, float [classes].
        seed: seed of the adversary's random choices.
    """

    rows: np.ndarray
    labels: np.ndarray
    validation: np.ndarray
    validation_labels: np.ndarray
    shares: np.ndarray
    seed: int


@dataclass(frozen=True)
class Classical:
    """A classical adversary before it has learned.

    Attributes:
        reduce: a batch of inputs -> rows float [batch, d].
        learn: training set -> function from rows [n, d] to logits under balanced classes, float [n, classes].
    """

    reduce: Reduce
    learn: Callable[[TrainingSet], Predict]


@dataclass(frozen=True)
class ReducedRows:
    """Reduced rows, gathered batch by batch.

    Attributes:
        rows: row numbers, ascending; entry i of every array belongs to rows[i].
        reducers: the functions that reduce a batch.
        values: reduced rows, float32 [rows, d], by reducer; filled by ``add``.
    """

    rows: np.ndarray
    reducers: frozenset[Reduce] = frozenset()
    values: dict[Reduce, np.ndarray] = field(default_factory=dict)

    def add(self, batch: np.ndarray, x: Tensor) -> None:
        """Reduces a batch and keeps the result.

        Args:
            batch: row numbers, int64 [n].
            x: inputs of the probes for these rows, [n, ...].
        """
        for reduce in self.reducers:
            reduced = reduce(x).float().cpu().numpy()
            if reduce not in self.values:
                self.values[reduce] = np.empty((len(self.rows), reduced.shape[1]), np.float32)
            self.values[reduce][np.searchsorted(self.rows, batch)] = reduced


def bag_of_words(tokens: Tensor) -> Tensor:
    """Counts of the WORDS most frequent words in each message, [batch, length] -> [batch, WORDS].

    A vocabulary is sorted by frequency, so their ids are 1 (unknown words) to WORDS.
    """
    common = torch.where(tokens <= WORDS, tokens, 0)
    counts = torch.zeros(len(tokens), WORDS + 1, device=tokens.device)
    return counts.scatter_add_(1, common, torch.ones_like(common, dtype=counts.dtype))[:, 1:]


def learn_neighbours(examples: TrainingSet) -> Predict:
    """Learns nearest neighbours, weighted by inverse distance, on whitened principal components.

    The number of neighbours is chosen on the validation people. One more neighbour, which belongs to every class by
    the class's share, keeps probabilities above 0. Division by the shares balances the classes.
    """
    components = _whitened(examples.rows)
    sizes = sorted({min(size, len(examples.rows)) for size in NEIGHBOURS})
    models = {size: _neighbours(examples, components, size) for size in sizes}
    best = max(sizes, key=lambda size: _score(models[size](examples.validation), examples.validation_labels))
    return models[best]


def _neighbours(examples: TrainingSet, components: Predict, size: int) -> Predict:
    model = KNeighborsClassifier(size, weights="distance", n_jobs=1)
    model.fit(components(examples.rows), examples.labels)

    def predict(rows: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            known = np.asarray(model.predict_proba(components(rows)))
        probabilities = _of_all_classes(model, known, len(examples.shares))
        return np.log((size * probabilities / examples.shares + 1) / (size + 1))

    return predict


def learn_trees(examples: TrainingSet) -> Predict:
    """Learns gradient-boosted trees with balanced classes, on the values that separate the classes best.

    The number of trees is chosen on the validation people, because many trees overfit a rare class.
    """
    classes, (mean, scale) = len(examples.shares), _scale(examples.rows)
    if len(np.unique(examples.labels)) == 1:
        return lambda rows: np.zeros((len(rows), classes))
    columns = _separating_columns((examples.rows - mean) / scale, examples.labels)
    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=TREES,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        class_weight="balanced",
        random_state=seeding.derive(examples.seed, "trees") % 2**32,
    )
    with threadpool_limits(1):  # the trees do not depend on the number of threads
        model.fit(examples.rows[:, columns], examples.labels)

    staged = partial(_staged, model, columns, classes)
    scores = [_score(logits, examples.validation_labels) for logits in staged(examples.validation)]
    best = len(scores) - 1 - int(np.argmax(scores[::-1]))  # the last of equal scores
    return lambda rows: next(islice(staged(rows), best, None))


def _staged(
    model: HistGradientBoostingClassifier, columns: np.ndarray, classes: int, rows: np.ndarray
) -> Iterator[np.ndarray]:
    """Yields logits after every STAGE trees, float [n, classes]."""
    with threadpool_limits(1):
        for known in islice(model.staged_predict_proba(rows[:, columns]), STAGE - 1, None, STAGE):
            yield np.log(_of_all_classes(model, known, classes).clip(MIN_PROBABILITY))


def _of_all_classes(
    model: KNeighborsClassifier | HistGradientBoostingClassifier, known: np.ndarray, classes: int
) -> np.ndarray:
    """Probabilities of all classes, [n, classes], from those of the classes in the training rows; 0 for others."""
    probabilities = np.zeros((len(known), classes))
    probabilities[:, np.asarray(model.classes_)] = known
    return probabilities


def _scale(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column; the deviation of a constant column counts as 1."""
    deviation = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _separating_columns(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Columns of standardised rows in which the means of the classes differ most, at most MAX_LEARNED.

    Every column has variance 1, so the variance between classes ranks columns as the F statistic does.
    """
    groups = [rows[labels == value] for value in np.unique(labels)]
    between = np.sum([len(group) * group.mean(axis=0) ** 2 for group in groups], axis=0)
    return np.argsort(-between, kind="stable")[:MAX_LEARNED]


def _whitened(rows: np.ndarray) -> Predict:
    """Returns a function from rows to their first MAX_LEARNED principal components, each scaled to variance 1."""
    mean, scale = _scale(rows)
    standard = (rows - mean) / scale
    with threadpool_limits(1):  # the last digit depends on the order of the sums
        values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    values, vectors = values[::-1][:MAX_LEARNED], vectors[:, ::-1][:, :MAX_LEARNED]
    real = values > 1e-6 * values[0]  # the others are rounding errors and become 0
    basis = vectors * np.where(real, 1 / np.sqrt(np.where(real, values, 1)), 0)

    def components(rows: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            return (rows - mean) / scale @ basis

    return components


def _score(logits: np.ndarray, labels: np.ndarray) -> float:
    """Balanced accuracy over the classes that occur among the labels."""
    guess = logits.argmax(axis=1)
    return float(np.mean([(guess[labels == value] == value).mean() for value in np.unique(labels)]))
