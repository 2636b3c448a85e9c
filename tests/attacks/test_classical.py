"""Probes of rows: neighbours and trees, and what every one of them bears."""

import numpy as np
import pytest
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from tests.attacks.problems import accuracy, problem_of, reduced_of
from tiprdc_fl.attacks import classical
from tiprdc_fl.attacks.classical import COLUMNS, learn_neighbours, learn_trees
from tiprdc_fl.attacks.suite import ROW_PROBES

EVERY = pytest.mark.parametrize("name", ROW_PROBES)


def drawn(seed: int, rows: int = 800, values: int = 3, gap: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two Gaussian classes ``gap`` standard deviations apart in the first value."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, rows)
    x = generator.normal(size=(rows, values))
    x[:, 0] += gap * labels
    return x, labels


@EVERY
def test_the_bayes_accuracy_is_nearly_reached(name):
    (x, labels), (other, truth) = drawn(0), drawn(1)
    (answer,) = ROW_PROBES[name](reduced_of(x, other), [problem_of(labels)])
    assert accuracy(answer, truth) == pytest.approx(norm.cdf(1), abs=0.06 if name == "trees" else 0.04)


@EVERY
def test_chance_where_there_is_nothing(name):
    (x, labels), (other, truth) = drawn(0, gap=0), drawn(1, gap=0)
    (answer,) = ROW_PROBES[name](reduced_of(x, other), [problem_of(labels)])
    assert accuracy(answer, truth) == pytest.approx(0.5, abs=0.06)  # three standard errors


@EVERY
@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        pytest.param(np.zeros((40, 3)), np.arange(40) % 2, id="constant rows"),
        pytest.param(np.full((40, 1), 7.0), np.arange(40) % 2, id="one constant value"),
        pytest.param(np.eye(40), np.arange(40) % 2, id="as many columns as rows"),
        pytest.param(np.eye(40), np.zeros(40, dtype=np.int64), id="class 0 only"),
        pytest.param(np.eye(40), np.full(40, 2), id="class 2 only"),
        pytest.param(np.eye(40)[:, :2], np.arange(40) % 2 + 1, id="class 0 is absent"),
        pytest.param(np.eye(5, 4), np.array([0, 1, 0, 1, 0]), id="five rows"),
    ],
)
def test_poor_rows_are_borne(name, rows, labels):
    (answer,) = ROW_PROBES[name](reduced_of(rows), [problem_of(labels, classes=3)])
    for logits in (answer.validated, answer.measured):
        assert logits.shape[1] == 3 and np.isfinite(logits).all()
    assert len(answer.measured) == len(rows)


@EVERY
def test_units_and_constant_columns_do_not_matter(name):
    x, labels = drawn(0, 300, values=4)
    other = np.hstack([x * [1, 100, 0.01, 1] + 5, np.full((300, 2), 7.0)])
    guesses = [
        ROW_PROBES[name](reduced_of(part), [problem_of(labels)])[0].measured.argmax(axis=1)
        for part in (x, other)
    ]
    assert np.mean(guesses[0] == guesses[1]) > 0.97  # but for rounding, and the mean variance of more values


@EVERY
def test_equal_seeds_give_equal_figures_whatever_the_threads(monkeypatch, name):
    monkeypatch.setattr(classical, "FIRST_TREES", 1)
    monkeypatch.setattr(classical, "MOST_TREES", 1)
    x, labels = drawn(0, 150, values=80)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(ROW_PROBES[name](reduced_of(x), [problem_of(labels)])[0])
    assert np.allclose(answers[0].measured, answers[1].measured, atol=1e-3)


@EVERY
def test_a_problem_does_not_depend_on_those_beside_it(name):
    x, labels = drawn(0, 200)
    problems = [problem_of(labels), problem_of(np.arange(200) % 3, classes=3, attribute="B")]
    together = ROW_PROBES[name](reduced_of(x), problems)
    for problem, answer in zip(problems, together, strict=True):
        (alone,) = ROW_PROBES[name](reduced_of(x), [problem])
        assert np.allclose(alone.measured, answer.measured, atol=1e-3)


def test_neighbours_weigh_classes_equally_and_are_never_certain():
    generator = np.random.default_rng(0)
    labels = (generator.random(2000) < 0.1).astype(np.int64)
    x, other = generator.normal(size=(2000, 2)), generator.normal(size=(500, 2))
    (answer,) = learn_neighbours(reduced_of(x, other), [problem_of(labels)])
    assert (
        0.2 < (answer.measured.argmax(axis=1) == 1).mean() < 0.8
    )  # without weights it would hardly ever be 1
    assert answer.measured.min() > np.log(1 / 47)  # one neighbour of 46 is of all classes


def chequered(seed: int, rows: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Classes as the squares of a board of three by three, which takes many trees."""
    x = np.random.default_rng(seed).uniform(0, 3, size=(rows, 2))
    return x, np.floor(x).sum(axis=1).astype(np.int64) % 2


def test_trees_end_when_twice_as_many_bring_nothing():
    x, labels = drawn(0, gap=8)
    (easy,) = learn_trees(reduced_of(x), [problem_of(labels)])
    assert (easy.steps, easy.last_doubling, easy.converged) == (50, 0, True)
    x, labels = chequered(0)
    (hard,) = learn_trees(reduced_of(x), [problem_of(labels)])
    assert hard.steps is not None and hard.steps >= 50 and accuracy(hard, labels) > 0.9


def test_trees_say_that_more_of_them_might_help(monkeypatch):
    monkeypatch.setattr(classical, "MOST_TREES", 25)
    x, labels = chequered(0)
    (answer,) = learn_trees(reduced_of(x), [problem_of(labels)])
    assert (answer.steps, answer.converged) == (25, False)
    assert answer.last_doubling == problem_of(labels).score(answer.validated)  # all of it


def test_trees_read_the_values_that_separate_the_classes():
    """One value of 200 tells the classes; ten times COLUMNS of noise stand before it."""
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 2
    x = generator.normal(size=(300, 3 * COLUMNS))
    x[:, -1] = 3 * labels + generator.normal(size=300)
    (answer,) = learn_trees(reduced_of(x), [problem_of(labels)])
    assert accuracy(answer, labels) > 0.9


def test_values_of_a_source_that_differs_from_everybody_do_not_crowd_out_those_that_separate():
    """Values are standardised over all rows, so a source's own mean may be far from 0 and tell nothing."""
    labels = np.arange(400) % 2
    rows = np.random.default_rng(0).normal(size=(400, 2 * COLUMNS)) + 3
    rows[:, -1] += labels - 3.5
    assert classical._separating_columns(rows, labels)[0] == 2 * COLUMNS - 1
