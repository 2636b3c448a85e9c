"""Fresh probes of frozen features: every attribute, by every source of labels, on rows that are read once."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import nn

from tiprdc_fl import seeding
from tiprdc_fl.attacks.calibration import calibrate
from tiprdc_fl.attacks.classical import Classical
from tiprdc_fl.attacks.fitting import Fit, Read, split_rows, to_device
from tiprdc_fl.attacks.problem import Answer, Problem, balanced_accuracy
from tiprdc_fl.attacks.reduced import Reduce, standardised
from tiprdc_fl.attacks.side_by_side import Held, cores, side_by_side
from tiprdc_fl.attacks.trainees import Inputs, train

READ_BATCH = 512  # rows
MOST_HELD = 2**30  # bytes of inputs that networks keep in memory; more are read batch by batch
LITTLE = 2**29  # values read; with less to do, processes take longer to start than they save
DOMINANT = 0.7  # share of the work; a job with more has more of all threads than of a process
MOST_PROCESSES = 8  # each takes half a gigabyte
LEAST_SHARED = 2e9  # bytes free in shared memory, without which joblib takes the folder of temporary files


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
        augmented: numbers of further rows of the same people, made of the same examples, int64, ascending: probes
            learn from them and are not validated on them.
    """

    rows: np.ndarray
    attributes: Sequence[str]
    augmented: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


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


@dataclass(frozen=True)
class Trial:
    """Probes of one view of the examples.

    Attributes:
        candidates: probes by name.
        rows: rows to learn from; of each source's people a tenth, or 20 of few, are kept for validation.
        measured: rows to predict, of other people.
        sources: whose labels a probe learns from, by name.
    """

    candidates: Mapping[str, Candidate]
    rows: Rows
    measured: Rows
    sources: Mapping[str, Source]


def probe_each(
    trials: Mapping[str, Trial], fit: Fit, on_probe: Callable[[], None] = lambda: None
) -> dict[str, dict[Key, Prediction]]:
    """Trains the probes of every trial on its rows, and predicts its measured rows with them.

    On a CPU they are trained side by side where there is much to do.

    Args:
        trials: what is probed, by name.
        fit: settings of the training.
        on_probe: called as often as there are pairs of a candidate and a source.

    Returns:
        By trial the prediction of each candidate for each attribute and source that knows it.

    Raises:
        InputError: there are too few rows, a probe diverges, or a process was killed.
    """
    problems = {
        name: _problems(trial.rows, trial.measured, trial.sources, fit.seed) for name, trial in trials.items()
    }
    answers: dict[str, dict[Key, Answer]] = {name: {} for name in trials}

    def answer(jobs: list["_Job"], processes: int) -> None:
        owners = [(job.trial, job.probes) for job in jobs]
        runs = [job.run for job in jobs]
        jobs.clear()  # whatever a job reads is freed when it is done
        for place, answered in side_by_side((runs.pop(0) for _ in owners), processes):
            name, probes = owners[place]
            answers[name] |= answered
            for _ in range(probes):
                on_probe()

    waiting: list[_Job] = []
    for name, trial in trials.items():
        waiting += _jobs(name, trial, problems[name], fit)
        if fit.device != "cpu" or cores() == 1:  # one trial's rows in memory at a time
            answer(waiting, 1)
    waiting.sort(key=lambda job: -job.work)
    shared, others = ([job for job in waiting if job.held is held] for held in (True, False))
    waiting.clear()
    for jobs in (shared, others):
        if jobs:
            answer(jobs, _processes(jobs))
    return {
        name: {
            (candidate, *problem.key): _prediction(problem, answers[name][candidate, *problem.key])
            for candidate in trial.candidates
            for problem in problems[name]
        }
        for name, trial in trials.items()
    }


@dataclass(frozen=True)
class _Job:
    """Probes that are trained together: classical ones of the same rows, or a network of one source.

    Attributes:
        trial: whose probes they are.
        run: trains them.
        probes: how many pairs of a candidate and a source they are.
        work: values that they read at most, roughly.
        size: bytes of what they read.
        held: whether what they read is in memory, so that another process may read it.
    """

    trial: str
    run: Callable[[], dict[Key, Answer]]
    probes: int
    work: int
    size: int
    held: bool = True


def _processes(jobs: Sequence[_Job]) -> int:
    """How many jobs are done at once: one where they are little work, mostly one job, or cannot be shared."""
    work = [job.work for job in jobs]
    count = min(len(jobs), cores(), MOST_PROCESSES)
    too_large = not all(job.held for job in jobs) or sum(job.size for job in jobs) > _shareable()
    return 1 if sum(work) < LITTLE or max(work) > DOMINANT * sum(work) or too_large else count


def _shareable() -> int:
    """Bytes that processes may share: half of what is free where joblib puts them."""
    with contextlib.suppress(OSError):
        free = shutil.disk_usage("/dev/shm").free
        if free > LEAST_SHARED:
            return free // 2
    return shutil.disk_usage(tempfile.gettempdir()).free // 2


def _jobs(name: str, trial: Trial, problems: list[Problem], fit: Fit) -> Iterator[_Job]:
    """Reads every row once, and divides a trial's probes into jobs."""
    models = {key: candidate.build(2) for key, candidate in trial.candidates.items()}
    classical = {key: model for key, model in models.items() if isinstance(model, Classical)}
    networks = [key for key in models if key not in classical]
    reducers = {model.reduce: None for model in classical.values()}
    inputs, reduced = _read(trial.rows, trial.measured, list(reducers), bool(networks), fit)
    for reduce in reducers:
        some = {key: model for key, model in classical.items() if model.reduce is reduce}
        learned, measured = reduced.pop(reduce)
        run = partial(_learned, some, learned, measured, problems, fit.device)
        work = len(some) * len(problems) * learned.size // 2
        yield _Job(name, run, len(some) * len(trial.sources), work, learned.nbytes + measured.nbytes)
    parts = [read.rows for read in (inputs.learned, inputs.measured) if isinstance(read, Held)]
    values, size = (parts[0][0].size, sum(part.nbytes for part in parts)) if parts else (0, 0)
    for key, source in product(networks, trial.sources):
        asked = [problem for problem in problems if problem.source == source]
        run = partial(_restarted, key, trial.candidates[key], asked, inputs, fit) if asked else dict
        work = fit.restarts * fit.steps * fit.batch_size * values if asked else 0
        yield _Job(name, run, 1, work, size, held=len(parts) == 2)


def _learned(
    models: Mapping[str, Classical],
    learned: np.ndarray,
    measured: np.ndarray,
    problems: list[Problem],
    device: str,
) -> dict[Key, Answer]:
    """Classical probes of the same reduced rows, which are changed."""
    rows = standardised(torch.from_numpy(learned).to(device), torch.from_numpy(measured).to(device))
    return {
        (name, *problem.key): answer
        for name, model in models.items()
        for problem, answer in zip(problems, model.learn(rows, problems), strict=True)
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
        further = part.augmented[~np.isin(rows.people[part.augmented], people[validation])]
        for attribute in part.attributes:
            labels = rows.labels[attribute]
            problems.append(
                Problem(
                    attribute=attribute,
                    source=source,
                    classes=class_count(labels[part.rows], measured.labels[attribute]),
                    labels=labels,
                    training=np.union1d(part.rows[training], further),
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
    rows: Rows, measured: Rows, reducers: Sequence[Reduce], networks: bool, fit: Fit
) -> tuple[Inputs, dict[Reduce, tuple[np.ndarray, np.ndarray]]]:
    """Reads every row once: reduced rows, and the networks' inputs where they fit into memory."""
    learned = _read_part(rows, reducers, networks, fit)
    others = _read_part(measured, reducers, networks, fit)
    inputs = Inputs(learned[0] or rows.read, others[0] or measured.read, len(measured.people))
    return inputs, {reduce: (learned[1][reduce], others[1][reduce]) for reduce in reducers}


def _read_part(
    rows: Rows, reducers: Sequence[Reduce], networks: bool, fit: Fit
) -> tuple[Read | None, dict[Reduce, np.ndarray]]:
    size, held, padded = len(rows.people), networks, False
    whole: np.ndarray | None = None
    reduced: dict[Reduce, np.ndarray] = {}
    for start in range(0, size if networks or reducers else 0, READ_BATCH):
        x = rows.read(np.arange(start, min(start + READ_BATCH, size)))
        for reduce in reducers:
            values = reduce(to_device(x, fit.device)).float().cpu().numpy()
            if reduce not in reduced:
                reduced[reduce] = _room(size, values)
            _put(reduced[reduce], start, values)
        held = held and x.element_size() * x[0].numel() * size <= MOST_HELD
        if held:
            whole = _room(size, x.numpy()) if whole is None else whole
            padded = padded or whole.shape[1:] != x.shape[1:]
            whole = _put(whole, start, x.numpy())
    return Held(whole, padded) if held and whole is not None else None, reduced


def _room(size: int, like: np.ndarray) -> np.ndarray:
    return np.zeros((size, *like.shape[1:]), like.dtype)


def _put(whole: np.ndarray, start: int, part: np.ndarray) -> np.ndarray:
    """The array with a part written into it; messages longer than those before make it longer, with zeros."""
    if part.shape[1] > whole.shape[1]:
        short, whole = whole, np.zeros((len(whole), *part.shape[1:]), whole.dtype)
        whole[:start, : short.shape[1]] = short[:start]
    whole[start : start + len(part), : part.shape[1]] = part
    return whole


def _restarted(
    name: str, candidate: Candidate, problems: list[Problem], inputs: Inputs, fit: Fit
) -> dict[Key, Answer]:
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
    return {
        (name, *problem.key): max(
            answers, key=lambda answer, problem=problem: _prediction(problem, answer).validation or 0.0
        )
        for problem, *answers in zip(problems, *tried, strict=True)
    }


def _prediction(problem: Problem, answer: Answer) -> Prediction:
    """Calibrates an answer.

    The opposite of a probe, or another threshold between its classes, is taken where validation people show that
    it is better: with many values and few rows of a class a probe's own threshold is far off. A small gain on them
    is chance more often than not, and its threshold worse on everybody else.
    """
    labels = problem.labels[problem.validation]
    calibration = calibrate(answer.validated, labels, problem.shares)
    validated, measured = calibration.sign * answer.validated, calibration.sign * answer.measured
    moved = calibration.balanced(answer.validated, problem.shares)
    # Where a class is missing among them, whoever never guesses it would look perfect.
    decided = set(problem.labels[problem.training]) <= set(labels)
    own = balanced_accuracy(validated, labels)
    if decided and balanced_accuracy(moved, labels) > own + problem.tolerance(own):
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
