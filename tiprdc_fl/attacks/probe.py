"""Trains probes on frozen features; all probes of the same features share each pass over them."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from tiprdc_fl import seeding
from tiprdc_fl.attacks.classical import Classical, Lesson, Reduced
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import autocast

VALIDATION_SHARE = 0.1  # of the people a probe may learn from: choose its epoch and its temperature
FEWEST_ROWS = 4
PREDICTED = 128  # rows at a time: an image of 218x178 takes 20 MB on the way through networks of width 64
CHECKS = 6
TEMPERATURES = torch.logspace(-1, 1, 41)

Read = Callable[[np.ndarray], Tensor]


@dataclass(frozen=True)
class Fit:
    """How probes are trained.

    Attributes:
        steps: batches to learn from, as many passes over the rows as that takes. At CHECKS points on the way a
            probe is tried on the validation people, and the one with the best balanced accuracy counts. (Their
            loss would choose too early: a probe grows overconfident while it still learns, which the
            temperature mends afterwards.)
        batch_size: rows in a batch.
        learning_rate: highest of Adam's; it rises over the first 30 % of the steps and falls to 0 after
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

    read: Read
    people: np.ndarray
    labels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Candidate:
    """A fresh probe.

    Attributes:
        model: a network, inputs -> logits [batch, classes], or a classical adversary.
        attribute: what it is to infer.
        classes: how many values the attribute has.
        rate: a network's learning rate as a multiple of ``Fit.learning_rate``.
    """

    model: nn.Module | Classical
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
    """

    balanced: np.ndarray
    natural: np.ndarray


@dataclass
class _Trainee:
    """A network in training, what it is trained on, and the weights of its best check so far."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: OneCycleLR
    labels: Tensor
    weights: Tensor
    score: float = 0.0
    state: dict[str, Tensor] = field(default_factory=dict)


def probe(
    candidates: Mapping[str, Candidate],
    rows: Rows,
    measured: Rows,
    fit: Fit,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, Prediction]:
    """Trains probes on ``rows`` and has them predict ``measured``.

    Classes are weighted inversely to their share, so that a rare attribute is not simply ignored. Classical
    adversaries learn from what the first pass reads; it is completed where ``Fit.steps`` end before it does.

    Args:
        candidates: the probes by name; all of them share each pass over the rows.
        rows: to learn from; a tenth of their people is kept for validation.
        measured: to predict.
        fit: settings.
        on_batch: called after each batch, at most ``Fit.steps`` times.
    """
    training, validation = split_rows(rows.people, fit.seed)
    labels = {name: torch.from_numpy(rows.labels[one.attribute]) for name, one in candidates.items()}
    shares = {name: _shares(labels[name][training], one.classes) for name, one in candidates.items()}
    classical = {name: one.model for name, one in candidates.items() if isinstance(one.model, Classical)}
    reducers = frozenset(one.reduce for one in classical.values())
    trainees = {
        name: _trainee(one, labels[name], shares[name], fit)
        for name, one in candidates.items()
        if isinstance(one.model, nn.Module)
    }
    learned = _train(trainees, rows.read, training, validation, Reduced(training, reducers), fit, on_batch)
    checked, asked = Reduced(validation, reducers), Reduced(np.arange(len(measured.people)), reducers)
    held_out = _logits(trainees, rows.read, checked, fit)
    found = _logits(trainees, measured.read, asked, fit)
    for name, one in classical.items():
        predict = _taught(one, labels[name].numpy(), shares[name].numpy(), learned, checked, fit.seed)
        held_out[name] = torch.from_numpy(predict(checked.values[one.reduce]))
        found[name] = torch.from_numpy(predict(asked.values[one.reduce]))
    return {
        name: _prediction(held_out[name], found[name], labels[name][validation], shares[name])
        for name in candidates
    }


def _prediction(held_out: Tensor, found: Tensor, labels: Tensor, shares: Tensor) -> Prediction:
    """From balanced logits of validation rows, whose labels are known, and of measured rows."""
    scale = _temperature(held_out, labels, shares.log())
    natural = (found / scale + shares.log()).log_softmax(dim=1)
    return Prediction(found.numpy(), natural.numpy())


def _taught(
    model: Classical, labels: np.ndarray, shares: np.ndarray, learned: Reduced, checked: Reduced, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """What a classical adversary has learned: reduced rows -> balanced logits, float32."""
    rows, validation = learned.values[model.reduce], checked.values[model.reduce]
    lesson = Lesson(rows, labels[learned.rows], validation, labels[checked.rows], shares, seed)
    predict = model.learn(lesson)
    return lambda asked: predict(asked).astype(np.float32)


def split_rows(people: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and rows to validate on, by person; by row where there is only one person.

    Raises:
        InputError: there are too few rows.
    """
    if len(people) < FEWEST_ROWS:
        raise InputError(
            f"contributors sent {len(people)} examples, and a probe needs at least {FEWEST_ROWS}: "
            "raise clients, data.max_examples_per_person, or what the strategy takes"
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


def _trainee(candidate: Candidate, labels: Tensor, shares: Tensor, fit: Fit) -> _Trainee:
    network, rate = candidate.model, fit.learning_rate * candidate.rate
    assert isinstance(network, nn.Module)
    network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    schedule = OneCycleLR(optimiser, rate, fit.steps, pct_start=0.3, cycle_momentum=False)
    return _Trainee(network, optimiser, schedule, labels, 1 / (len(shares) * shares).to(fit.device))


def _train(
    trainees: Mapping[str, _Trainee],
    read: Read,
    training: np.ndarray,
    validation: np.ndarray,
    reduced: Reduced,
    fit: Fit,
    on_batch: Callable[[], None],
) -> Reduced:
    """Leaves each network with the weights of its best check, and ``reduced`` with all training rows."""
    steps = fit.steps if trainees else 0
    first_pass = _batch_count(training, fit.batch_size) if reduced.reducers else 0
    checks = {round(steps * (check + 1) / CHECKS) for check in range(CHECKS)}
    for step, chosen in enumerate(islice(passes(training, fit), max(steps, first_pass))):
        x = placed(read(chosen), fit.device)
        if step < first_pass:
            reduced.add(chosen, x)
        if step < steps:
            _learn(trainees, chosen, x, step, fit)
        if step < fit.steps:
            on_batch()
        if step < steps and step + 1 in checks:
            _check(trainees, read, validation, fit)
    for trainee in trainees.values():
        trainee.network.load_state_dict(trainee.state)
    return reduced


def _learn(trainees: Mapping[str, _Trainee], chosen: np.ndarray, x: Tensor, step: int, fit: Fit) -> None:
    """One step of every network on the same batch."""
    for name, one in trainees.items():
        y = one.labels[chosen].to(fit.device)
        # Dropout of its own: a probe's figures do not depend on what is trained beside it.
        seeding.seed_torch(fit.seed, "probe", name, step)
        with autocast(fit.precision, x.device.type):
            logits = one.network.train()(x)
        one.optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(logits.float(), y, one.weights).backward()
        one.optimiser.step()
        one.schedule.step()


def _check(trainees: Mapping[str, _Trainee], read: Read, validation: np.ndarray, fit: Fit) -> None:
    """Keeps the weights of the networks that validate no worse than ever before."""
    found = _logits(trainees, read, Reduced(validation), fit)
    for name, one in trainees.items():
        score = _balanced_accuracy(found[name], one.labels[validation])
        if score >= one.score:
            one.score, one.state = score, copy.deepcopy(one.network.state_dict())


def passes(training: np.ndarray, fit: Fit) -> Iterator[np.ndarray]:
    """Batches of one pass over the training rows after another, each in an order of its own, without end."""
    for number in count():
        generator = seeding.generator(fit.seed, "probe", "order", number)
        yield from batches(generator.permutation(training), fit.batch_size)


def placed(x: Tensor, device: str) -> Tensor:
    """Inputs on the device, images and their features channels last: convolutions are faster on them."""
    return x.to(device, memory_format=torch.channels_last) if x.dim() == 4 else x.to(device)


@torch.no_grad()
def _logits(trainees: Mapping[str, _Trainee], read: Read, reduced: Reduced, fit: Fit) -> dict[str, Tensor]:
    """Each network's logits of the rows of ``reduced``, float [n, classes]; each row is read once.

    On the way ``reduced`` receives the rows.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in trainees}
    for chosen in batches(reduced.rows, PREDICTED):
        x = placed(read(chosen), fit.device)
        reduced.add(chosen, x)
        for name, one in trainees.items():
            one.network.eval()
            with autocast(fit.precision, x.device.type):
                found[name].append(one.network(x).float().cpu())
    logits = {name: torch.cat(parts) for name, parts in found.items()}
    for name, values in logits.items():
        if not values.isfinite().all():
            raise InputError(
                f"the probe {name} diverged: its logits are not finite; lower evaluation.learning_rate "
                "or set training.precision=float32"
            )
    return logits


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Rows in equal batches, of ``size`` to twice ``size`` where there are as many."""
    yield from np.array_split(rows, _batch_count(rows, size))


def _batch_count(rows: np.ndarray, size: int) -> int:
    return max(1, len(rows) // size)


def _balanced_accuracy(logits: Tensor, labels: Tensor) -> float:
    """Mean recall of the classes that occur."""
    right = logits.argmax(dim=1) == labels
    return float(torch.stack([right[labels == value].float().mean() for value in labels.unique()]).mean())


def _temperature(logits: Tensor, labels: Tensor, prior: Tensor) -> float:
    """The temperature under which the probe's probabilities fit the validation rows best."""
    losses = [F.cross_entropy(logits / scale + prior, labels) for scale in TEMPERATURES]
    return float(TEMPERATURES[int(torch.stack(losses).argmin())])
