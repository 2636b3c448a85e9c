"""What is beside the features: metadata, all of a person's examples at once, and two probes together."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.attacks.problems import probe, rows_of
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Prediction, Rows
from tiprdc_fl.attacks.problem import balanced_accuracy
from tiprdc_fl.attacks.reduction import as_it_is
from tiprdc_fl.attacks.suite import row_candidates
from tiprdc_fl.evaluation import sets
from tiprdc_fl.evaluation.combined import combine
from tiprdc_fl.evaluation.metadata import metadata_rows
from tiprdc_fl.evaluation.sets import person_rows

FIT = Fit(steps=10, batch_size=32, learning_rate=1e-3, seed=0, device="cpu", precision="float32")
KEY = ("lda", "A", "contributors")


def everything(rows: Rows) -> np.ndarray:
    return rows.read(np.arange(len(rows.people))).numpy()


def inferred(rows: Rows, measured: Rows) -> float:
    """Balanced accuracy of the linear discriminant."""
    prediction = probe(row_candidates(["lda"]), rows, measured, FIT)[KEY]
    return balanced_accuracy(prediction.balanced, measured.labels["A"])


# Metadata.


def test_an_attribute_that_is_in_the_number_of_examples_is_inferred_from_metadata_alone():
    def rows(first_person: int) -> Rows:
        trait = np.arange(100) % 2
        people = np.repeat(first_person + np.arange(100), 2 + trait)
        labels = np.repeat(trait, 2 + trait)
        task = np.random.default_rng(first_person).integers(0, 2, len(people))
        return Rows(lambda chosen: torch.zeros(len(chosen)), people, {"A": labels, "Task": task})

    def counts(part: Rows) -> np.ndarray:
        return np.bincount(part.people)[part.people]

    first, second = rows(0), rows(1000)
    learned, measured = (
        metadata_rows(part, ["Task"], {"examples": counts(part)}, None, like=first)
        for part in (first, second)
    )
    assert inferred(learned, measured) == 1


# Sets.


def test_rows_of_people_by_hand(monkeypatch):
    monkeypatch.setattr(sets, "SPREADS", 1)
    monkeypatch.setattr(sets, "READ_BATCH", 2)  # a person's examples are in two batches
    x = torch.tensor([[1.0, 2.0], [5.0, 0.0], [3.0, 6.0]])
    rows = Rows(
        lambda chosen: x[chosen], np.array([7, 4, 7]), {"A": np.array([1, 0, 1]), "B": np.array([2, 1, 0])}
    )
    whole = person_rows(rows, as_it_is)
    assert whole.people.tolist() == [4, 7]
    # Means of both values, spread of the last, log of the count.
    assert everything(whole) == pytest.approx(np.array([[5, 0, 0, 0], [2, 4, 2, math.log(2)]]))
    assert whole.labels["A"].tolist() == [0, 1]
    assert whole.labels["B"].tolist() == [1, 0]  # of two labels that are equally frequent the lower


def scattered(seed: int, people: int = 120, each: int = 8) -> Rows:
    """The first value of people with the trait varies more from example to example; its mean is the same."""
    generator = np.random.default_rng(seed)
    trait = (np.arange(people) % 2).repeat(each)
    x = generator.normal(size=(people * each, 3)).astype(np.float32)
    x[:, 0] *= 1 + 2 * trait
    return rows_of(trait, torch.from_numpy(x), 10_000 * seed, each)


def test_what_only_the_spread_over_a_persons_examples_shows_is_found_in_sets():
    rows, measured = scattered(0), scattered(1)
    assert inferred(rows, measured) < 0.6
    assert inferred(person_rows(rows, as_it_is), person_rows(measured, as_it_is)) > 0.9


# Two probes together.


def halves(seed: int, rows: int, gaps: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood ratios from two independent values, float [2, rows], and the classes."""
    generator = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    x = generator.normal(size=(2, rows)) + np.array(gaps)[:, None] * labels
    return np.array(gaps)[:, None] * x - np.array(gaps)[:, None] ** 2 / 2, labels


def predictions(gaps: tuple[float, float], scales: tuple[float, float] = (1, 1), validated: int = 400):
    """A prediction from each value, the labels of the validation rows, and those of the measured."""
    known, labels = halves(0, validated, gaps)
    asked, truth = halves(1, 4000, gaps)
    made = [
        Prediction(
            balanced=np.stack([0 * new, scale * new], axis=1),
            natural=np.stack([0 * new, new], axis=1),
            validated=np.stack([0 * old, scale * old], axis=1),
            validation_rows=np.arange(validated),
        )
        for old, new, scale in zip(known, asked, scales, strict=True)
    ]
    return made[0], made[1], labels, truth


SHARES = np.array([0.5, 0.5])


@pytest.mark.parametrize("scales", [(1, 1), (20, 0.1)], ids=["alike", "of different scales"])
def test_two_halves_of_the_evidence_are_worth_more_than_each(scales):
    first, second, labels, truth = predictions((1.5, 1.5), scales)
    both = combine(first, second, labels, SHARES)
    for one in (first, second):
        assert balanced_accuracy(one.balanced, truth) == pytest.approx(norm.cdf(0.75), abs=0.02)
    assert balanced_accuracy(both.balanced, truth) == pytest.approx(
        norm.cdf(1.5 * math.sqrt(2) / 2), abs=0.02
    )
    assert both.validation == pytest.approx(norm.cdf(1.5 * math.sqrt(2) / 2), abs=0.06)
    assert np.allclose(np.exp(both.natural).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("gaps", [(2.0, 0.0), (0.0, 2.0)])
def test_where_one_says_nothing_the_figure_is_the_other_s(gaps):
    first, second, labels, truth = predictions(gaps)
    both = combine(first, second, labels, SHARES)
    assert balanced_accuracy(both.balanced, truth) == pytest.approx(norm.cdf(1), abs=0.02)


def test_few_validation_rows_cost_little():
    first, second, labels, truth = predictions((2.0, 0.0), validated=40)
    both = combine(first, second, labels, SHARES)
    assert balanced_accuracy(both.balanced, truth) > balanced_accuracy(first.balanced, truth) - 0.04


def test_one_class_among_the_validation_rows_leaves_the_first():
    first, second, labels, _ = predictions((2.0, 1.0))
    assert combine(first, second, 0 * labels, SHARES) is first


def test_three_classes_of_which_one_does_not_validate():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200)

    def logits() -> np.ndarray:
        return generator.normal(size=(200, 3)) + 2 * np.eye(3)[labels]

    first, second = (Prediction(logits(), logits(), logits(), np.arange(200)) for _ in range(2))
    both = combine(first, second, labels, np.full(3, 1 / 3))
    assert both.balanced.shape == both.natural.shape == (200, 3) and np.isfinite(both.natural).all()
    assert not (both.balanced.argmax(axis=1) == 2).any()
    assert balanced_accuracy(both.balanced, labels) > balanced_accuracy(first.balanced, labels)


def test_probes_that_were_validated_on_different_rows_are_refused():
    first, second, labels, _ = predictions((1.0, 1.0))
    with pytest.raises(ValueError, match="validated on different rows"):
        combine(first, replace(second, validation_rows=second.validation_rows + 1), labels, SHARES)
