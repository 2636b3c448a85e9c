"""Training of networks as probes: until validation people say that more steps bring nothing."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.averaging import WeightAverage
from tiprdc_fl.attacks.convergence import checks
from tiprdc_fl.attacks.fitting import WARM_UP, Fit, Read, batches, passes, to_device
from tiprdc_fl.attacks.problem import Answer, Problem
from tiprdc_fl.attacks.whitening import ChannelWhitening
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import autocast

PREDICTION_BATCH = 128  # rows; an image of 218x178 takes 20 MB inside networks of width 64
# Before that many steps a training may rest on a plateau: what two values say together is learned late.
FEWEST_STEPS = 500
WHITENED_VALUES, FEWEST_WHITENED = 2**26, 64  # values in that sample, and rows of it where they are large
WHITENED_FROM = 2048  # rows that the channels' covariance is taken from


@dataclass(frozen=True)
class Inputs:
    """What networks read.

    Attributes:
        learned: numbers of the learning people's rows -> inputs [n, ...].
        measured: numbers of the measured rows -> inputs.
        count: number of measured rows.
    """

    learned: Read
    measured: Read
    count: int


@dataclass
class Best:
    """The best validation of one problem so far, and all its validations.

    Attributes:
        scores: balanced accuracy after each check.
        steps: number of steps at each check.
        logits: of the validation rows at the best check, float32 [m, classes].
        weights: the network's state at the best check.
    """

    scores: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    logits: np.ndarray = field(default_factory=lambda: np.zeros(0))
    weights: dict[str, Tensor] = field(default_factory=dict)

    def last_doubling(self) -> float | None:
        """What the last doubling of the steps added to the best score; None where there was no doubling."""
        early = [
            score
            for score, step in zip(self.scores, self.steps, strict=True)
            if step < self.steps[-1] and 2 * step <= self.steps[-1] + 1
        ]
        return max(self.scores) - max(early) if early else None


def train(
    network: nn.Module,
    problems: Sequence[Problem],
    inputs: Inputs,
    fit: Fit,
    rate: float,
    name: str,
    on_step: Callable[[], None] = lambda: None,
) -> list[Answer]:
    """Trains one network on all attributes of one source together, as outputs side by side.

    The attributes share every layer but the last, and each keeps the weights that do best for it on the validation
    people. Classes are weighted by the inverse of their share, so that no rare class is ignored.

    Args:
        network: fresh; inputs -> logits [batch, classes of all problems].
        problems: of one source: they have the same training and validation rows.
        inputs: of the network.
        fit: settings of the training.
        rate: learning rate.
        name: of the network, for its random choices and for errors.
        on_step: called after each step.

    Raises:
        InputError: the network diverged.
    """
    first = problems[0]
    network = _whitened(network, inputs.learned, first.training, fit)
    network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    average, loss = WeightAverage(network), _Loss(problems, fit.device)
    best = [Best() for _ in problems]
    pending = list(checks(fit.steps))
    network.train()
    for step, batch in enumerate(islice(passes(first.training, fit.batch_size, fit.seed), fit.steps)):
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / WARM_UP)
        seeding.seed_torch(fit.seed, "probe", name, step)
        with autocast(fit.precision, fit.device):
            logits = network(to_device(inputs.learned(batch), fit.device))
        optimiser.zero_grad(set_to_none=True)
        loss(logits.float(), batch).backward()
        optimiser.step()
        average.update(network, step)
        on_step()
        if step + 1 == pending[0]:
            pending.pop(0)
            _check(average.network, name, problems, best, inputs, step + 1, fit)
            if all(_converged(problem, record) for problem, record in zip(problems, best, strict=True)):
                break
    return _answers(network, name, problems, best, inputs, fit)


def _converged(problem: Problem, record: Best) -> bool:
    """Whether the last doubling of the steps brought no more than validation people can tell."""
    gain = record.last_doubling()
    if gain is None or record.steps[-1] < FEWEST_STEPS:
        return False
    return gain <= problem.tolerance(max(record.scores))


class _Loss:
    """Sum over the problems of the cross-entropy under balanced classes."""

    def __init__(self, problems: Sequence[Problem], device: str):
        self.sizes = [problem.classes for problem in problems]
        self.labels = [torch.from_numpy(problem.labels) for problem in problems]
        shares = [torch.from_numpy(problem.shares).float() for problem in problems]
        self.weights = [(1 / (len(share) * share)).to(device) for share in shares]

    def __call__(self, logits: Tensor, rows: np.ndarray) -> Tensor:
        """Loss of a batch: logits [batch, classes of all problems], and its row numbers."""
        parts = zip(logits.split(self.sizes, dim=1), self.labels, self.weights, strict=True)
        return torch.stack(
            [F.cross_entropy(part, labels[rows].to(part.device), weights) for part, labels, weights in parts]
        ).sum()


def _whitened(network: nn.Module, read: Read, rows: np.ndarray, fit: Fit) -> nn.Module:
    """The network behind a whitening of its input channels, measured on a sample of the training rows.

    Messages are states of an LSTM, within -1 and 1, and stay as they are.
    """
    values = read(rows[:1]).numel()
    count = min(WHITENED_FROM, max(FEWEST_WHITENED, WHITENED_VALUES // values))
    chosen = seeding.generator(fit.seed, "probe", "whitening").permutation(rows)[:count]
    sample = read(np.sort(chosen))
    return nn.Sequential(ChannelWhitening(sample), network) if sample.dim() == 4 else network


def _check(
    network: nn.Module,
    name: str,
    problems: Sequence[Problem],
    best: Sequence[Best],
    inputs: Inputs,
    step: int,
    fit: Fit,
) -> None:
    """Validates the network; each problem keeps the weights where they reach its best score so far."""
    logits = predict(network, name, inputs.learned, problems[0].validation, fit)
    parts = np.split(logits, np.cumsum([problem.classes for problem in problems])[:-1], axis=1)
    weights: dict[str, Tensor] = {}
    for problem, part, record in zip(problems, parts, best, strict=True):
        score = problem.score(part)
        if score >= max(record.scores, default=0.0):
            weights = weights or copy.deepcopy(network.state_dict())  # one copy for all attributes
            record.logits, record.weights = part, weights
        record.scores.append(score)
        record.steps.append(step)


def _answers(
    network: nn.Module, name: str, problems: Sequence[Problem], best: Sequence[Best], inputs: Inputs, fit: Fit
) -> list[Answer]:
    """Predicts the measured rows, by each problem's best weights."""
    answers, start = [], 0
    predicted: dict[int, np.ndarray] = {}  # by the identity of the weights: attributes share those of a check
    for problem, record in zip(problems, best, strict=True):
        if id(record.weights) not in predicted:
            network.load_state_dict(record.weights)
            everybody = np.arange(inputs.count)
            predicted[id(record.weights)] = predict(network.eval(), name, inputs.measured, everybody, fit)
        logits = predicted[id(record.weights)]
        answers.append(
            Answer(
                validated=record.logits,
                measured=logits[:, start : start + problem.classes],
                steps=record.steps[-1],
                last_doubling=record.last_doubling(),
                converged=_converged(problem, record),
            )
        )
        start += problem.classes
    return answers


@torch.no_grad()
def predict(network: nn.Module, name: str, read: Read, rows: np.ndarray, fit: Fit) -> np.ndarray:
    """The network's logits for the given rows, float32 [n, outputs].

    Raises:
        InputError: a logit is not finite.
    """
    parts = []
    for batch in batches(rows, PREDICTION_BATCH):
        with autocast(fit.precision, fit.device):
            parts.append(network(to_device(read(batch), fit.device)).float().cpu())
    logits = torch.cat(parts)
    if not logits.isfinite().all():
        raise InputError(
            f"the probe {name} diverged: its logits are not finite; lower evaluation.learning_rate "
            "or set training.precision=float32"
        )
    return logits.numpy()
