"""L2 logistic regression, of every problem and every strength at once.

All problems read the same rows, so one matrix product serves them all. Along the principal axes the curvature
of the loss is bounded by a diagonal (Boehning and Lindsay 1988). Divided by this bound, accelerated gradient
descent with restarts (O'Donoghue and Candes 2015) needs some tens of products, however badly the features are
conditioned.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from tiprdc_fl.attacks.problem import Answer, Problem, last_of_best
from tiprdc_fl.attacks.reduced import Reduced

STRENGTHS = (1e-3, 1e-2, 0.1, 1.0)  # of the penalty, half the squared weights of standardised values
MOST_ITERATIONS = 300
# Nats that are left to gain, by the quadratic bound. A third of it takes a third more iterations on the default
# run's features and raw images, and the balanced accuracy of most attributes stays the same within 0.2 points.
TOLERANCE = 3e-4


def regress(reduced: Reduced, problems: list[Problem]) -> list[Answer]:
    """Learns every problem with balanced classes; validation people choose the strength."""
    turned, (variances, _) = reduced.turned, reduced.axes
    answers: dict[tuple[str, str], Answer] = {}
    for classes, group in groupby(sorted(problems, key=_classes), key=_classes):
        alike = list(group)
        descent = _Descent(turned.learned, variances, alike, classes)
        iterations, left = descent.run()
        for place, problem in enumerate(alike):
            ended = int(iterations[place].max()), left[place]
            answers[problem.key] = _answer(turned, problem, descent.rules(place), *ended)
    return [answers[problem.key] for problem in problems]


def _classes(problem: Problem) -> int:
    return problem.classes


def _answer(
    turned: Reduced, problem: Problem, rules: tuple[Tensor, Tensor], iterations: int, left: Tensor
) -> Answer:
    """The answer of the strength that does best on the validation rows.

    Args:
        turned: rows along the principal axes.
        problem: what was learned.
        rules: weights [d, strengths, classes - 1] and offsets [strengths, classes - 1].
        iterations: of the descent.
        left: nats that each strength has left to gain, [strengths].
    """

    def logits(x: Tensor) -> Tensor:
        scores = torch.tensordot(x, rules[0], dims=1) + rules[1]
        return torch.cat([torch.zeros_like(scores[..., :1]), scores], dim=-1)

    validated = logits(turned.learned[torch.from_numpy(problem.validation)]).cpu().numpy()
    best = last_of_best([problem.score(validated[:, place]) for place in range(len(STRENGTHS))])
    return Answer(
        validated=validated[:, best],
        measured=logits(turned.measured)[:, best].cpu().numpy(),
        steps=iterations,
        converged=bool(left[best] <= TOLERANCE),
    )


@dataclass
class _State:
    """Weights [d + 1, problems, strengths, classes - 1], the last row offsets, and the logits of all rows."""

    weights: Tensor
    logits: Tensor

    def beyond(self, earlier: "_State", momentum: Tensor) -> "_State":
        """The state further along the way from an earlier one."""
        return _State(
            self.weights + momentum * (self.weights - earlier.weights),
            self.logits + momentum * (self.logits - earlier.logits),
        )


class _Descent:
    """Accelerated descent of problems with equally many classes.

    Args:
        x: rows along the principal axes, [rows, d].
        variances: along these axes, [d].
        problems: what to learn.
        classes: of each problem; the logit of class 0 is 0.
    """

    def __init__(self, x: Tensor, variances: Tensor, problems: list[Problem], classes: int):
        device, strengths = x.device, torch.tensor(STRENGTHS, device=x.device)
        self.x = x
        self.truth, self.row_weights = _targets(problems, len(x), classes, device)
        # A fourth bounds the variance of a label of two classes, a half that of more.
        curvature = (0.25 if classes == 2 else 0.5) * torch.cat([variances, variances.new_ones(1)])
        self.penalty = strengths.expand(len(variances) + 1, -1).clone()
        self.penalty[-1] = 0  # offsets are free
        self.bound = (curvature[:, None] + self.penalty)[:, None, :, None]
        self.penalty = self.penalty[:, None, :, None]
        shape = (len(problems), len(STRENGTHS), classes - 1)
        self.state = _State(x.new_zeros(len(variances) + 1, *shape), x.new_zeros(len(x), *shape))

    def rules(self, place: int) -> tuple[Tensor, Tensor]:
        """Weights and offsets of a problem, by its place."""
        return self.state.weights[:-1, place], self.state.weights[-1, place]

    def run(self) -> tuple[Tensor, Tensor]:
        """Descends until every problem has at most TOLERANCE left to gain, or MOST_ITERATIONS.

        A problem and strength that has ended stays as it is, so that it does not depend on those beside it.

        Returns:
            The number of iterations, and what is left to gain, in nats by the quadratic bound, of each problem and
            strength, [problems, strengths].
        """
        here = start = self.state
        scale = start.weights.new_ones(*start.weights.shape[1:3])  # of the bound, by problem and strength
        age = torch.zeros_like(scale)
        left, iterations = torch.full_like(scale, torch.inf), torch.zeros_like(scale)
        ended = torch.zeros_like(scale, dtype=torch.bool)
        for _ in range(MOST_ITERATIONS):
            momentum = (age / (age + 3))[..., None]
            ahead = self.state.beyond(here, momentum)
            loss, slope = self._loss(ahead, slope=True)
            step = -slope / (self.bound * scale[..., None])
            gain = -(step * slope).sum(dim=(0, 3)) / 2
            left = torch.where(ended, left, gain * scale)
            self.state = _chosen((left <= TOLERANCE) & ~ended, ahead, self.state)
            ended = left <= TOLERANCE
            if bool(ended.all()):
                break
            iterations += ~ended
            there = self._at(ahead.weights + step)
            good = self._loss(there, slope=False)[0] <= loss - gain + 1e-6
            turned_back = (slope * (there.weights - self.state.weights)).sum(dim=(0, 3)) > 0
            scale = torch.where(good, scale, 2 * scale)
            age = torch.where(good & ~turned_back, age + 1, 0)
            here, self.state = self.state, _chosen(good & ~ended, there, self.state)
        return iterations, left

    def _at(self, weights: Tensor) -> _State:
        logits = (self.x @ weights[:-1].flatten(1)).unflatten(1, weights.shape[1:])
        return _State(weights, logits + weights[-1])

    def _loss(self, state: _State, slope: bool) -> tuple[Tensor, Tensor]:
        """Loss [problems, strengths] at a state, and where wanted its slope, of the weights' shape."""
        full = torch.cat([torch.zeros_like(state.logits[..., :1]), state.logits], dim=-1)
        logs = full.log_softmax(dim=-1)
        loss = -torch.einsum("npk,npsk->ps", self.row_weights[..., None] * self.truth, logs)
        loss = loss + (self.penalty * state.weights**2).sum(dim=(0, 3)) / 2
        if not slope:
            return loss, loss
        wrong = ((logs.exp() - self.truth[:, :, None]) * self.row_weights[:, :, None, None])[..., 1:]
        by_value = (self.x.T @ wrong.flatten(1)).unflatten(1, wrong.shape[1:])
        offsets = wrong.sum(dim=0, keepdim=True)
        return loss, torch.cat([by_value, offsets]) + self.penalty * state.weights


def _chosen(good: Tensor, there: _State, here: _State) -> _State:
    """The new state where it is good, else the old one."""
    good = good[..., None]
    return _State(
        torch.where(good, there.weights, here.weights), torch.where(good, there.logits, here.logits)
    )


def _targets(
    problems: Iterable[Problem], rows: int, classes: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Labels as zeros and ones, [rows, problems, classes], and weights of the training rows, [rows, problems].

    The weights of a problem add up to 1, those of its classes are equal; other rows have none.
    """
    truth, weights = [], []
    for problem in problems:
        labels = torch.from_numpy(problem.labels[problem.training])
        counts = torch.bincount(labels, minlength=classes).float()
        weight = torch.zeros(rows)
        weight[torch.from_numpy(problem.training)] = (1 / (counts * (counts > 0).sum()))[labels]
        member = torch.zeros(rows, classes)
        member[torch.from_numpy(problem.training), labels] = 1
        truth.append(member)
        weights.append(weight)
    return torch.stack(truth, dim=1).to(device), torch.stack(weights, dim=1).to(device)
