"""The training loop of an extractor on the collector's people: pretraining, then epochs of Algorithm 1."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.disk import write_bytes, write_json, write_whole
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import autocast, batch_reader, to_bytes
from tiprdc_fl.training.hybrid import Players, build_players, hybrid_step, pretrain_step, restart
from tiprdc_fl.training.information import OBJECTIVES
from tiprdc_fl.training.objectives import attribute_probabilities, head_labels, pair

VALIDATION_SHARE = 0.1  # of the collector's people, on whom the co-trained adversary is measured
SAMPLED = 512  # inputs that an estimator of the information is built from,
SAMPLED_PIXELS = 2**22  # and their pixels, as far as SAMPLED_LEAST of them have no more
SAMPLED_LEAST = 16


@dataclass(frozen=True)
class Plan:
    """Settings of a training; the keys of the configuration's ``training`` section.

    Attributes:
        private: names of the private attributes.
        budget: the paper's lambda, in [0, 1].
        objective: key of OBJECTIVES, estimates the information.
        epochs: epochs of Algorithm 1.
        pretrain_epochs: epochs of pretraining before them.
        pretraining: "information": extractor and estimator as at budget 0; "private": extractor and adversaries on
            the private attribute, as the paper has it.
        adversaries: number of adversaries.
        hiding: "cross_entropy" or "entropy", see ``objectives.hiding_loss``, or "mmd", see ``discrepancy``.
        restarts: epochs of Algorithm 1 after which the next adversary starts anew, in turn; 0: none does.
        pretrain_batch_size: examples in a batch of pretraining.
        batch_size: examples in a batch of Algorithm 1.
        pretrain_learning_rate: learning rate in pretraining.
        learning_rate: learning rate in Algorithm 1.
        optimiser: "adamw" or "adam".
        weight_decay: of the optimiser.
        decay_at: share of a phase's epochs after which the learning rate is divided by ten.
        pairing: "derangement" or "shift", see ``objectives.pair``.
        negatives: examples x' of Eq. 9 for each x.
        heads: "joint" or "separate", see ``objectives.head_labels``.
        convolutions: convolutions in the first block of the estimator.
        seed: seed of weights, order of examples, dropout and pairing.
        device: "cpu" or "cuda".
    """

    private: tuple[str, ...]
    budget: float
    objective: str
    epochs: int
    pretrain_epochs: int
    pretraining: str
    adversaries: int
    hiding: str
    restarts: int
    pretrain_batch_size: int
    batch_size: int
    pretrain_learning_rate: float
    learning_rate: float
    optimiser: str
    weight_decay: float
    decay_at: float
    pairing: str
    negatives: int
    heads: str
    convolutions: int
    seed: int
    device: str


@dataclass(frozen=True)
class _Data:
    """The collector's examples, prepared for the training.

    Attributes:
        read: row numbers -> preprocessed inputs [n, ...].
        labels: labels of the private attributes, int [rows, attributes].
        attribute_classes: number of classes of each private attribute.
        people: person of each row, int64 [rows].
        u: labels that the adversary predicts, int64 [rows, heads].
        head_classes: number of classes of each head of the adversary.
        training: numbers of the training rows.
        validation: numbers of the validation rows.
    """

    read: Callable[[np.ndarray], Tensor]
    labels: np.ndarray
    attribute_classes: tuple[int, ...]
    people: Tensor
    u: Tensor
    head_classes: tuple[int, ...]
    training: np.ndarray
    validation: np.ndarray


def train_extractor(
    examples: Examples,
    architecture: Architecture,
    plan: Plan,
    folder: Path,
    on_batch: Callable[[int], None] = lambda examples: None,
    on_epoch: Callable[[dict[str, Any]], None] = lambda figures: None,
) -> list[dict[str, Any]]:
    """Trains an extractor and writes it to ``extractor.safetensors``; resumes from a checkpoint if there is one.

    Args:
        examples: examples of the collector's people.
        architecture: architecture of the extractor.
        plan: settings of the training.
        folder: folder of the extractor and, during the training, of ``checkpoint.pt``.
        on_batch: called with the number of examples after each step.
        on_epoch: called with the figures of each epoch that this call trains.

    Returns:
        The figures of every epoch (see ``_figures``), those before a resumption included.

    Raises:
        InputError: a loss is not finite, there are too few people or examples, or the checkpoint is damaged.
    """
    data = _prepare(examples, architecture, plan)
    pixels = max(1, math.prod(architecture.image_size))
    sampled = min(SAMPLED, max(SAMPLED_LEAST, SAMPLED_PIXELS // pixels))
    sample = data.training[:: -(-len(data.training) // sampled)]
    seeding.seed_torch(plan.seed, "training", "weights")
    players = build_players(
        architecture=architecture,
        objective=OBJECTIVES[plan.objective],
        sample=data.read(sample),
        classes=data.head_classes,
        convolutions=plan.convolutions,
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        device=plan.device,
        adversaries=plan.adversaries,
        hiding=plan.hiding,
        optimiser=plan.optimiser,
    )
    history = _resume(players, folder / "checkpoint.pt")
    for epoch in range(len(history), plan.pretrain_epochs + plan.epochs):
        _restart(players, plan, architecture, epoch)
        history.append(_epoch(players, data, plan, epoch, on_batch))
        on_epoch(history[-1])
        _save(players, history, folder / "checkpoint.pt")
    write_json(folder / "training.json", history)
    # The extractor comes last, because its file marks the stage as complete.
    write_bytes(folder / "extractor.safetensors", to_bytes(players.extractor, architecture))
    return history


def validation_rows(people: np.ndarray, seed: int) -> np.ndarray:
    """Chooses the examples of a tenth of the people, on whom the co-trained adversary is measured, bool [n].

    Args:
        people: person of each example, int64 [n].
        seed: seed of the choice.
    """
    unique = np.unique(people)
    order = seeding.generator(seed, "training", "validation").permutation(unique)
    return np.isin(people, order[: max(1, round(VALIDATION_SHARE * len(unique)))])


def _prepare(examples: Examples, architecture: Architecture, plan: Plan) -> _Data:
    """Chooses the validation people and encodes the labels.

    Raises:
        InputError: fewer than two examples are left to train on.
    """
    labels = np.stack([examples.attributes[name] for name in plan.private], axis=1)
    classes = tuple(max(2, int(column.max(initial=0)) + 1) for column in labels.T)
    u, head_classes = head_labels(labels, classes, plan.heads)
    held_out = validation_rows(examples.people, plan.seed)
    training = np.flatnonzero(~held_out)
    if len(training) < 2:
        people = len(np.unique(examples.people))
        raise InputError(
            f"the collector has {people} people and, without the validation people's, {len(training)} "
            "examples to train on; at least 2 are needed: raise data.collector_people"
        )
    read = batch_reader(architecture, examples.loaded)
    return _Data(
        read=read,
        labels=labels,
        attribute_classes=classes,
        people=torch.from_numpy(examples.people.astype(np.int64)),
        u=u,
        head_classes=head_classes,
        training=training,
        validation=np.flatnonzero(held_out),
    )


def _restart(players: Players, plan: Plan, architecture: Architecture, epoch: int) -> None:
    """Gives the adversary whose turn it is fresh weights at the start of an epoch; none in the first."""
    done = epoch - plan.pretrain_epochs
    if plan.restarts and done > 0 and done % plan.restarts == 0:
        seeding.seed_torch(plan.seed, "training", "restart", epoch)
        restart(players, (done // plan.restarts - 1) % plan.adversaries, architecture)


def _epoch(
    players: Players, data: _Data, plan: Plan, epoch: int, on_batch: Callable[[int], None]
) -> dict[str, Any]:
    """Trains one epoch, and returns its figures; its random numbers depend only on the seed and the epoch.

    Raises:
        InputError: a loss is not finite.
    """
    seeding.seed_torch(plan.seed, "training", epoch)
    generator = seeding.generator(plan.seed, "training", "order", epoch)
    pretraining = epoch < plan.pretrain_epochs
    _set_learning_rate(players, learning_rate(plan, epoch))
    for network in (players.extractor, players.adversaries, players.estimator):
        network.train()
    start, sums, examples = perf_counter(), np.zeros(3), 0
    size = plan.pretrain_batch_size if pretraining else plan.batch_size
    for step, rows in enumerate(_batches(data.training, size, generator)):
        losses = _step(players, data, plan, rows, pretraining, generator)
        _check_finite(losses, pretraining, epoch, step)
        sums, examples = sums + losses * len(rows), examples + len(rows)
        on_batch(len(rows))
    rate = examples / (perf_counter() - start)
    return _figures(plan, epoch, sums / examples, rate) | {
        "adversary_balanced_accuracy": _adversary_accuracy(players, data, plan)
        if _adversarial(plan, pretraining)
        else {}
    }


def learning_rate(plan: Plan, epoch: int) -> float:
    """The learning rate of an epoch (from 0): that of its phase, and a tenth of it late in the phase."""
    if epoch < plan.pretrain_epochs:
        rate, done, length = plan.pretrain_learning_rate, epoch, plan.pretrain_epochs
    else:
        rate, done, length = plan.learning_rate, epoch - plan.pretrain_epochs, plan.epochs
    return rate * (0.1 if done >= math.ceil(plan.decay_at * length) else 1)


def _check_finite(losses: np.ndarray, pretraining: bool, epoch: int, step: int) -> None:
    if not np.isfinite(losses).all():
        rate = "training.pretrain_learning_rate" if pretraining else "training.learning_rate"
        raise InputError(
            f"training stopped in epoch {epoch + 1}, step {step + 1}: a loss is not finite "
            f"(adversary {losses[0]:.3g}, bound {losses[1]:.3g}, extractor {losses[2]:.3g}); "
            f"lower {rate} or set training.precision=float32"
        )


def _step(
    players: Players,
    data: _Data,
    plan: Plan,
    rows: np.ndarray,
    pretraining: bool,
    generator: np.random.Generator,
) -> np.ndarray:
    """Trains one step; returns the losses of adversaries, bound and extractor, 0 where pretraining has none."""
    x, u = data.read(rows).to(plan.device), data.u[rows].to(plan.device)
    if pretraining and plan.pretraining == "private":
        return np.array([pretrain_step(players, x, u).item(), 0.0, 0.0])
    order = pair(len(rows), plan.pairing, plan.negatives, generator).to(plan.device)
    losses = hybrid_step(
        players,
        x,
        u,
        order,
        budget=0.0 if pretraining else plan.budget,
        adversaries=_adversarial(plan, pretraining),
        people=data.people[rows].to(plan.device),
    )
    return torch.stack([losses.adversary, losses.bound, losses.extractor]).cpu().numpy().astype(float)


def _batches(rows: np.ndarray, size: int, generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yields every row once, in random order, in equal batches of at least ``size`` rows if there are enough."""
    shuffled = generator.permutation(rows)
    yield from np.array_split(shuffled, max(1, len(shuffled) // size))


def _adversarial(plan: Plan, pretraining: bool) -> bool:
    """Whether adversaries are trained in a phase."""
    return plan.pretraining == "private" if pretraining else plan.hiding != "mmd"


def _figures(plan: Plan, epoch: int, losses: np.ndarray, rate: float) -> dict[str, Any]:
    """Figures of an epoch for ``training.json``: means over its examples in nats; None where there is none."""
    pretraining = epoch < plan.pretrain_epochs
    private = pretraining and plan.pretraining == "private"
    adversary, bound, extractor = (float(value) for value in losses)
    return {
        "epoch": epoch + 1,
        "phase": "pretrain" if pretraining else "hybrid",
        "adversary_loss": adversary if _adversarial(plan, pretraining) else None,
        "mutual_information_bound": None if private or (plan.budget == 1 and not pretraining) else bound,
        "extractor_loss": None if private else extractor,
        "examples_per_second": rate,
    }


@torch.no_grad()
def _adversary_accuracy(players: Players, data: _Data, plan: Plan) -> dict[str, float | None]:
    """Balanced accuracy of the co-trained adversaries' mean on the validation people, by private attribute.

    It is None if the validation people have only one value of the attribute.
    """
    players.extractor.eval()
    players.adversaries.eval()
    logits = []
    for rows in np.array_split(data.validation, -(-len(data.validation) // 256)):
        x = data.read(rows).to(plan.device)
        with autocast(players.precision, x.device.type):
            z = players.extractor(x)
            each = [network(z).float() for network in players.adversaries]
            logits.append(torch.stack(each).mean(dim=0).cpu())
    predictions = attribute_probabilities(torch.cat(logits), data.attribute_classes, plan.heads)
    result = {}
    for name, truth, probabilities in zip(
        plan.private, data.labels[data.validation].T, predictions, strict=True
    ):
        guess = probabilities.argmax(dim=1).numpy()
        values = np.unique(truth)
        recall = recall_score(truth, guess, labels=values, average="macro")
        result[name] = float(recall) if len(values) > 1 else None
    return result


def _set_learning_rate(players: Players, rate: float) -> None:
    for optimiser in (players.theta, *players.psi, players.omega):
        for group in optimiser.param_groups:
            group["lr"] = rate


def _parts(players: Players) -> dict[str, Any]:
    names = ("extractor", "adversaries", "estimator", "theta", "omega")
    optimisers = {f"psi {number}": optimiser for number, optimiser in enumerate(players.psi)}
    return {name: getattr(players, name) for name in names} | optimisers


def _save(players: Players, history: list[dict[str, Any]], path: Path) -> None:
    """Writes a checkpoint of networks, optimisers and figures; the file appears only when it is complete."""
    state = {name: part.state_dict() for name, part in _parts(players).items()}
    write_whole(path, lambda draft: torch.save({"history": history, **state}, draft))


def _resume(players: Players, path: Path) -> list[dict[str, Any]]:
    """Loads the state of a checkpoint, and returns the figures of its epochs; none if there is no checkpoint.

    Raises:
        InputError: the file is not a checkpoint of this training.
    """
    if not path.is_file():
        return []
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in _parts(players).items():
            part.load_state_dict(state[name])
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a checkpoint of this training ({reason}); delete it") from error
    return state["history"]
