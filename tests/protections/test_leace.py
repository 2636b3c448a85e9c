"""The erasure's theorem, and what is left of it on other people."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.protections.test_baselines import (
    IMAGES,
    SOURCE,
    TEXTS,
    WORDS,
    encoder_of,
    open_dataset,
    protected,
)
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import batch_reader, forward, preprocess
from tiprdc_fl.protections.combinations import combinations
from tiprdc_fl.protections.leace import eraser
from tiprdc_fl.stages.runtime import check_runtime


def rows(classes: int, count: int = 600, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Correlated rows of mean 0 whose class moves their mean, and the classes [count, 1]."""
    generator = np.random.default_rng(classes)
    labels = generator.integers(0, classes, (count, 1))
    x = generator.normal(size=(count, size)) @ generator.normal(size=(size, size))
    x += 2 * generator.normal(size=(classes, size))[labels[:, 0]]
    return x - x.mean(axis=0), labels


def erased_of(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The rows, of mean 0, without the attributes."""
    into, back = eraser(x, combinations(labels, "leace"))
    return x - x @ into.T @ back


@pytest.mark.parametrize("classes", [2, 4])
def test_nothing_linear_is_left(classes):
    """Theorem 3.1: no covariance, so that the best logistic regression predicts the class shares."""
    x, labels = rows(classes)
    erased = erased_of(x, labels)
    hot = np.eye(classes)[labels[:, 0]]
    assert np.abs(erased.T @ (hot - hot.mean(axis=0))).max() < 1e-6 * np.abs(x.T @ hot).max()
    fitted = LogisticRegression(C=1e6, max_iter=2000).fit(erased, labels[:, 0])
    shares = fitted.predict_proba(erased)
    assert np.abs(shares - hot.mean(axis=0)).max() < 0.02
    assert LogisticRegression(C=1e6, max_iter=2000).fit(x, labels[:, 0]).score(x, labels[:, 0]) > 0.8


def test_it_changes_the_rows_less_than_an_orthogonal_projection():
    """Theorem 4.2, against the projection off the difference of means, in whitened and in plain distance."""
    x, labels = rows(2)
    erased = erased_of(x, labels)
    step = x[labels[:, 0] == 1].mean(axis=0) - x[labels[:, 0] == 0].mean(axis=0)
    projected = x - np.outer(x @ step, step) / (step @ step)
    precision = np.linalg.inv(np.cov(x.T))

    def moved(other: np.ndarray) -> float:
        return float(np.einsum("ni,ij,nj->", other - x, precision, other - x))

    assert moved(erased) < moved(projected)
    assert np.linalg.norm(erased - x) < np.linalg.norm(projected - x)


def test_it_erases_once():
    x, labels = rows(3)
    into, back = eraser(x, combinations(labels, "leace"))
    assert len(into) == len(back) == 2
    assert np.allclose(into @ back.T, np.eye(2))  # a projection


def test_several_attributes_are_erased_together():
    x, first = rows(2)
    second = (np.arange(len(x)) % 2)[:, None]
    x[:, 0] += 3 * (first[:, 0] == second[:, 0])  # their combination
    x -= x.mean(axis=0)
    erased = erased_of(x, np.hstack([first, second]))
    for labels in (first, second, first == second):
        assert np.abs(erased.T @ (labels - labels.mean())).max() < 1e-6 * len(x)


def test_constant_columns_do_not_break_it():
    x, labels = rows(2)
    x[:, 3] = 0
    assert np.isfinite(erased_of(x, labels)).all()


def test_what_is_sent_has_no_covariance_with_the_private_attribute():
    """On the collector's own examples, whose labels alternate."""
    images = preprocess(IMAGES, open_dataset(SOURCE).load(range(40)).loaded)
    sent, plain = (
        forward(one, images).flatten(1).numpy() for one in (protected("leace"), encoder_of(IMAGES))
    )
    private = np.arange(len(images)) % 2 - np.mean(np.arange(len(images)) % 2)

    def correlation(x: np.ndarray) -> float:
        return float((np.abs(private @ (x - x.mean(axis=0))) / len(x) / (x.std(axis=0) + 1e-6)).max())

    assert correlation(sent) < 2e-3
    assert correlation(plain) > 1e-2


def test_what_is_not_erased_is_sent_as_it_was():
    images = preprocess(IMAGES, open_dataset(SOURCE).load(range(40)).loaded)
    sent, plain = forward(protected("leace"), images), forward(encoder_of(IMAGES), images)
    assert sent.shape == plain.shape
    changes = (sent - plain).flatten(1).numpy()
    assert np.linalg.matrix_rank(changes, tol=1e-3 * np.linalg.norm(changes, 2)) == 1


def test_many_values_are_erased_without_their_covariance(monkeypatch):
    x, labels = rows(3)
    monkeypatch.setattr("tiprdc_fl.protections.leace.MOST_VALUES", 5)
    erased = erased_of(x, labels)
    hot = np.eye(3)[labels[:, 0]]
    assert np.abs(erased.T @ (hot - hot.mean(axis=0))).max() < 1e-6 * np.abs(x.T @ hot).max()


def test_there_are_as_many_directions_as_the_attribute_needs():
    assert protected("leace").architecture.components == 1


def test_a_network_of_8_bits_is_refused():
    with pytest.raises(
        InputError, match=r"int8: protection.name=leace .* set federation.runtime=onnxruntime"
    ):
        check_runtime("onnxruntime-int8", "leace")
    check_runtime("onnxruntime", "leace")


def test_a_padded_step_of_a_message_stays_zero():
    read = batch_reader(WORDS, TEXTS)
    x = read(np.arange(20))
    sent = forward(protected("leace", WORDS), x)
    assert torch.equal((sent != 0).any(dim=2), x != 0)


def test_one_value_of_the_private_attribute_is_refused():
    with pytest.raises(InputError, match=r"leace: .* 1 combinations .* raise data.collector_people"):
        combinations(np.zeros((5, 1)), "leace")
    with pytest.raises(InputError, match=r"leace: .* 20 combinations .* fewer in data.private"):
        combinations(np.arange(20)[:, None], "leace")
