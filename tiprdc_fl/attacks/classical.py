"""Adversaries that are no networks: nearest neighbours and boosted trees, from scikit-learn.

They learn from a short row of numbers for each example, made of the batches that networks are trained on in the
first pass over the rows, so nothing is read for them alone.
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

WORDS = 500
# Values that are learned from in the end. Trees on all 960 pooled values of CelebA faces take 15 times as long as
# on 64 and reach 0.81 balanced accuracy on Male instead of 0.75 (Smiling 0.73 and 0.70).
MOST_LEARNED = 64
NEIGHBOURS = (5, 15, 45)
TREES, STAGE = 100, 10
LEAST = 1e-6  # probability that a tree may give

Reduce = Callable[[Tensor], Tensor]
Predict = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Lesson:
    """What a classical adversary learns from.

    Attributes:
        rows: reduced training rows, float32 [n, d]; labels: int64 [n].
        validation: the validation people's, float32 [m, d]; validation_labels: int64 [m].
        shares: of each class among the training rows, none of them 0, float [classes].
        seed: of whatever is drawn.
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
        learn: lesson -> function from rows [n, d] to logits under balanced classes, float [n, classes].
    """

    reduce: Reduce
    learn: Callable[[Lesson], Predict]


@dataclass(frozen=True)
class Reduced:
    """Rows that were reduced as their batches came by.

    Attributes:
        rows: row numbers, ascending; place i of every array belongs to rows[i].
        reducers: functions that reduce, each once.
        values: reducer -> float32 [rows, d], filled by ``add``.
    """

    rows: np.ndarray
    reducers: frozenset[Reduce] = frozenset()
    values: dict[Reduce, np.ndarray] = field(default_factory=dict)

    def add(self, chosen: np.ndarray, x: Tensor) -> None:
        """Keeps the rows ``chosen``, whose inputs are ``x``."""
        for reduce in self.reducers:
            found = reduce(x).float().cpu().numpy()
            if reduce not in self.values:
                self.values[reduce] = np.empty((len(self.rows), found.shape[1]), np.float32)
            self.values[reduce][np.searchsorted(self.rows, chosen)] = found


def bag_of_words(tokens: Tensor) -> Tensor:
    """How often each of the WORDS most frequent ids stands in a message, [batch, length] -> [batch, WORDS].

    A vocabulary is ordered by frequency, so these are ids 1 (unknown words) to WORDS.
    """
    common = torch.where(tokens <= WORDS, tokens, 0)
    counts = torch.zeros(len(tokens), WORDS + 1, device=tokens.device)
    return counts.scatter_add_(1, common, torch.ones_like(common, dtype=counts.dtype))[:, 1:]


def learn_neighbours(lesson: Lesson) -> Predict:
    """Nearest neighbours, nearer ones counting more, among whitened principal components.

    How many neighbours is decided on the validation people. One neighbour more, who is of every class by its
    share, keeps probabilities off 0; dividing by the shares makes the classes equal.
    """
    components = _whitened(lesson.rows)
    sizes = sorted({min(size, len(lesson.rows)) for size in NEIGHBOURS})
    tried = {size: _neighbours(lesson, components, size) for size in sizes}
    best = max(sizes, key=lambda size: _score(tried[size](lesson.validation), lesson.validation_labels))
    return tried[best]


def _neighbours(lesson: Lesson, components: Predict, size: int) -> Predict:
    model = KNeighborsClassifier(size, weights="distance", n_jobs=1)
    model.fit(components(lesson.rows), lesson.labels)

    def predict(rows: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            seen = np.asarray(model.predict_proba(components(rows)))
        found = _of_all_classes(model, seen, len(lesson.shares))
        return np.log((size * found / lesson.shares + 1) / (size + 1))

    return predict


def learn_trees(lesson: Lesson) -> Predict:
    """Gradient-boosted trees on the values that tell the classes apart best one by one; classes balanced.

    How many trees count is decided on the validation people: of a rare class many of them learn by heart.
    """
    classes, (mean, scale) = len(lesson.shares), _scale(lesson.rows)
    if len(np.unique(lesson.labels)) == 1:
        return lambda rows: np.zeros((len(rows), classes))
    telling = _telling((lesson.rows - mean) / scale, lesson.labels)
    model = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=TREES,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        class_weight="balanced",
        random_state=seeding.derive(lesson.seed, "trees") % 2**32,
    )
    with threadpool_limits(1):  # one thread or many: the same trees
        model.fit(lesson.rows[:, telling], lesson.labels)

    staged = partial(_staged, model, telling, classes)
    scores = [_score(logits, lesson.validation_labels) for logits in staged(lesson.validation)]
    best = len(scores) - 1 - int(np.argmax(scores[::-1]))  # the last of equals
    return lambda rows: next(islice(staged(rows), best, None))


def _staged(
    model: HistGradientBoostingClassifier, columns: np.ndarray, classes: int, rows: np.ndarray
) -> Iterator[np.ndarray]:
    """Logits after every STAGE trees."""
    with threadpool_limits(1):
        for found in islice(model.staged_predict_proba(rows[:, columns]), STAGE - 1, None, STAGE):
            yield np.log(_of_all_classes(model, found, classes).clip(LEAST))


def _of_all_classes(
    model: KNeighborsClassifier | HistGradientBoostingClassifier, probabilities: np.ndarray, classes: int
) -> np.ndarray:
    """Probabilities [n, classes], 0 for a class that the model has not seen, of those of the classes it has."""
    found = np.zeros((len(probabilities), classes))
    found[:, np.asarray(model.classes_)] = probabilities
    return found


def _scale(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, 1 where it is constant."""
    deviation = rows.std(axis=0)
    return rows.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _telling(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Columns of standardised rows in which the classes' means differ most, at most MOST_LEARNED.

    Every column has variance 1, so the variance between classes ranks them as the F statistic would.
    """
    groups = [rows[labels == value] for value in np.unique(labels)]
    between = np.sum([len(group) * group.mean(axis=0) ** 2 for group in groups], axis=0)
    return np.argsort(-between, kind="stable")[:MOST_LEARNED]


def _whitened(rows: np.ndarray) -> Predict:
    """Function from rows to their first principal components, each of variance 1, at most MOST_LEARNED."""
    mean, scale = _scale(rows)
    standard = (rows - mean) / scale
    with threadpool_limits(1):  # the order of sums decides the last digit
        values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    values, vectors = values[::-1][:MOST_LEARNED], vectors[:, ::-1][:, :MOST_LEARNED]
    real = values > 1e-6 * values[0]  # the others are rounding, and become 0
    basis = vectors * np.where(real, 1 / np.sqrt(np.where(real, values, 1)), 0)

    def components(rows: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            return (rows - mean) / scale @ basis

    return components


def _score(logits: np.ndarray, labels: np.ndarray) -> float:
    """Balanced accuracy over the classes that occur."""
    guess = logits.argmax(axis=1)
    return float(np.mean([(guess[labels == value] == value).mean() for value in np.unique(labels)]))
