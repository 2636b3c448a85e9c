"""Contributors' work: load, prepare, extract, encode. A pure function; Flower only carries it."""

import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data import Dataset
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import MOST_CLASSES, Contributions, joined
from tiprdc_fl.models.architecture import feature_shape
from tiprdc_fl.models.extractor import Extractor, batch_reader
from tiprdc_fl.models.runtime import ROWS, RUNTIMES, Runner, extraction_threads
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.store.codec import channels, encode
from tiprdc_fl.store.layout import STAGES, Layout

# Examples of several contributors share a batch; models.runtime sees to it that no bit of a feature shows that.
EXTRACTION_BATCH = 3 * ROWS


@dataclass(frozen=True)
class Failure:
    """A contributor that sent nothing.

    Attributes:
        contributor: its id.
        stage: "load", "prepare", "forward", "encode", "validate" or "message".
        reason: one line.
    """

    contributor: int
    stage: str
    reason: str


class StageError(Exception):
    """A stage of a contributor's work failed.

    Attributes:
        failure: who, where and why.
    """

    def __init__(self, failure: Failure):
        super().__init__(f"contributor {failure.contributor}, {failure.stage}: {failure.reason}")
        self.failure = failure


def layout_of(extractor: Extractor, codec: str, tasks: Sequence[str]) -> Layout:
    """What contributions of the extractor's features look like."""
    return Layout(extractor.digest, codec, feature_shape(extractor.architecture), tuple(tasks))


def contribute(
    extractor: Extractor,
    dataset: Dataset,
    contributors: Sequence[int],
    layout: Layout,
    seed: int = 0,
    alone: bool = False,
    run: Runner | None = None,
) -> tuple[Contributions, list[Failure]]:
    """The contributions of several contributors; one that fails does not disturb the others.

    Nothing but features, task labels and measurements is in them: no raw data and no private attribute.

    Args:
        extractor: the frozen extractor.
        dataset: where the contributors' examples are loaded from.
        contributors: their ids, the people's.
        layout: what is asked of them.
        seed: of the noise, where the extractor's architecture asks for noise. A real device draws its own.
        alone: one contributor after another, so that the seconds of each are its own; each works twice, and the
            second time counts, because the first one of a size prepares what later ones reuse. Else their examples
            share batches, and a contributor's seconds are its share by the number of examples.
        run: runs the extractor, see ``models.runtime``; None: torch.

    Returns:
        The contributions of those who made one, and the failures of the others.
    """
    groups = [[contributor] for contributor in contributors] if alone else [list(contributors)]
    work = _Work(extractor, dataset, layout, seed, run or RUNTIMES["torch"].start(extractor, b""))
    answers: list[Contributions | Failure] = []
    with extraction_threads():
        for group in groups:
            if alone:
                list(_answers(work, group))
            answers += _answers(work, group)
    made = [answer for answer in answers if isinstance(answer, Contributions)]
    return joined(made, len(layout.tasks)), [answer for answer in answers if isinstance(answer, Failure)]


@dataclass(frozen=True)
class _Work:
    """What ``contribute`` is given, but the contributors."""

    extractor: Extractor
    dataset: Dataset
    layout: Layout
    seed: int
    run: Runner


def peak_memory_bytes() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _answers(work: _Work, group: list[int]) -> Iterator[Contributions | Failure]:
    """A group's contributions; where it fails, those of its halves, down to the one who failed."""
    try:
        if group:
            yield _together(work, group)
    except StageError as error:
        if len(group) == 1:
            yield error.failure
            return
        middle = len(group) // 2
        yield from _answers(work, group[:middle])
        yield from _answers(work, group[middle:])


def _together(work: _Work, group: list[int]) -> Contributions:
    """A group's contributions, its examples extracted in shared batches.

    Raises:
        StageError: a stage failed; where the group is of several, the contributor it names is only its first.
    """
    seconds, payloads, sizes = np.zeros(len(STAGES)), [], []
    with _stage("load", group, seconds):
        examples = work.dataset.load(group)
        counts = np.array([np.count_nonzero(examples.people == one) for one in group])
    with _stage("prepare", group, seconds):
        read = batch_reader(work.extractor.architecture, examples.loaded) if len(examples) else None
    generators = {one: seeding.generator(work.seed, "noise", one) for one in group}
    for start in range(0, len(examples), EXTRACTION_BATCH):
        batch = np.arange(start, min(start + EXTRACTION_BATCH, len(examples)))
        with _stage("prepare", group, seconds):
            prepared = read(batch)  # pyright: ignore[reportOptionalCall]
        with _stage("forward", group, seconds):
            rows, steps = _features(work, prepared)
            rows = _noisy(rows, np.repeat(examples.people[batch], steps), work.extractor, generators)
        with _stage("encode", group, seconds):
            payload, size = encode(rows, steps, work.layout.codec)
            payloads.append(payload)
            sizes.append(size)
    with _stage("encode", group, seconds):
        labels = _labels(examples, work.layout.tasks)
        share = counts / counts.sum() if counts.sum() else np.full(len(group), 1 / len(group))
        return Contributions(
            contributor=np.array(group, np.int64),
            examples=counts.astype(np.int32),
            seconds=share[:, None] * seconds,
            payload=np.concatenate([np.empty(0, np.uint8), *payloads]),
            payload_bytes=np.concatenate([np.empty(0, np.int64), *sizes]).astype(np.int32),
            raw_bytes=examples.raw_bytes.astype(np.int32),
            labels=labels,
        )


@contextmanager
def _stage(name: str, group: Sequence[int], seconds: np.ndarray) -> Iterator[None]:
    """Adds to a stage's seconds and says, when it fails, which one it was."""
    start = perf_counter()
    try:
        yield
    except Exception as error:
        # The text of an unknown error may quote the contributor's data, so only its type leaves the device.
        reason = " ".join(str(error).split()) if isinstance(error, InputError) else type(error).__name__
        raise StageError(Failure(group[0], name, reason)) from error
    seconds[STAGES.index(name)] += perf_counter() - start


def _features(work: _Work, prepared: Tensor) -> tuple[Tensor, np.ndarray]:
    """Features of a batch as the codec takes them: channels [r, values], and how many each example has."""
    z = work.run(prepared)
    if work.extractor.architecture.modality == "text":  # a message's steps, without the padding behind them
        valid = valid_steps(z)
        return z[valid], valid.sum(dim=1).numpy()
    number, values = channels(z.shape[1:])
    return z.contiguous().reshape(-1, values), np.full(len(z), number)


def _noisy(
    rows: Tensor, owners: np.ndarray, extractor: Extractor, generators: dict[int, np.random.Generator]
) -> Tensor:
    """The rows with the architecture's noise on every value, each contributor's from its own generator."""
    architecture = extractor.architecture
    if architecture.noise == "none":
        return rows
    noise = np.empty(rows.shape, np.float32)
    for owner in dict.fromkeys(owners.tolist()):
        mine, generator = owners == owner, generators[owner]
        draw = generator.normal if architecture.noise == "gaussian" else generator.laplace
        noise[mine] = draw(0.0, architecture.noise_scale, (int(mine.sum()), rows.shape[1]))
    return rows.float() + torch.from_numpy(noise)


def _labels(examples: Examples, tasks: Sequence[str]) -> np.ndarray:
    """Labels of the tasks, int8 [n, tasks].

    Raises:
        InputError: a label is none.
    """
    labels = (
        np.stack([examples.attributes[task] for task in tasks], axis=1)
        if tasks
        else np.empty((len(examples), 0))
    )
    if len(labels) and tasks and not 0 <= labels.min() <= labels.max() < MOST_CLASSES:
        raise InputError(f"labels are from 0 to {MOST_CLASSES - 1}, got {labels.min()} to {labels.max()}")
    return labels.astype(np.int8)
