"""Training of networks: they learn from the training rows only, and end where validation people say no more."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.attacks.problems import problem_of
from tiprdc_fl import seeding
from tiprdc_fl.attacks import trainees
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.networks import Perceptron
from tiprdc_fl.attacks.problem import Answer, Problem
from tiprdc_fl.attacks.trainees import Best, Inputs, train
from tiprdc_fl.errors import InputError

FIT = Fit(steps=2000, batch_size=50, learning_rate=0.01, seed=0, device="cpu", precision="float32")
ROWS, SIZE = 400, 6


def inputs_of(x: Tensor) -> Inputs:
    """The rows to learn from are the measured ones too."""
    return Inputs(lambda rows: x[torch.from_numpy(rows)], lambda rows: x[torch.from_numpy(rows)], len(x))


def gaussian(gap: float) -> tuple[Tensor, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, ROWS)
    x = generator.normal(size=(ROWS, SIZE)).astype(np.float32)
    x[:, 0] += gap * labels
    return torch.from_numpy(x), labels


def trained(x: Tensor, problems: list[Problem], fit: Fit = FIT, hidden: tuple[int, ...] = ()) -> list[Answer]:
    seeding.seed_torch(0, "test")
    network = Perceptron(x.shape[1], sum(problem.classes for problem in problems), hidden)
    return train(network, problems, inputs_of(x), fit, fit.learning_rate, "toy")


@pytest.mark.parametrize("gap", [0.0, 6.0], ids=["nothing to learn", "easily learned"])
def test_a_training_ends_by_itself(gap):
    x, labels = gaussian(gap)
    (answer,) = trained(x, [problem_of(labels)])
    assert answer.steps is not None and 64 <= answer.steps < 1000
    problem = problem_of(labels)
    assert answer.converged and answer.last_doubling is not None
    assert 0 <= answer.last_doubling <= problem.tolerance(problem.score(answer.validated))


@pytest.mark.parametrize("steps", [1, 32, 40])
def test_a_bound_before_the_first_doubling_is_no_convergence(steps):
    x, labels = gaussian(3.0)
    (answer,) = trained(x, [problem_of(labels)], replace(FIT, steps=steps))
    assert (answer.steps, answer.last_doubling, answer.converged) == (steps, None, False)


@pytest.mark.parametrize(
    ("steps", "scores", "gain"),
    [
        ([1], [0.6], None),
        ([32, 45], [0.6, 0.9], None),
        ([32, 45, 64], [0.6, 0.7, 0.9], 0.3),
        ([32, 45, 64, 90], [0.6, 0.7, 0.9, 0.8], 0.2),
        ([32, 45, 64, 90], [0.9, 0.7, 0.6, 0.8], 0.0),
    ],
)
def test_the_last_doubling_by_hand(steps, scores, gain):
    assert Best(scores=scores, steps=steps).last_doubling() == pytest.approx(gain)


class Recording(nn.Module):
    """Linear, and notes the first value of every row that it learns from."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 2)
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += x[:, 0].int().tolist()
        return self.layer(x / ROWS)


def test_each_training_row_is_learned_from_once_a_pass_and_no_other():
    problem = problem_of(np.arange(ROWS) % 2)
    network = Recording()
    numbers = torch.arange(ROWS, dtype=torch.float32)[:, None]
    fit = replace(FIT, steps=60)  # ten passes of six batches, too few to end earlier
    train(network, [problem], inputs_of(numbers), fit, 0.01, "toy")
    rows, times = np.unique(network.seen, return_counts=True)
    assert np.array_equal(rows, problem.training)
    assert set(times.tolist()) == {10}


def test_labels_of_validation_rows_are_not_learned():
    x, labels = gaussian(1.0)
    problem, fit = problem_of(labels), replace(FIT, steps=20)  # validated once
    other = labels.copy()
    other[problem.validation] = 1 - other[problem.validation]
    (first,), (second,) = (trained(x, [one], fit) for one in (problem, replace(problem, labels=other)))
    assert np.array_equal(first.measured, second.measured)


def test_attributes_stand_side_by_side():
    """Three attributes of one network, of two, three and two classes: each has its own outputs and figures."""
    x, labels = gaussian(5.0)
    three = (x[:, 1] > -0.4).long() + (x[:, 1] > 0.4).long()
    problems = [
        problem_of(labels, attribute="A"),
        problem_of(three.numpy(), 3, attribute="B"),
        problem_of(1 - labels, attribute="C"),
    ]
    first, second, third = trained(x, problems, hidden=(16,))
    assert [answer.measured.shape for answer in (first, second, third)] == [(ROWS, 2), (ROWS, 3), (ROWS, 2)]
    for problem, answer in zip(problems, (first, second, third), strict=True):
        assert np.mean(answer.measured.argmax(axis=1) == problem.labels) > 0.85
        assert problem.score(answer.validated) > 0.85


class GoodForAWhile(nn.Module):
    """Right after 41 to 50 steps of its training, before and after always class 1; the second head from 80 on."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps = self.steps + 1
        constant = torch.ones(len(x))
        first = x[:, 0] if 40 < self.steps <= 50 else constant
        second = x[:, 0] if self.steps > 80 else constant
        return torch.stack([-first, first, -second, second], dim=1) + 0 * self.weight


def test_each_attribute_keeps_the_check_that_validates_best(monkeypatch):
    monkeypatch.setattr(trainees, "FEWEST_STEPS", 1)
    labels = np.arange(ROWS) % 2
    x = torch.from_numpy(2.0 * labels - 1).float()[:, None]
    problems = [problem_of(labels, attribute="A"), problem_of(labels, attribute="B")]
    answers = train(GoodForAWhile(), problems, inputs_of(x), FIT, 0.01, "toy")
    for problem, answer in zip(problems, answers, strict=True):
        assert np.array_equal(answer.measured.argmax(axis=1), labels)
        assert problem.score(answer.validated) == 1
    # At 90 steps A has gained nothing since 45 and B half of everything: both go on until B has gained nothing.
    assert [answer.steps for answer in answers] == [181, 181]
    assert all(answer.converged for answer in answers)


class Diverging(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(SIZE, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * float("inf")


def test_a_network_that_diverges_is_named():
    x, labels = gaussian(0.0)
    with pytest.raises(
        InputError, match=r"the probe toy/2 diverged: .*lower evaluation\.learning_rate"
    ) as caught:
        train(Diverging(), [problem_of(labels)], inputs_of(x), FIT, 0.01, "toy/2")
    assert "\n" not in str(caught.value)


def test_a_weak_channel_is_learned_as_fast_as_a_strong_one():
    """Feature maps pass a whitening of their channels first: a thousandth of the scale makes no difference."""
    generator = np.random.default_rng(0)
    labels = np.arange(ROWS) % 2
    x = generator.normal(size=(ROWS, 2, 4, 4)).astype(np.float32)
    x[:, 1] += labels[:, None, None]
    weak = x * np.array([1, 1e-3], dtype=np.float32)[:, None, None]
    found = []
    for values in (x, weak):
        seeding.seed_torch(0, "test")
        network = nn.Sequential(nn.Flatten(), nn.Linear(32, 2))
        (answer,) = train(
            network, [problem_of(labels)], inputs_of(torch.from_numpy(values)), FIT, 0.01, "toy"
        )
        found.append(problem_of(labels).score(answer.validated))
    assert min(found) > 0.9 and abs(found[0] - found[1]) < 0.06


def test_no_training_ends_on_a_plateau_before_the_fewest_steps():
    labels = np.arange(ROWS) % 2
    x = torch.from_numpy(2.0 * labels - 1).float()[:, None]
    problems = [problem_of(labels, attribute="A"), problem_of(labels, attribute="B")]
    for answer in train(GoodForAWhile(), problems, inputs_of(x), FIT, 0.01, "toy"):
        assert answer.steps is not None and answer.steps >= trainees.FEWEST_STEPS
