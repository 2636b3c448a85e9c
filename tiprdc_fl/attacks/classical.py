"""Probes that learn from reduced rows: the record of such a probe, nearest neighbours, boosted trees.

Linear discriminants and regressions have rooms of their own; these two come from scikit-learn.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier

from tiprdc_fl import seeding
from tiprdc_fl.attacks.problem import Answer, Problem, last_of_best
from tiprdc_fl.attacks.reduced import Reduce, Reduced

COLUMNS = 64  # values that trees learn from: those that separate the classes best
COMPONENTS = 64  # principal components in which neighbours are near
NEIGHBOURS = (5, 15, 45)
FIRST_TREES, MOST_TREES = 25, 200  # trees before the first validation, and at most
MOST_ROWS = 10_000  # that trees learn from, drawn at random; they gain little from more
BINS = 63  # values of a column that trees tell apart
MIN_PROBABILITY = 1e-6  # lower limit on the probabilities of trees

Learn = Callable[[Reduced, list[Problem]], list[Answer]]


@dataclass(frozen=True)
class Classical:
    """A probe that learns from reduced rows; all problems are handed to it together, because they share the rows.

    Attributes:
        reduce: a batch of inputs -> rows, float [batch, d].
        learn: standardised rows and problems -> an answer for each problem.
    """

    reduce: Reduce
    learn: Learn


def learn_neighbours(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Nearest neighbours, weighted by inverse distance, on whitened principal components.

    The number of neighbours is chosen on the validation people. One more neighbour, which belongs to every class by
    the class's share, keeps probabilities above 0. Division by the shares balances the classes.
    """
    rows = reduced.leading(COMPONENTS)
    learned, measured = rows.learned.cpu().numpy(), rows.measured.cpu().numpy()
    return [_neighbours(learned, measured, problem) for problem in problems]


def _neighbours(learned: np.ndarray, measured: np.ndarray, problem: Problem) -> Answer:
    answers = []
    for size in sorted({min(size, len(problem.training)) for size in NEIGHBOURS}):
        model = KNeighborsClassifier(size, weights="distance")
        model.fit(learned[problem.training], problem.labels[problem.training])
        validated, predicted = (
            np.log((size * _probabilities(model, rows, problem) / problem.shares + 1) / (size + 1))
            for rows in (learned[problem.validation], measured)
        )
        answers.append(Answer(validated, predicted))
    return answers[last_of_best([problem.score(answer.validated) for answer in answers])]


def learn_trees(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Gradient-boosted trees with balanced classes, on the values that separate the classes best.

    Trees are added until twice as many bring nothing on the validation people, who also choose their number.
    """
    learned, measured = reduced.learned.cpu().numpy(), reduced.measured.cpu().numpy()
    return [_trees(learned, measured, problem) for problem in problems]


def _trees(learned: np.ndarray, measured: np.ndarray, problem: Problem) -> Answer:
    rows = problem.training
    if len(rows) > MOST_ROWS:
        rows = np.sort(seeding.generator(problem.seed, "trees", "rows").permutation(rows)[:MOST_ROWS])
    labels = problem.labels[rows]
    if len(np.unique(labels)) == 1:
        nothing = np.zeros((1, problem.classes))
        return Answer(nothing.repeat(len(problem.validation), 0), nothing.repeat(len(measured), 0))
    columns = _separating_columns(learned[rows], labels)
    model = HistGradientBoostingClassifier(
        learning_rate=0.3,
        max_leaf_nodes=8,
        max_bins=BINS,
        early_stopping=False,  # pyright: ignore[reportArgumentType]
        class_weight="balanced",
        warm_start=True,
        random_state=seeding.derive(problem.seed, "trees") % 2**32,
    )
    limits = balanced_limits(learned[np.ix_(rows, columns)], labels)
    fitted, tried, predicted = (
        binned(values[:, columns], limits)
        for values in (learned[rows], learned[problem.validation], measured)
    )
    trees, best, gain, answer = FIRST_TREES, 0.0, 1.0, None
    while trees <= MOST_TREES and gain > problem.tolerance(best):
        model.set_params(max_iter=trees).fit(fitted, labels)
        validated = _logs(model, tried, problem)
        gain, steps, trees = problem.score(validated) - best, trees, 2 * trees
        if answer is None or gain >= 0:
            best += gain
            answer = Answer(validated, _logs(model, predicted, problem))
    assert answer is not None
    return Answer(
        answer.validated,
        answer.measured,
        steps=steps,
        last_doubling=max(0.0, gain),
        converged=gain <= problem.tolerance(best),
    )


def balanced_limits(rows: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Upper limits of at most BINS bins of each column, which weigh the same under balanced classes.

    scikit-learn computes the same limits one by one whenever it fits with weights, a second each time.

    Args:
        rows: float [n, columns].
        labels: int64 [n].
    """
    weights = 1 / np.bincount(labels)[labels]
    order = np.argsort(rows, axis=0, kind="stable")
    ascending = np.take_along_axis(rows, order, axis=0)
    below = np.cumsum(weights[order], axis=0)
    wanted = np.arange(1, BINS) / BINS * below[-1, 0]
    places = (np.searchsorted(column, wanted).clip(max=len(rows) - 1) for column in below.T)
    return [np.unique(column[place]) for column, place in zip(ascending.T, places, strict=True)]


def binned(rows: np.ndarray, limits: list[np.ndarray]) -> np.ndarray:
    """The bin of each value, float32 [n, columns], from 0."""
    bins = [np.searchsorted(limit, column) for limit, column in zip(limits, rows.T, strict=True)]
    return np.stack(bins, axis=1).astype(np.float32)


def _logs(model: HistGradientBoostingClassifier, rows: np.ndarray, problem: Problem) -> np.ndarray:
    return np.log(_probabilities(model, rows, problem).clip(MIN_PROBABILITY))


def _probabilities(
    model: KNeighborsClassifier | HistGradientBoostingClassifier, rows: np.ndarray, problem: Problem
) -> np.ndarray:
    """Probabilities of all classes, [n, classes]: 0 for those that the training rows lack."""
    probabilities = np.zeros((len(rows), problem.classes))
    probabilities[:, np.asarray(model.classes_)] = np.asarray(model.predict_proba(rows))
    return probabilities


def _separating_columns(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Columns of standardised rows in which the means of the classes differ most, at most COLUMNS.

    Every column has variance 1, so the variance between classes ranks columns as the F statistic does.
    """
    groups = [rows[labels == value] for value in np.unique(labels)]
    centre = rows.mean(axis=0)  # of these rows; values are standardised over everybody's
    between = np.sum([len(group) * (group.mean(axis=0) - centre) ** 2 for group in groups], axis=0)
    return np.argsort(-between, kind="stable")[:COLUMNS]
