"""Trains probes on frozen features; all probes that read the same features share each pass over them."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import autocast

VALIDATION_SHARE = 0.1  # of the people a probe may learn from: choose its epoch and its temperature
FEWEST_ROWS = 4
CHECKS = 6
TEMPERATURES = torch.logspace(-1, 1, 41)


@dataclass(frozen=True)
class Fit:
    """How probes are trained.

    Attributes:
        steps: batches to learn from, as many passes over the rows as that takes. At CHECKS points on the way a
            probe is tried on the validation people, and the one with the best balanced accuracy counts. (Their
            loss would choose too early: a probe grows overconfident while it still learns, which the
            temperature mends afterwards.)
        batch_size: rows in a batch.
        learning_rate: highest of Adam's; it rises over the first quarter of the steps and falls to 0 after
            (one-cycle, Smith and Topin 2019), without which some probes never leave chance.
        seed: of the rows' order, dropout and validation people.
        device: "cpu" or "cuda".
        precision: "bfloat16" or "float32".
    """

    steps: int
    batch_size: int
    learning_rate: float
    seed: int
    device: str
    precision: str


@dataclass(frozen=True)
class Rows:
    """Labelled rows that probes learn from or are measured on.

    Attributes:
        read: row numbers -> inputs of the probes, [n, ...].
        people: whose rows they are, int64 [rows].
        labels: attribute -> label of each row, int64 [rows].
    """

    read: Callable[[np.ndarray], Tensor]
    people: np.ndarray
    labels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Candidate:
    """A fresh probe.

    Attributes:
        network: inputs -> logits [batch, classes].
        attribute: what it is to infer.
        classes: how many values the attribute has.
        rate: its learning rate as a multiple of ``Fit.learning_rate``.
    """

    network: nn.Module
    attribute: str
    classes: int
    rate: float = 1.0


@dataclass(frozen=True)
class Prediction:
    """What a probe says of rows it has not learned from.

    Attributes:
        balanced: logits under balanced classes, float [n, classes].
        natural: log-probabilities under the training rows' class shares, with the temperature that fits the
            validation people, float [n, classes].
        majority: the most frequent class of the training rows.
    """

    balanced: np.ndarray
    natural: np.ndarray
    majority: int


def probe(
    candidates: Mapping[str, Candidate],
    rows: Rows,
    measured: Rows,
    fit: Fit,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Prediction]:
    """Trains probes on ``rows`` and has them predict ``measured``.

    Classes are weighted inversely to their share, so that a rare attribute is not simply ignored.

    Args:
        candidates: the probes by name; all of them share each pass over the rows.
        rows: to learn from; a tenth of their people is kept for validation.
        measured: to predict.
        fit: settings.
        on_batch: called after each batch of training.
    """
    training, validation = split_rows(rows.people, fit.seed)
    labels = {name: torch.from_numpy(rows.labels[one.attribute]) for name, one in candidates.items()}
    shares = {name: _shares(labels[name][training], one.classes) for name, one in candidates.items()}
    states = _train(candidates, labels, shares, rows, training, validation, fit, on_batch)
    networks = {name: candidate.network for name, candidate in candidates.items()}
    for name, network in networks.items():
        network.load_state_dict(states[name])
    held_out = _logits(networks, rows.read, validation, fit)
    found = _logits(networks, measured.read, np.arange(len(measured.people)), fit)
    result = {}
    for name in candidates:
        prior = shares[name].log()
        scale = _temperature(held_out[name], labels[name][validation], prior)
        natural = (found[name] / scale + prior).log_softmax(dim=1)
        result[name] = Prediction(found[name].numpy(), natural.numpy(), int(shares[name].argmax()))
    return result


def split_rows(people: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to validate on, by person; by row where there is only one person.

    Raises:
        InputError: there are too few rows.
    """
    if len(people) < FEWEST_ROWS:
        raise InputError(
            f"contributors sent {len(people)} examples, and a probe needs at least {FEWEST_ROWS}: "
            "raise clients or data.max_examples_per_person"
        )
    groups = people if len(np.unique(people)) > 1 else np.arange(len(people))
    order = seeding.generator(seed, "probe", "validation").permutation(np.unique(groups))
    held_out = np.isin(groups, order[: max(1, round(VALIDATION_SHARE * len(order)))])
    if (~held_out).sum() < 2:  # everything but one row belongs to the one person held out
        held_out = ~held_out
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _shares(labels: Tensor, classes: int) -> Tensor:
    """Share of each class, add-one smoothed: a class that the sample lacks keeps a finite logarithm."""
    counts = torch.bincount(labels, minlength=classes).float() + 1
    return counts / counts.sum()


def _train(
    candidates: Mapping[str, Candidate],
    labels: Mapping[str, Tensor],
    shares: Mapping[str, Tensor],
    rows: Rows,
    training: np.ndarray,
    validation: np.ndarray,
    fit: Fit,
    on_batch: Callable[[], None],
) -> dict[str, dict[str, Tensor]]:
    """Weights of each network after its best epoch."""
    networks = {name: candidate.network for name, candidate in candidates.items()}
    weights = {name: 1 / (len(share) * share).to(fit.device) for name, share in shares.items()}
    optimisers, schedules = {}, {}
    for name, network in networks.items():
        network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        rate = fit.learning_rate * candidates[name].rate
        optimisers[name] = torch.optim.Adam(network.parameters(), rate, fused=True)
        schedules[name] = OneCycleLR(optimisers[name], rate, fit.steps, pct_start=0.3, cycle_momentum=False)
    best = dict.fromkeys(networks, 0.0)
    states: dict[str, dict[str, Tensor]] = {}
    checks = {round(fit.steps * (check + 1) / CHECKS) for check in range(CHECKS)}
    for step, chosen in enumerate(islice(_passes(training, fit), fit.steps)):
        x = _placed(rows.read(chosen), fit.device)
        for name, network in networks.items():
            y = labels[name][chosen].to(fit.device)
            # Dropout of its own: a probe's figures do not depend on what is trained beside it.
            seeding.seed_torch(fit.seed, "probe", name, step)
            _step(network.train(), optimisers[name], x, y, weights[name], fit.precision)
            schedules[name].step()
        on_batch()
        if step + 1 in checks:
            found = _logits(networks, rows.read, validation, fit)
            for name, network in networks.items():
                score = _balanced_accuracy(found[name], labels[name][validation])
                if score >= best[name]:
                    best[name], states[name] = score, copy.deepcopy(network.state_dict())
    return states


def _passes(training: np.ndarray, fit: Fit) -> Iterator[np.ndarray]:
    """Batches of one pass over the training rows after another, each in an order of its own, without end."""
    for number in count():
        generator = seeding.generator(fit.seed, "probe", "order", number)
        yield from _batches(generator.permutation(training), fit.batch_size)


def _placed(x: Tensor, device: str) -> Tensor:
    """Inputs on the device, images and their features channels last: convolutions are faster on them."""
    return x.to(device, memory_format=torch.channels_last) if x.dim() == 4 else x.to(device)


def _step(
    network: nn.Module, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, weight: Tensor, precision: str
) -> None:
    with autocast(precision, x.device.type):
        logits = network(x)
    optimiser.zero_grad(set_to_none=True)
    F.cross_entropy(logits.float(), y, weight).backward()
    optimiser.step()


@torch.no_grad()
def _logits(
    networks: Mapping[str, nn.Module], read: Callable[[np.ndarray], Tensor], rows: np.ndarray, fit: Fit
) -> dict[str, Tensor]:
    """Logits of rows, float [n, classes] by probe; each row is read once."""
    found: dict[str, list[Tensor]] = {name: [] for name in networks}
    for chosen in _batches(rows, 512):
        x = _placed(read(chosen), fit.device)
        for name, network in networks.items():
            network.eval()
            with autocast(fit.precision, x.device.type):
                found[name].append(network(x).float().cpu())
    logits = {name: torch.cat(parts) for name, parts in found.items()}
    for name, values in logits.items():
        if not values.isfinite().all():
            raise InputError(
                f"the probe {name} diverged: its logits are not finite; lower evaluation.learning_rate "
                "or set training.precision=float32"
            )
    return logits


def _batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Rows in equal batches, of ``size`` to twice ``size`` where there are as many."""
    yield from np.array_split(rows, max(1, len(rows) // size))


def _balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Mean recall of the classes that occur."""
    right = logits.argmax(dim=1) == labels
    return float(torch.stack([right[labels == value].float().mean() for value in labels.unique()]).mean())


def _temperature(logits: Tensor, labels: Tensor, prior: Tensor) -> float:
    """The temperature under which the probe's probabilities fit the validation rows best."""
    losses = [F.cross_entropy(logits / scale + prior, labels) for scale in TEMPERATURES]
    return float(TEMPERATURES[int(torch.stack(losses).argmin())])
