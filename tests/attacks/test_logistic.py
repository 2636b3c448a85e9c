"""Logistic regression: the optimum is scikit-learn's, for each problem whatever is beside it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.attacks.problems import problem_of, reduced_of
from tiprdc_fl.attacks import logistic
from tiprdc_fl.attacks.logistic import TOLERANCE, regress


def rows(classes: int, condition: float, seed: int = 0, count: int = 400, values: int = 8):
    """Rows along axes of very different variance, and unequal classes that all of them tell a little of."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(classes, count, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum())
    x = generator.normal(size=(count, values)) + 0.5 * np.eye(classes, values)[labels]
    mixture = np.linalg.qr(np.random.default_rng(5).normal(size=(values, values)))[0]
    return x * np.logspace(0, -np.log10(condition), values) @ mixture, labels


@pytest.fixture
def exact(monkeypatch):
    """A single strength, and steps until next to nothing is left to gain."""
    monkeypatch.setattr(logistic, "STRENGTHS", (0.01,))
    monkeypatch.setattr(logistic, "TOLERANCE", 1e-9)
    monkeypatch.setattr(logistic, "MOST_ITERATIONS", 3000)


@pytest.mark.parametrize("condition", [1, 100])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_optimum_is_scikit_learns(exact, classes, condition):
    x, labels = rows(classes, condition)
    problem, reduced = problem_of(labels, classes), reduced_of(x)
    (answer,) = regress(reduced, [problem])
    learned = reduced.learned.numpy()[problem.training]
    # Their sum of losses has weights that add up to the number of rows; ours add up to 1, and class 0 has the
    # logit 0 in ours, which two classes share.
    assert answer.converged
    logits = answer.measured - answer.measured[:, :1]
    if classes == 2:
        theirs = LogisticRegression(
            C=1 / (0.01 * len(learned)), class_weight="balanced", tol=1e-8, max_iter=5000
        ).fit(learned, labels[problem.training])
        assert np.allclose(logits[:, 1], theirs.decision_function(reduced.measured.numpy()), atol=1e-3)
        return
    assert np.allclose(
        slope(reduced.learned.numpy(), labels, problem.training, logits, classes), 0, atol=1e-3
    )


def slope(
    x: np.ndarray, labels: np.ndarray, chosen: np.ndarray, logits: np.ndarray, classes: int
) -> np.ndarray:
    """Slope of the loss with classes of equal weight in the weights that have these logits, in NumPy."""
    design = np.hstack([x, np.ones((len(x), 1))])
    weights, *_ = np.linalg.lstsq(design, logits, rcond=None)
    odds = np.exp(logits[chosen])
    wrong = odds / odds.sum(axis=1, keepdims=True) - np.eye(classes)[labels[chosen]]
    share = 1 / (classes * np.bincount(labels[chosen])[labels[chosen]])
    penalty = 0.01 * np.vstack([weights[:-1], np.zeros(classes)])
    return (design[chosen].T @ (wrong * share[:, None]) + penalty)[:, 1:]


@pytest.mark.parametrize("classes", [2, 3])
def test_at_the_usual_tolerance_guesses_are_nearly_the_same(monkeypatch, classes):
    monkeypatch.setattr(logistic, "STRENGTHS", (1e-3,))
    x, labels = rows(classes, 100, count=1000)
    (usual,) = regress(reduced_of(x), [problem_of(labels, classes)])
    monkeypatch.setattr(logistic, "TOLERANCE", TOLERANCE / 1e4)
    monkeypatch.setattr(logistic, "MOST_ITERATIONS", 5000)
    (exact,) = regress(reduced_of(x), [problem_of(labels, classes)])
    assert usual.converged and usual.steps is not None and exact.steps is not None
    assert usual.steps < 100 and usual.steps < exact.steps
    assert np.mean(usual.measured.argmax(axis=1) == exact.measured.argmax(axis=1)) > 0.97


def test_several_problems_at_once_equal_each_alone():
    x, two = rows(2, 10)
    _, three = rows(3, 10)
    problems = [
        problem_of(two, attribute="A"),
        problem_of(three, classes=3, attribute="B"),
        problem_of((np.arange(len(two)) < 20).astype(np.int64), attribute="C"),
        problem_of(1 - two, attribute="D"),
    ]
    together = regress(reduced_of(x), problems)
    for problem, answer in zip(problems, together, strict=True):
        (alone,) = regress(reduced_of(x), [problem])
        assert np.allclose(alone.measured, answer.measured, atol=1e-3)
        assert (alone.steps, alone.converged) == (answer.steps, answer.converged)


def test_validation_rows_choose_the_strength(monkeypatch):
    """One value that tells among 120 of noise: strengths differ, and the best of each alone is taken."""
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    x = generator.normal(size=(200, 120))
    x[:, 0] += 1.5 * labels
    problem, reduced = problem_of(labels), reduced_of(x)
    (answer,) = regress(reduced, [problem])
    scores = []
    for strength in logistic.STRENGTHS:
        monkeypatch.setattr(logistic, "STRENGTHS", (strength,))
        (alone,) = regress(reduced, [problem])
        scores.append(problem.score(alone.validated))
    assert len(set(scores)) > 1 and problem.score(answer.validated) == max(scores)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_without_rows_is_not_guessed(absent):
    x, labels = rows(2, 1)
    names = np.array([c for c in range(3) if c != absent])
    (answer,) = regress(reduced_of(x), [problem_of(names[labels], classes=3)])
    assert np.isfinite(answer.measured).all()
    assert np.mean(answer.measured.argmax(axis=1) == absent) < 0.01


def test_too_few_iterations_are_said(monkeypatch):
    monkeypatch.setattr(logistic, "MOST_ITERATIONS", 2)
    x, labels = rows(2, 100)
    (answer,) = regress(reduced_of(x), [problem_of(labels)])
    assert (answer.steps, answer.converged) == (2, False)
