"""Training of several networks on the same batches, and their logits."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from tiprdc_fl import seeding
from tiprdc_fl.attacks.classical import ReducedRows
from tiprdc_fl.attacks.fitting import CHECKS, Fit, Read, batch_count, batches, passes, to_device
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import autocast

PREDICTION_BATCH = 128  # rows; an image of 218x178 takes 20 MB inside networks of width 64


@dataclass
class Trainee:
    """A network in training.

    Attributes:
        network: inputs -> logits [batch, classes].
        optimiser: Adam on its parameters.
        schedule: of the optimiser's learning rate.
        labels: label of each row, int64 [rows].
        class_weights: inverse class shares, for the loss, float [classes].
        best_score: balanced accuracy of the best check so far.
        best_weights: the network's state dictionary at that check.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: OneCycleLR
    labels: Tensor
    class_weights: Tensor
    best_score: float = 0.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)


def new_trainee(network: nn.Module, rate: float, labels: Tensor, shares: Tensor, fit: Fit) -> Trainee:
    """Moves a fresh network to the device, and sets up its optimiser.

    Args:
        network: inputs -> logits [batch, classes].
        rate: its highest learning rate.
        labels: label of each row, int64 [rows].
        shares: class shares of the training rows, float [classes].
        fit: settings of the training.
    """
    network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    schedule = OneCycleLR(optimiser, rate, fit.steps, pct_start=0.3, cycle_momentum=False)
    return Trainee(network, optimiser, schedule, labels, 1 / (len(shares) * shares).to(fit.device))


def train(
    trainees: Mapping[str, Trainee],
    read: Read,
    validation: np.ndarray,
    training: ReducedRows,
    fit: Fit,
    on_batch: Callable[[], None],
) -> None:
    """Trains the networks, and loads each one's best weights; adds all rows of a pass to ``training``.

    Args:
        trainees: the networks by name.
        read: row numbers -> inputs of the probes.
        validation: numbers of the validation rows.
        training: the training rows; receives them reduced.
        fit: settings of the training.
        on_batch: called after each batch.
    """
    steps = fit.steps if trainees else 0
    first_pass = batch_count(training.rows, fit.batch_size) if training.reducers else 0
    checks = {round(steps * (check + 1) / CHECKS) for check in range(CHECKS)}
    order = passes(training.rows, fit.batch_size, fit.seed)
    for step, batch in enumerate(islice(order, max(steps, first_pass))):
        x = to_device(read(batch), fit.device)
        if step < first_pass:
            training.add(batch, x)
        if step < steps:
            _learn(trainees, batch, x, step, fit)
        if step < fit.steps:
            on_batch()
        if step < steps and step + 1 in checks:
            _check(trainees, read, validation, fit)
    for trainee in trainees.values():
        trainee.network.load_state_dict(trainee.best_weights)


def _learn(trainees: Mapping[str, Trainee], batch: np.ndarray, x: Tensor, step: int, fit: Fit) -> None:
    """One optimiser step of every network on the same batch."""
    for name, trainee in trainees.items():
        y = trainee.labels[batch].to(fit.device)
        # Each probe has its own dropout seed, so its figures do not depend on the other probes.
        seeding.seed_torch(fit.seed, "probe", name, step)
        with autocast(fit.precision, x.device.type):
            logits = trainee.network.train()(x)
        trainee.optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(logits.float(), y, trainee.class_weights).backward()
        trainee.optimiser.step()
        trainee.schedule.step()


def _check(trainees: Mapping[str, Trainee], read: Read, validation: np.ndarray, fit: Fit) -> None:
    """Validates every network; keeps the weights of those that reach their best score so far."""
    logits = logits_of(trainees, read, ReducedRows(validation), fit)
    for name, trainee in trainees.items():
        score = _balanced_accuracy(logits[name], trainee.labels[validation])
        if score >= trainee.best_score:
            trainee.best_score = score
            trainee.best_weights = copy.deepcopy(trainee.network.state_dict())


@torch.no_grad()
def logits_of(trainees: Mapping[str, Trainee], read: Read, rows: ReducedRows, fit: Fit) -> dict[str, Tensor]:
    """Each network's logits for the given rows, float [n, classes]; adds the rows, read once, to ``rows``.

    Raises:
        InputError: a network's logits are not finite.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in trainees}
    for batch in batches(rows.rows, PREDICTION_BATCH):
        x = to_device(read(batch), fit.device)
        rows.add(batch, x)
        for name, trainee in trainees.items():
            trainee.network.eval()
            with autocast(fit.precision, x.device.type):
                parts[name].append(trainee.network(x).float().cpu())
    logits = {name: torch.cat(pieces) for name, pieces in parts.items()}
    for name, values in logits.items():
        if not values.isfinite().all():
            raise InputError(
                f"the probe {name} diverged: its logits are not finite; lower evaluation.learning_rate "
                "or set training.precision=float32"
            )
    return logits


def _balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Mean recall of the classes that occur among the labels."""
    correct = logits.argmax(dim=1) == labels
    return float(torch.stack([correct[labels == value].float().mean() for value in labels.unique()]).mean())
