"""The linear discriminant and its lifts: they equal the textbook's rule, and reach the Bayes accuracy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.attacks.problems import accuracy, problem_of, reduced_of
from tiprdc_fl.attacks import discriminant, lifts
from tiprdc_fl.attacks.discriminant import discriminate
from tiprdc_fl.attacks.lifts import discriminate_by_kernel, products, regress_on_products

GENERATOR = np.random.default_rng


def correlated(rows: int, values: int, distance: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two classes a Mahalanobis distance apart, and the classes.

    The covariance is badly conditioned, and the same for every seed.
    """
    mixture = GENERATOR(99).normal(size=(values, values)) * np.logspace(0, 1.5, values)
    generator = GENERATOR(seed)
    labels = generator.integers(0, 2, rows)
    white = generator.normal(size=(rows, values))
    white[:, 0] += distance * labels
    return white @ mixture, labels


@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_the_bayes_accuracy_of_two_gaussians(distance):
    x, labels = correlated(2000, 12, distance, seed=0)
    other, truth = correlated(2000, 12, distance, seed=1)
    (answer,) = discriminate(reduced_of(x, other), [problem_of(labels)])
    assert accuracy(answer, truth) == pytest.approx(norm.cdf(distance / 2), abs=0.035)
    assert answer.converged and answer.steps is answer.last_doubling is None


@pytest.mark.parametrize(("rows", "values"), [(198, 6), (30, 60)], ids=["many rows", "few rows"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("shrinkage", [1e-3, 0.1, 0.6])
def test_the_rule_is_scikit_learns_where_every_row_is_labelled(monkeypatch, rows, values, classes, shrinkage):
    """Ours shrinks towards the mean variance of all rows, scikit-learn towards that within classes."""
    generator = GENERATOR(0)
    labels = generator.choice(classes, rows, p=[[0.7, 0.3], [0.5, 0.3, 0.2]][classes - 2])
    x = generator.normal(size=(rows, values)) @ generator.normal(size=(values, values))
    x += 2 * generator.normal(size=(classes, values))[labels]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    monkeypatch.setattr(discriminant, "SHRINKAGES", (shrinkage,))
    monkeypatch.setattr(discriminant, "LEAST_WITHIN", 0.0)
    (answer,) = discriminate(reduced_of(x), [problem_of(labels, classes)])
    means = np.stack([x[labels == c].mean(axis=0) for c in range(classes)])
    within = float(((x - means[labels]) ** 2).mean())
    ratio = shrinkage / (1 - shrinkage)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=ratio / (ratio + within))
    expected = theirs.fit(x, labels).decision_function(x)
    ours = answer.measured - answer.measured[:, :1]
    if classes == 2:
        expected = np.stack([np.zeros(rows), expected], axis=1)
    shares = np.bincount(labels) / rows  # ours are logits under balanced classes
    expected += -np.log(shares) - (expected - np.log(shares))[:, :1]
    scale = (ours * expected).sum() / (expected**2).sum()
    assert scale > 0 and np.allclose(ours / scale, expected, atol=0.02 * np.abs(expected).max())


def test_three_classes_reach_their_bayes_accuracy():
    """Classes one, two and three on a line, two standard deviations apart: recalls F(1), 2 F(1) - 1, F(1)."""

    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        labels = GENERATOR(seed).integers(0, 3, 3000)
        x = GENERATOR(seed + 10).normal(size=(3000, 5))
        x[:, 2] += 2 * labels
        return x, labels

    (x, labels), (other, truth) = draw(0), draw(1)
    (answer,) = discriminate(reduced_of(x, other), [problem_of(labels, 3)])
    assert accuracy(answer, truth) == pytest.approx((4 * norm.cdf(1) - 1) / 3, abs=0.03)


@pytest.mark.parametrize(
    ("learn", "least"),
    [(discriminate, 0.95), (discriminate_by_kernel, 0.95), (regress_on_products, 0.75)],
)
def test_fewer_rows_than_values(learn, least):
    x, other = GENERATOR(0).normal(size=(2, 60, 300))
    labels = np.arange(60) % 2
    (answer,) = learn(reduced_of(x + labels[:, None], other + labels[:, None]), [problem_of(labels)])
    assert accuracy(answer, labels) > least


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_without_rows_is_never_guessed_and_costs_the_others_nothing(absent):
    x, labels = correlated(1000, 6, 3.0, seed=0)
    unequal = (labels == 0) | (np.arange(1000) % 5 == 0)
    x, labels = x[unequal], labels[unequal]
    names = np.array([c for c in range(3) if c != absent])
    (two,) = discriminate(reduced_of(x), [problem_of(labels)])
    (three,) = discriminate(reduced_of(x), [problem_of(names[labels], classes=3)])
    assert np.array_equal(names[two.measured.argmax(axis=1)], three.measured.argmax(axis=1))


def test_constant_columns_change_nothing():
    x, labels = correlated(300, 5, 2.0, seed=0)
    with_constants = np.hstack([np.full((300, 2), 7.0), x, np.zeros((300, 1))])
    plain, padded = (
        discriminate(reduced_of(part), [problem_of(labels)])[0].measured.argmax(axis=1)
        for part in (x, with_constants)
    )
    assert np.mean(plain == padded) > 0.99  # shrinkage is towards the mean variance, which is lower


def test_labels_of_other_rows_never_matter():
    """Half of the rows are another source's: they count for the axes, their labels do not."""
    x, labels = correlated(400, 6, 1.0, seed=0)
    half = problem_of(labels[:200])
    theirs = [
        replace(half, labels=np.concatenate([labels[:200], rest])) for rest in np.eye(2, 200, dtype=int)
    ]
    first, second = discriminate(reduced_of(x), theirs)
    assert np.array_equal(first.measured, second.measured)
    assert np.array_equal(first.validated, second.validated)


def test_validation_rows_choose_the_shrinkage_and_nothing_else(monkeypatch):
    """With a single shrinkage there is nothing to choose: their labels do not change what they are told."""
    monkeypatch.setattr(discriminant, "SHRINKAGES", (0.1,))
    x, labels = correlated(300, 6, 1.0, seed=0)
    problem = problem_of(labels)
    other = labels.copy()
    other[problem.validation] = 1 - other[problem.validation]
    first, second = discriminate(reduced_of(x), [problem, replace(problem, labels=other)])
    assert np.array_equal(first.validated, second.validated)


def uniform(seed: int, values: int = 6) -> np.ndarray:
    return GENERATOR(seed).uniform(-1, 1, size=(1500, values))


def exclusive(x: np.ndarray) -> np.ndarray:
    return (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def radial(x: np.ndarray) -> np.ndarray:
    return ((x[:, :2] ** 2).sum(axis=1) < 2 / np.pi).astype(np.int64)


@pytest.mark.parametrize(
    ("learn", "classes_of"),
    [
        (regress_on_products, exclusive),
        (discriminate_by_kernel, exclusive),
        (discriminate_by_kernel, radial),
    ],
)
def test_lifts_see_what_a_linear_rule_does_not(learn, classes_of):
    x, other = uniform(0), uniform(1)
    problem, truth, reduced = problem_of(classes_of(x)), classes_of(other), reduced_of(x, other)
    assert accuracy(learn(reduced, [problem])[0], truth) > 0.85
    assert accuracy(discriminate(reduced, [problem])[0], truth) < 0.6


@pytest.mark.parametrize("rare", [10, 100])
def test_rows_far_from_all_others_are_compared_too(rare):
    """One component with a rare cluster at tens of standard deviations: near rows hardly differ in float32."""
    x = GENERATOR(0).normal(size=(900, 1))
    x[:rare] = 1000 + 0.01 * x[:rare]
    labels = np.arange(900) % 2
    x += labels[:, None]
    (answer,) = discriminate_by_kernel(reduced_of(x), [problem_of(labels)])
    assert np.isfinite(answer.measured).all()


def test_the_kernel_s_values_have_its_products():
    """Every row is a landmark, so nothing is approximated."""
    x = torch.from_numpy(GENERATOR(0).normal(size=(200, 5)).astype(np.float32))
    values = lifts.compared(x, x, lifts.factored(x))
    expected = torch.exp(-torch.cdist(x, x).square() / (2 * 2 * 5))
    assert torch.allclose(values @ values.T, expected, atol=1e-3)


def test_a_single_product_is_found_among_hundreds(monkeypatch):
    """40 values have 820 products; all together, on 1,500 rows, they hide the one that matters."""
    x, other = uniform(0, 40), uniform(1, 40)
    problem, truth, reduced = problem_of(exclusive(x)), exclusive(other), reduced_of(x, other)
    assert accuracy(regress_on_products(reduced, [problem])[0], truth) > 0.92
    monkeypatch.setattr(lifts, "MOST_VALUES", 39)
    assert accuracy(regress_on_products(reduced, [problem])[0], truth) < 0.9


def test_a_source_that_differs_from_the_others_does_not_hide_a_product():
    """Values are standardised over all rows; those that are merely larger among the source's tell nothing."""
    others, source, other = uniform(0, 20), uniform(1, 20)[:400], uniform(2, 20)
    shift = np.zeros(20)
    shift[2:] = 0.6
    x = np.concatenate([others, source + shift])
    labels = np.concatenate([np.zeros(1500, np.int64), exclusive(source)])
    problem = replace(problem_of(labels), training=np.arange(1500, 1800), validation=np.arange(1800, 1900))
    reduced = reduced_of(x, other + shift)
    lifted = reduced.lifted(products)
    assert accuracy(lifts._of_few(lifted, problem), exclusive(other)) > 0.85


def test_products_by_hand():
    assert products(torch.tensor([[2.0, 3.0]])).tolist() == [[2, 3, 4, 6, 9]]


@pytest.mark.parametrize("rows", [50, 8], ids=["more rows than values", "fewer"])
def test_the_principal_axes_are_orthonormal_and_have_the_variances(rows):
    x = GENERATOR(0).normal(size=(rows, 12)) @ GENERATOR(1).normal(size=(12, 12))
    reduced = reduced_of(x)
    variances, axes = reduced.axes
    assert torch.allclose(axes.T @ axes, torch.eye(len(variances)), atol=1e-4)
    assert torch.allclose((reduced.learned @ axes).var(dim=0, correction=0), variances, rtol=1e-3, atol=1e-5)
    assert float(variances.sum()) == pytest.approx(12, rel=1e-4)  # the variance of 12 standardised values
    leading = reduced.leading(3).learned
    assert torch.allclose(leading.T @ leading / rows, torch.eye(3), atol=1e-3)


def test_values_are_standardised_by_the_learning_rows_alone():
    reduced = reduced_of(np.array([[1.0, 5], [3, 5]]), np.array([[4.0, 9], [2, 5]]))
    assert reduced.learned.tolist() == [[-1, 0], [1, 0]]
    assert reduced.measured.tolist() == [[2, 0], [0, 0]]
