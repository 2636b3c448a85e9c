"""Fresh probes: what they find, what they do not, and that they do not disturb one another."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.classical import Classical, learn_neighbours, learn_trees
from tiprdc_fl.attacks.fitting import CHECKS, Fit
from tiprdc_fl.attacks.networks import Perceptron
from tiprdc_fl.attacks.probe import Candidate, Prediction, Rows, probe
from tiprdc_fl.evaluation.intervals import people_of
from tiprdc_fl.evaluation.scores import measure

FIT = Fit(steps=30, batch_size=64, learning_rate=0.03, seed=0, device="cpu", precision="float32")
SIZE = 8


def rows_of(labels: np.ndarray, x: Tensor, first_person: int = 0, per_person: int = 4, **more) -> Rows:
    people = first_person + np.arange(len(labels)) // per_person
    return Rows(lambda chosen: x[chosen], people, {"A": labels, **more})


def drawn(seed: int, count: int, share: float, gap: float, **place) -> Rows:
    """Gaussian inputs whose first coordinate stands ``gap`` standard deviations higher for class 1."""
    generator = np.random.default_rng(seed)
    labels = (generator.random(count) < share).astype(np.int64)
    x = generator.normal(size=(count, SIZE)).astype(np.float32)
    x[:, 0] += gap * labels
    return rows_of(labels, torch.from_numpy(x), **place)


def linear(classes: int = 2) -> Candidate:
    return Candidate(Perceptron(SIZE, classes), "A", classes)


def as_it_is(x: Tensor) -> Tensor:
    return x


def neighbours() -> Candidate:
    return Candidate(Classical(as_it_is, learn_neighbours), "A", 2)


def trees() -> Candidate:
    return Candidate(Classical(as_it_is, learn_trees), "A", 2)


def noting(rows: Rows, seen: list[np.ndarray]) -> Rows:
    """The same rows; which of them are read is noted."""

    def read(chosen: np.ndarray) -> Tensor:
        seen.append(chosen)
        return rows.read(chosen)

    return Rows(read, rows.people, rows.labels)


def with_dropout(seed: int) -> Candidate:
    seeding.seed_torch(seed, "test")
    network = nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 2))
    return Candidate(network, "A", 2)


def figures(prediction: Prediction, rows: Rows):
    return measure(prediction, rows.labels["A"], people_of(rows.people))


EVERY = pytest.mark.parametrize("make", [linear, neighbours, trees])


@EVERY
def test_a_probe_finds_what_the_features_hold(make):
    measured = drawn(1, 1000, 0.5, gap=3, first_person=10_000)
    found = probe({"one": make()}, drawn(0, 2000, 0.5, gap=3), measured, FIT)["one"]
    best = 0.5 * (1 + math.erf(1.5 / math.sqrt(2)))  # of two unit Gaussians three apart: 0.933
    scores = figures(found, measured)
    balanced, area, bits = scores.balanced_accuracy, scores.roc_auc, scores.usable_bits
    assert balanced.low is not None and balanced.high is not None and area.value is not None
    assert balanced.low <= best <= balanced.high
    assert area.value == pytest.approx(0.5 * (1 + math.erf(1.5)), abs=0.02)
    assert bits.low is not None and bits.low > 0.5


@EVERY
def test_a_probe_stays_at_chance_where_there_is_nothing(make):
    train, measured = drawn(0, 2000, 0.5, gap=0), drawn(1, 1000, 0.5, gap=0, first_person=10_000)
    scores = figures(probe({"one": make()}, train, measured, FIT)["one"], measured)
    balanced, area, bits = scores.balanced_accuracy, scores.roc_auc, scores.usable_bits
    for figure in (balanced, area):
        assert figure.value is not None and figure.low is not None and figure.high is not None
        assert abs(figure.value - 0.5) <= figure.high - figure.low  # four standard errors
    assert bits.value is not None and bits.value < 0.01


@EVERY
def test_a_rare_class_is_not_ignored(make):
    measured = drawn(1, 2000, 0.05, gap=4, first_person=10_000)
    fit = replace(FIT, steps=200)
    found = probe({"one": make()}, drawn(0, 4000, 0.05, gap=4), measured, fit)["one"]
    recall = [np.mean(found.balanced[measured.labels["A"] == c].argmax(axis=1) == c) for c in (0, 1)]
    assert min(recall) > 0.92  # the best possible is 0.977 for both


@pytest.mark.parametrize(
    ("make", "gap"),
    [
        (linear, 0),
        (linear, 1),
        (linear, 4),
        (neighbours, 0),
        (neighbours, 1),
        (neighbours, 4),
        (trees, 0),
        (trees, 1),
    ],
)
def test_natural_probabilities_are_calibrated_where_classes_are_unequal(make, gap):
    measured = drawn(1, 4000, 0.05, gap=gap, first_person=10_000)
    found = probe({"one": make()}, drawn(0, 4000, 0.05, gap=gap), measured, FIT)["one"]
    truth = torch.from_numpy(measured.labels["A"])

    def loss(logits: np.ndarray) -> float:
        return F.cross_entropy(torch.from_numpy(logits), truth).item()

    assert np.allclose(np.exp(found.natural).sum(axis=1), 1, atol=1e-5)
    assert loss(found.natural) < 0.8 * loss(found.balanced)
    assert np.exp(found.natural[:, 1]).mean() == pytest.approx(measured.labels["A"].mean(), abs=0.02)


def reads(candidates: dict[str, Candidate], fit: Fit = FIT) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Which of 400 rows are read to learn, and which of 100 to be measured on, read by read."""
    learned: list[np.ndarray] = []
    asked: list[np.ndarray] = []
    train, measured = drawn(0, 400, 0.5, 1), drawn(1, 100, 0.5, 1, first_person=10_000)
    probe(candidates, noting(train, learned), noting(measured, asked), fit)
    return learned, asked


def test_all_probes_share_each_pass():
    (one, asked), (five, asked_by_five) = (
        reads({"0": linear()}),
        reads({"0": linear(), "1": linear(), "2": linear(), "knn": neighbours(), "trees": trees()}),
    )
    assert len(one) == len(five) and all(map(np.array_equal, one, five))
    assert len(asked) == len(asked_by_five) == 1
    # A batch a step; validation rows at each check, and once more.
    assert len(one) == FIT.steps + CHECKS + 1


@pytest.mark.parametrize("beside", [{}, {"linear": linear}], ids=["alone", "beside a network"])
@pytest.mark.parametrize("steps", [2, 30], ids=["less than a pass", "several passes"])
def test_classical_adversaries_see_each_training_row_once(beside, steps):
    given: list[float] = []

    def reduce(x: Tensor) -> Tensor:
        given.extend(x[:, 0].tolist())
        return x

    model = Classical(reduce, learn_neighbours)
    candidates = {"one": Candidate(model, "A", 2), "two": Candidate(model, "A", 2)}
    candidates |= {name: make() for name, make in beside.items()}
    learned, asked = reads(candidates, replace(FIT, steps=steps))
    train, measured = drawn(0, 400, 0.5, 1), drawn(1, 100, 0.5, 1, first_person=10_000)
    values = [rows.read(np.arange(len(rows.people)))[:, 0].tolist() for rows in (train, measured)]
    assert sorted(given) == sorted(values[0] + values[1])  # training, validation and measured rows
    if not beside:  # nothing is trained: one pass, no checks
        assert sorted(np.concatenate(learned)) == list(range(400))
    assert sorted(np.concatenate(asked)) == list(range(100))


@pytest.mark.parametrize("steps", [1, 3, 30])
@pytest.mark.parametrize("candidates", [{"a": trees}, {"a": linear}, {"a": trees, "b": linear}])
def test_progress_never_exceeds_the_steps(candidates, steps):
    rows, calls = drawn(0, 400, 0.5, 1), []
    made = {name: make() for name, make in candidates.items()}
    probe(made, rows, rows, replace(FIT, steps=steps), lambda: calls.append(1))
    assert 1 <= len(calls) <= steps


def test_validation_people_are_others_than_training_people():
    train = drawn(0, 400, 0.5, 1, per_person=10)
    seen: list[np.ndarray] = []
    probe({"linear": linear()}, noting(train, seen), drawn(1, 20, 0.5, 1), FIT)
    first, validation = np.concatenate(seen[:5]), seen[5]  # a pass, and the first check
    learned_from, held_out = (set(train.people[rows]) for rows in (first, validation))
    assert len(held_out) == 4 and not learned_from & held_out  # a tenth of 40 people
    assert sorted([*first, *validation]) == list(range(400))
    second = np.concatenate(seen[6:11])
    assert sorted(second) == sorted(first) and not np.array_equal(second, first)


class GoodForAWhile(nn.Module):
    """Right between the tenth and the fifteenth step of its training, before and after always class 1."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps = self.steps + 1
        score = x[:, 0] if 10 < self.steps <= 15 else torch.ones(len(x))
        return torch.stack([-score, score], dim=1) + 0 * self.weight


def test_the_check_that_validates_best_counts():
    labels = np.arange(400) % 2
    x = torch.from_numpy(2.0 * labels - 1)[:, None]
    train, measured = rows_of(labels, x), rows_of(labels, x, first_person=10_000)
    found = probe({"one": Candidate(GoodForAWhile(), "A", 2)}, train, measured, FIT)["one"]
    assert np.array_equal(found.balanced.argmax(axis=1), labels)


def test_equal_seeds_give_equal_probes_and_others_others():
    train, measured = drawn(0, 400, 0.5, 1), drawn(1, 100, 0.5, 1, first_person=10_000)

    def found(seed: int) -> np.ndarray:
        fit = Fit(10, 64, 0.01, seed, "cpu", "float32")
        return probe({"one": with_dropout(0)}, train, measured, fit)["one"].balanced

    expected = found(0)
    torch.rand(100)  # what was drawn before does not count
    assert np.array_equal(found(0), expected)
    assert not np.array_equal(found(1), expected)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda seed: linear(), id="linear"),
        pytest.param(with_dropout, id="dropout"),
        pytest.param(lambda seed: neighbours(), id="knn"),
        pytest.param(lambda seed: trees(), id="trees"),
    ],
)
def test_a_probe_does_not_depend_on_those_beside_it(make: Callable[[int], Candidate]):
    train, measured = drawn(0, 400, 0.5, 1), drawn(1, 100, 0.5, 1, first_person=10_000)
    alone = probe({"one": make(0)}, train, measured, FIT)["one"]
    others = {"other": with_dropout(1), "trees": trees(), "knn": neighbours()}
    beside = probe({**others, "one": make(0)}, train, measured, FIT)["one"]
    assert np.array_equal(alone.balanced, beside.balanced)
    assert np.array_equal(alone.natural, beside.natural)


@pytest.mark.parametrize(
    "steps",
    [1, 2, 3, 4, 5, 8, 10],
)
def test_a_probe_can_be_trained_in_any_number_of_steps(steps):
    fit = Fit(steps, 64, 0.03, 0, "cpu", "float32")  # one batch a pass
    rows = drawn(0, 60, 0.5, 3)
    assert np.isfinite(probe({"one": linear()}, rows, rows, fit)["one"].natural).all()


def test_three_classes_one_of_them_unseen():
    labels = np.arange(400) % 2
    x = torch.from_numpy(np.eye(SIZE, dtype=np.float32)[labels])
    measured = rows_of(np.array([0, 1, 2] * 4), x[:12], first_person=10_000)
    found = probe({"linear": linear(3)}, rows_of(labels, x), measured, FIT)["linear"]
    assert found.balanced.shape == found.natural.shape == (12, 3)
    assert np.isfinite(found.natural).all()
