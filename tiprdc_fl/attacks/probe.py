"""Fresh probes of frozen features: every attribute, by every source of labels, on rows that are read once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.calibration import calibrate
from tiprdc_fl.attacks.classical import Classical
from tiprdc_fl.attacks.fitting import Fit, Read, split_rows, to_device
from tiprdc_fl.attacks.problem import Answer, Problem, balanced_accuracy
from tiprdc_fl.attacks.reduced import Reduce, standardised
from tiprdc_fl.attacks.trainees import Inputs, train

READ_BATCH = 512  # rows
MOST_HELD = 2**30  # bytes of inputs that networks keep in memory; more are read batch by batch


@dataclass(frozen=True)
class Rows:
    """Labelled rows that probes learn from or are measured on.

    Attributes:
        read: row numbers -> inputs of the probes, [n, ...].
        people: person of each row, int64 [rows].
        labels: label of each row, int64 [rows], by attribute.
    """

    read: Read
    people: np.ndarray
    labels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Source:
    """Somebody's labelled rows.

    Attributes:
        rows: their numbers, int64, ascending.
        attributes: whose labels are known.
    """

    rows: np.ndarray
    attributes: Sequence[str]


@dataclass(frozen=True)
class Candidate:
    """A probe to try.

    Attributes:
        build: number of outputs -> fresh network, inputs -> logits [batch, outputs]; or a classical probe.
        rate: a network's learning rate as a multiple of ``Fit.learning_rate``.
    """

    build: Callable[[int], nn.Module | Classical]
    rate: float = 1.0


@dataclass(frozen=True)
class Prediction:
    """A probe's predictions for n rows that it has not learned from.

    Attributes:
        balanced: logits under balanced classes, float [n, classes].
        natural: log-probabilities under the class shares of the training rows, with the scale and the offsets that
            fit the validation people best, float [n, classes].
        validated: ``balanced`` of the validation rows, float [m, classes].
        validation_rows: their numbers among the rows to learn from, int64 [m].
        validation: balanced accuracy on them; None where they lack a class of the training rows.
        steps, last_doubling, converged: see ``Answer``.
    """

    balanced: np.ndarray
    natural: np.ndarray
    validated: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    validation_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    validation: float | None = None
    steps: int | None = None
    last_doubling: float | None = None
    converged: bool = True


Key = tuple[str, str, str]
"""Names of candidate, attribute and source."""


def probe(
    candidates: Mapping[str, Candidate],
    rows: Rows,
    measured: Rows,
    fit: Fit,
    sources: Mapping[str, Source] | None = None,
    on_probe: Callable[[], None] = lambda: None,
) -> dict[Key, Prediction]:
    """Trains probes on ``rows`` and predicts ``measured`` with them.

    Args:
        candidates: probes by name.
        rows: rows to learn from; of each source's people a tenth, or 20 of few, are kept for validation.
        measured: rows to predict, of other people.
        fit: settings of the training.
        sources: whose labels a probe learns from, by name; None: everybody's, as "contributors".
        on_probe: called as often as there are pairs of a candidate and a source.

    Returns:
        The prediction of each candidate for each attribute and source that knows it.

    Raises:
        InputError: there are too few rows, or a probe diverges.
    """
    if sources is None:
        sources = {"contributors": Source(np.arange(len(rows.people)), tuple(rows.labels))}
    problems = _problems(rows, measured, sources, fit.seed)
    models = {name: candidate.build(2) for name, candidate in candidates.items()}
    classical = {name: model for name, model in models.items() if isinstance(model, Classical)}
    networks = {name: candidates[name] for name in candidates if name not in classical}
    inputs, reduced = _read(
        rows, measured, {model.reduce for model in classical.values()}, bool(networks), fit
    )
    answers: dict[Key, Answer] = {}
    for reduce in {model.reduce: None for model in classical.values()}:
        values = standardised(*reduced.pop(reduce))
        for name, model in classical.items():
            if model.reduce is reduce:
                answers |= {
                    (name, *problem.key): answer
                    for problem, answer in zip(problems, model.learn(values, problems), strict=True)
                }
                for _ in sources:
                    on_probe()
    for name, candidate in networks.items():
        for source in sources:
            some = [problem for problem in problems if problem.source == source]
            learned = _restarted(name, candidate, some, inputs, fit) if some else []
            for problem, answer in zip(some, learned, strict=True):
                answers[name, *problem.key] = answer
            on_probe()
    by_key = {problem.key: problem for problem in problems}
    return {
        (name, *key): _prediction(by_key[key], answers[name, *key]) for name in candidates for key in by_key
    }


def _problems(rows: Rows, measured: Rows, sources: Mapping[str, Source], seed: int) -> list[Problem]:
    """A problem for each source and attribute it knows; a person validates in every source or in none."""
    held_out: set[int] = set()
    seen: set[int] = set()
    problems = []
    for source, part in sorted(sources.items(), key=lambda item: len(item[1].rows)):
        people = rows.people[part.rows]
        training, validation = _divided(people, held_out, seen, seed)
        held_out |= set(people[validation].tolist())
        seen |= set(people.tolist())
        for attribute in part.attributes:
            labels = rows.labels[attribute]
            problems.append(
                Problem(
                    attribute=attribute,
                    source=source,
                    classes=class_count(labels[part.rows], measured.labels[attribute]),
                    labels=labels,
                    training=part.rows[training],
                    validation=part.rows[validation],
                    seed=seed,
                )
            )
    return problems


def _divided(
    people: np.ndarray, held_out: set[int], seen: set[int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows; who is in a smaller source already is held out as there, or not.

    Args:
        people: person of each row, int64 [n].
        held_out: people who validate in a smaller source.
        seen: people of the smaller sources.
        seed: seed of the choice of validation people.
    """
    training, validation = split_rows(people, seed)
    chosen = np.isin(people, list(held_out))
    if not chosen.any():
        return training, validation
    fresh = seeding.generator(seed, "probe", "validation").permutation(np.setdiff1d(people, list(seen)))
    wanted = len(np.unique(people[validation])) - len(np.unique(people[chosen]))
    chosen |= np.isin(people, fresh[: max(0, wanted)])
    if (~chosen).sum() < 2:  # the smaller source has the only person, whose rows are divided
        return training, validation
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def class_count(*labels: np.ndarray) -> int:
    """How many values an attribute has, at least two."""
    return max(2, *(int(part.max(initial=0)) + 1 for part in labels))


def _read(
    rows: Rows, measured: Rows, reducers: set[Reduce], networks: bool, fit: Fit
) -> tuple[Inputs, dict[Reduce, tuple[Tensor, Tensor]]]:
    """Reads every row once: reduced rows, and the networks' inputs where they fit into memory."""
    learned = _read_part(rows, reducers, networks, fit)
    others = _read_part(measured, reducers, networks, fit)
    inputs = Inputs(learned[0] or rows.read, others[0] or measured.read, len(measured.people))
    return inputs, {reduce: (learned[1][reduce], others[1][reduce]) for reduce in reducers}


def _read_part(
    rows: Rows, reducers: set[Reduce], networks: bool, fit: Fit
) -> tuple[Read | None, dict[Reduce, Tensor]]:
    held: list[Tensor] | None = [] if networks else None
    parts: dict[Reduce, list[Tensor]] = {reduce: [] for reduce in reducers}
    size = len(rows.people)
    for start in range(0, size if networks or reducers else 0, READ_BATCH):
        x = rows.read(np.arange(start, min(start + READ_BATCH, size)))
        for reduce, values in parts.items():
            values.append(reduce(to_device(x, fit.device)).float())
        if held is not None:
            held.append(x)
            if x.element_size() * x[0].numel() * size > MOST_HELD or _ragged(held):
                held = None
    whole = torch.cat(held) if held else None
    read = None if whole is None else lambda chosen: whole[torch.from_numpy(chosen)]
    return read, {reduce: torch.cat(values) for reduce, values in parts.items()}


def _ragged(batches: Sequence[Tensor]) -> bool:
    """Whether batches differ in shape, as batches of messages do that are as long as their longest message."""
    return batches[-1].shape[1:] != batches[0].shape[1:]


def _restarted(
    name: str, candidate: Candidate, problems: list[Problem], inputs: Inputs, fit: Fit
) -> list[Answer]:
    """The best of ``fit.restarts`` fresh networks for each problem, chosen on the validation people."""
    tried = []
    for restart in range(fit.restarts):
        path = (name, problems[0].source, *((restart,) if restart else ()))
        seeding.seed_torch(fit.seed, "probe", "weights", *path)
        network = candidate.build(sum(problem.classes for problem in problems))
        if isinstance(network, Classical):
            raise TypeError(f"the probe {name} is built as a network and as a classical probe in turn")
        tried.append(
            train(
                network, problems, inputs, fit, candidate.rate * fit.learning_rate, "/".join(map(str, path))
            )
        )
    return [
        max(answers, key=lambda answer, problem=problem: _prediction(problem, answer).validation or 0.0)
        for problem, *answers in zip(problems, *tried, strict=True)
    ]


def _prediction(problem: Problem, answer: Answer) -> Prediction:
    """Calibrates an answer.

    The opposite of a probe, or another threshold between its classes, is taken where validation people show that
    it is better: with many values and few rows of a class a probe's own threshold is far off.
    """
    labels = problem.labels[problem.validation]
    calibration = calibrate(answer.validated, labels, problem.shares)
    validated, measured = calibration.sign * answer.validated, calibration.sign * answer.measured
    moved = calibration.balanced(answer.validated, problem.shares)
    # Where a class is missing among them, whoever never guesses it would look perfect.
    decided = set(problem.labels[problem.training]) <= set(labels)
    if decided and balanced_accuracy(moved, labels) > balanced_accuracy(validated, labels):
        validated, measured = moved, calibration.balanced(answer.measured, problem.shares)
    return Prediction(
        balanced=measured.astype(np.float32),
        natural=calibration.natural(answer.measured).astype(np.float32),
        validated=validated,
        validation_rows=problem.validation,
        validation=balanced_accuracy(validated, labels) if decided else None,
        steps=answer.steps,
        last_doubling=answer.last_doubling,
        converged=answer.converged,
    )
