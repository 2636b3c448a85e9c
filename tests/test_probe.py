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
from tiprdc_fl.attacks.networks import ATTACKS, RAW_ATTACKS, Linear
from tiprdc_fl.attacks.probe import CHECKS, Candidate, Fit, Prediction, Rows, probe
from tiprdc_fl.evaluation import measure, resample
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.text import tokenise

FIT = Fit(steps=30, batch_size=64, learning_rate=0.03, seed=0, device="cpu", precision="float32")
IMAGES = Architecture("image", 4, image_size=(32, 32))
TEXTS = Architecture("text", 16, vocabulary=("<pad>", "<unknown>", "a", "b", "c"), max_tokens=6)
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
    return Candidate(Linear(SIZE, classes), "A", classes)


def with_dropout(seed: int) -> Candidate:
    seeding.seed_torch(seed, "test")
    network = nn.Sequential(nn.Linear(SIZE, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 2))
    return Candidate(network, "A", 2)


def figures(prediction: Prediction, rows: Rows):
    return measure(prediction, rows.labels["A"], resample(rows.people, 200, 0))


def test_a_probe_finds_what_the_features_hold():
    measured = drawn(1, 1000, 0.5, gap=3, first_person=10_000)
    found = probe({"linear": linear()}, drawn(0, 2000, 0.5, gap=3), measured, FIT)["linear"]
    best = 0.5 * (1 + math.erf(1.5 / math.sqrt(2)))  # of two unit Gaussians three apart: 0.933
    _, balanced, area, bits = figures(found, measured)
    assert balanced.low is not None and balanced.high is not None and area.value is not None
    assert balanced.low <= best <= balanced.high
    assert area.value == pytest.approx(0.5 * (1 + math.erf(1.5)), abs=0.01)
    assert bits.low is not None and bits.low > 0.5


def test_a_probe_stays_at_chance_where_there_is_nothing():
    train, measured = drawn(0, 2000, 0.5, gap=0), drawn(1, 1000, 0.5, gap=0, first_person=10_000)
    _, balanced, area, bits = figures(probe({"linear": linear()}, train, measured, FIT)["linear"], measured)
    for figure in (balanced, area):
        assert figure.value is not None and figure.low is not None and figure.high is not None
        assert abs(figure.value - 0.5) <= figure.high - figure.low  # four standard errors
    assert bits.value is not None and bits.value < 0.01


def test_a_rare_class_is_not_ignored():
    measured = drawn(1, 2000, 0.05, gap=4, first_person=10_000)
    fit = replace(FIT, steps=200)
    found = probe({"linear": linear()}, drawn(0, 4000, 0.05, gap=4), measured, fit)["linear"]
    recall = [np.mean(found.balanced[measured.labels["A"] == c].argmax(axis=1) == c) for c in (0, 1)]
    assert min(recall) > 0.93  # the best possible is 0.977 for both
    assert found.majority == 0


@pytest.mark.parametrize("gap", [0, 1, 4])
def test_natural_probabilities_are_calibrated_where_classes_are_unequal(gap):
    measured = drawn(1, 4000, 0.05, gap=gap, first_person=10_000)
    found = probe({"linear": linear()}, drawn(0, 4000, 0.05, gap=gap), measured, FIT)["linear"]
    truth = torch.from_numpy(measured.labels["A"])

    def loss(logits: np.ndarray) -> float:
        return F.cross_entropy(torch.from_numpy(logits), truth).item()

    assert np.allclose(np.exp(found.natural).sum(axis=1), 1, atol=1e-5)
    assert loss(found.natural) < 0.8 * loss(found.balanced)
    assert np.exp(found.natural[:, 1]).mean() == pytest.approx(measured.labels["A"].mean(), abs=0.02)


def test_all_probes_share_each_pass():
    def reads(count: int) -> list[np.ndarray]:
        seen: list[np.ndarray] = []

        def noting(rows: Rows) -> Rows:
            def read(chosen: np.ndarray) -> Tensor:
                seen.append(chosen)
                return rows.read(chosen)

            return Rows(read, rows.people, rows.labels)

        train, measured = drawn(0, 400, 0.5, 1), drawn(1, 100, 0.5, 1, first_person=10_000)
        probe({str(index): linear() for index in range(count)}, noting(train), noting(measured), FIT)
        return seen

    one, three = reads(1), reads(3)
    assert len(one) == len(three) and all(map(np.array_equal, one, three))
    # A batch a step; validation rows at each check; then validation and measured rows once more.
    assert len(one) == FIT.steps + CHECKS + 2


def test_validation_people_are_others_than_training_people():
    train = drawn(0, 400, 0.5, 1, per_person=10)
    seen: list[np.ndarray] = []

    def read(chosen: np.ndarray) -> Tensor:
        seen.append(chosen)
        return train.read(chosen)

    probe({"linear": linear()}, Rows(read, train.people, train.labels), drawn(1, 20, 0.5, 1), FIT)
    first, validation = np.concatenate(seen[:5]), seen[5]  # a pass, and the first check
    learned_from, held_out = (set(train.people[rows]) for rows in (first, validation))
    assert len(held_out) == 4 and not learned_from & held_out  # a tenth of 40 people
    assert sorted([*first, *validation]) == list(range(400))
    second = np.concatenate(seen[6:11])
    assert sorted(second) == sorted(first) and not np.array_equal(second, first)


class GoodForAWhile(nn.Module):
    """Right between the tenth and the fifteenth step of its training, wrong before and after."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps = self.steps + 1
        sign = 1 if 10 < self.steps <= 15 else -1
        return torch.stack([-x[:, 0], x[:, 0]], dim=1) * sign + 0 * self.weight


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
    ],
)
def test_a_probe_does_not_depend_on_those_beside_it(make: Callable[[int], Candidate]):
    train, measured = drawn(0, 400, 0.5, 1), drawn(1, 100, 0.5, 1, first_person=10_000)
    alone = probe({"one": make(0)}, train, measured, FIT)["one"]
    beside = probe({"other": with_dropout(1), "one": make(0)}, train, measured, FIT)["one"]
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


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("modality", ["image", "text"])
@pytest.mark.parametrize("attack", sorted({*ATTACKS, *RAW_ATTACKS}))
def test_attacks_give_a_logit_for_each_class(modality, attack, classes):
    if modality == "image":
        architecture, x = IMAGES, torch.rand(6, 3, 32, 32)
    else:
        messages = ["a b c", "b", "c c a a b b", "?", "a", "a b"]
        architecture, x = TEXTS, tokenise(messages, TEXTS.token_ids, TEXTS.max_tokens)
    z = build_extractor(architecture)(x).detach()
    for attacks, inputs in ((ATTACKS, z), (RAW_ATTACKS, x)):
        logits = attacks[attack].build(architecture, classes)(inputs)
        assert logits.shape == (6, classes) and torch.isfinite(logits).all()


def test_attacks_on_text_ignore_the_padding():
    tokens = tokenise(["a b", "c", "b b"], TEXTS.token_ids, TEXTS.max_tokens)
    padded = F.pad(tokens, (0, 3))
    extractor = build_extractor(TEXTS)
    for attacks, features in ((ATTACKS, extractor), (RAW_ATTACKS, nn.Identity())):
        for attack in attacks.values():
            network = attack.build(TEXTS, 2).eval()
            assert torch.allclose(network(features(tokens)), network(features(padded)), atol=1e-6)
