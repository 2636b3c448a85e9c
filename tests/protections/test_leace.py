"""The erasure's theorem, and what is left of it on other people."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.protections.test_baselines import IMAGES, SETTINGS, SOURCE, open_dataset, protected
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import forward, preprocess
from tiprdc_fl.protections.leace import eraser


def rows(classes: int, count: int = 600, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Correlated rows of mean 0 whose class moves their mean, and the classes [count, 1]."""
    generator = np.random.default_rng(classes)
    labels = generator.integers(0, classes, (count, 1))
    x = generator.normal(size=(count, size)) @ generator.normal(size=(size, size))
    x += 2 * generator.normal(size=(classes, size))[labels[:, 0]]
    return x - x.mean(axis=0), labels


@pytest.mark.parametrize("classes", [2, 4])
def test_nothing_linear_is_left(classes):
    """Theorem 3.1: no covariance, so that the best logistic regression predicts the class shares."""
    x, labels = rows(classes)
    erased = x @ eraser(x, labels).T
    hot = np.eye(classes)[labels[:, 0]]
    assert np.abs(erased.T @ (hot - hot.mean(axis=0))).max() < 1e-6 * np.abs(x.T @ hot).max()
    fitted = LogisticRegression(C=1e6, max_iter=2000).fit(erased, labels[:, 0])
    shares = fitted.predict_proba(erased)
    assert np.abs(shares - hot.mean(axis=0)).max() < 0.02
    assert LogisticRegression(C=1e6, max_iter=2000).fit(x, labels[:, 0]).score(x, labels[:, 0]) > 0.8


def test_it_changes_the_rows_less_than_an_orthogonal_projection():
    """Theorem 4.2, against the projection off the difference of means; the distance is that of whitened rows."""
    x, labels = rows(2)
    erased = x @ eraser(x, labels).T
    step = x[labels[:, 0] == 1].mean(axis=0) - x[labels[:, 0] == 0].mean(axis=0)
    projected = x - np.outer(x @ step, step) / (step @ step)
    precision = np.linalg.inv(np.cov(x.T))

    def moved(other: np.ndarray) -> float:
        return float(np.einsum("ni,ij,nj->", other - x, precision, other - x))

    assert moved(erased) < moved(projected)
    assert np.linalg.norm(erased - x) <= np.linalg.norm(projected - x) * 1.5


def test_it_erases_once():
    x, labels = rows(3)
    erase = eraser(x, labels)
    assert np.allclose(erase @ erase, erase)
    assert np.linalg.matrix_rank(erase) == x.shape[1] - 2


def test_several_attributes_are_erased_together():
    x, first = rows(2)
    second = (np.arange(len(x)) % 2)[:, None]
    x[:, 0] += 3 * (first[:, 0] == second[:, 0])  # their combination
    x -= x.mean(axis=0)
    erased = x @ eraser(x, np.hstack([first, second])).T
    for labels in (first, second, first == second):
        assert np.abs(erased.T @ (labels - labels.mean())).max() < 1e-6 * len(x)


def test_constant_columns_do_not_break_it():
    x, labels = rows(2)
    x[:, 3] = 0
    assert np.isfinite(x @ eraser(x, labels).T).all()


def test_what_is_sent_has_no_covariance_with_the_private_attribute():
    """On the collector's own examples, whose labels alternate; clipping leaves their components as they are."""
    extractor = protected("leace")
    images = preprocess(IMAGES, open_dataset(SOURCE).load(range(40)).loaded)
    sent, plain = (forward(protected(name), images).numpy() for name in ("leace", "hybrid"))
    private = np.arange(len(images)) % 2 - 0.5
    assert extractor.architecture.noise == "none"
    assert sent.min() > 1e-4 and sent.max() < 1
    covariance = np.abs(private @ (sent - sent.mean(axis=0))) / len(sent)
    assert (covariance / sent.std(axis=0)).max() < 1e-3
    assert (np.abs(private @ (plain - plain.mean(axis=0))) / len(plain) / plain.std(axis=0)).max() > 1e-2


def test_one_value_of_the_private_attribute_is_refused(monkeypatch):
    monkeypatch.setattr("tests.protections.test_baselines.PRIVATE", 0)
    with pytest.raises(InputError, match=r"leace: .* one value .* raise data.collector_people"):
        protected("leace", settings=SETTINGS)
