"""A contributor's work: load, prepare, extract, encode. A pure function; Flower only transports its result."""

import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data import Dataset
from tiprdc_fl.data.examples import Examples, by_person, labels_of
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import MAX_CLASSES, MAX_RAW_BYTES, Contributions, concatenate
from tiprdc_fl.federation.noise import noisy
from tiprdc_fl.federation.person_means import PersonMeans
from tiprdc_fl.federation.stated import as_stated, owners
from tiprdc_fl.models.architecture import feature_shape
from tiprdc_fl.models.extractor import Extractor, batch_reader
from tiprdc_fl.models.runtime import ROWS, RUNTIMES, Runner, extraction_threads
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.models.transport import FEWEST_ITEMS
from tiprdc_fl.store.codec import channels, encode
from tiprdc_fl.store.layout import STAGES, Layout

# Contributors share batches. models.runtime ensures that features do not depend on which examples share a batch.
EXTRACTION_BATCH = 3 * ROWS


@dataclass(frozen=True)
class Failure:
    """Why a contributor has no stored contribution.

    Attributes:
        contributor: id of the contributor.
        stage: where it failed: "load", "prepare", "forward", "encode", "validate" or "message".
        reason: the cause, in one line.
    """

    contributor: int
    stage: str
    reason: str


class StageError(Exception):
    """A stage of a contributor's work failed.

    Attributes:
        failure: the contributor, the stage and the reason.
    """

    def __init__(self, failure: Failure):
        super().__init__(f"contributor {failure.contributor}, {failure.stage}: {failure.reason}")
        self.failure = failure


def layout_of(extractor: Extractor, codec: str, tasks: Sequence[str]) -> Layout:
    """The layout of contributions that hold this extractor's features.

    Args:
        extractor: the frozen extractor.
        codec: key of CODECS.
        tasks: names of the task attributes that are sent as labels.
    """
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
    """Computes the contributions of several contributors; a failure of one leaves the others unaffected.

    A contribution holds features, task labels and measurements: no raw data and no private attribute. Where the
    architecture sends one item a person, that is the mean of the features with each task's most frequent label.

    Args:
        extractor: the frozen extractor.
        dataset: dataset that holds the contributors' examples.
        contributors: ids of the contributors.
        layout: what a contribution contains.
        seed: seed of the noise, for an architecture that adds noise. A real device draws its own noise.
        alone: whether contributors work one after another, so that the seconds of each are measured. Each then
            works twice and the second time counts, because the first batch of a size allocates what later ones
            reuse. Otherwise contributors share batches, and the seconds are divided by the number of examples.
        run: runs the extractor, see ``models.runtime``; None: torch.

    Returns:
        The contributions, and the failures of those who made none.
    """
    groups = [[contributor] for contributor in contributors] if alone else [list(contributors)]
    work = _Work(extractor, dataset, layout, seed, run or RUNTIMES["torch"].start(extractor, b""))
    results: list[Contributions | Failure] = []
    with extraction_threads():
        for group in groups:
            if alone:  # the warm-up
                list(_contribute(work, group))
            results += _contribute(work, group)
    parts = [result for result in results if isinstance(result, Contributions)]
    failures = [result for result in results if isinstance(result, Failure)]
    return concatenate(parts, len(layout.tasks)), failures


@dataclass(frozen=True)
class _Work:
    """The arguments of ``contribute`` that are the same for every contributor."""

    extractor: Extractor
    dataset: Dataset
    layout: Layout
    seed: int
    run: Runner


def peak_memory_bytes() -> int:
    """Peak resident memory of this process, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _contribute(work: _Work, group: list[int]) -> Iterator[Contributions | Failure]:
    """A group's contributions. A group that fails is halved until the contributor that fails is alone."""
    try:
        if group:
            yield _extract_group(work, group)
    except StageError as error:
        if len(group) == 1:
            yield error.failure
            return
        middle = len(group) // 2
        yield from _contribute(work, group[:middle])
        yield from _contribute(work, group[middle:])


def _extract_group(work: _Work, group: list[int]) -> Contributions:
    """A group's contributions; its examples are extracted in shared batches.

    Raises:
        StageError: a stage failed. It names the group's first contributor, who need not be the cause.
    """
    seconds, payloads, sizes = np.zeros(len(STAGES)), [], []
    with _stage("load", group, seconds):
        examples = work.dataset.load(group)
        counts = np.array([np.count_nonzero(examples.people == contributor) for contributor in group])
    generators = {contributor: seeding.generator(work.seed, "noise", contributor) for contributor in group}
    for z, people in _sent(work, examples, group, seconds):
        with _stage("forward", group, seconds):
            channel_rows, steps = _codec_rows(z, work.extractor.architecture.modality)
            owners = np.repeat(people, steps)
            channel_rows = noisy(channel_rows, owners, work.extractor.architecture, generators, work.seed)
        with _stage("encode", group, seconds):
            payload, size = encode(channel_rows, steps, work.layout.codec)
            payloads.append(payload)
            sizes.append(size)
    with _stage("encode", group, seconds):
        share = counts / counts.sum() if counts.sum() else np.full(len(group), 1 / len(group))
        if work.extractor.architecture.per == "person":
            examples, counts = by_person(examples), np.minimum(counts, 1)
        return Contributions(
            contributor=np.array(group, np.int64),
            examples=counts.astype(np.int32),
            seconds=share[:, None] * seconds,
            payload=np.concatenate([np.empty(0, np.uint8), *payloads]),
            payload_bytes=np.concatenate([np.empty(0, np.int64), *sizes]).astype(np.int32),
            raw_bytes=np.minimum(examples.raw_bytes, MAX_RAW_BYTES).astype(np.int32),
            labels=_labels(examples, work.layout.tasks),
        )


def _sent(
    work: _Work, examples: Examples, group: Sequence[int], seconds: np.ndarray
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """What a group sends, before noise and codec: features of each batch, or each person's mean of all of them.

    Args:
        work: holds the runner and the architecture.
        examples: of the group.
        group: ids of the contributors.
        seconds: seconds of each stage, float64 [stages]; entries grow.

    Yields:
        Features [n, ...], and the person of each of the n items, int64 [n].
    """
    of_person, centred = work.extractor.architecture.per == "person", work.extractor.architecture.centred
    means, waiting = PersonMeans(), []
    for z, rows in _batches(work, examples, group, seconds):
        with _stage("forward", group, seconds):
            if centred:  # nothing can be sent before all of a person's items are known
                own = owners(work.extractor, examples, rows, work.seed)
                means.add(z, own)
                waiting.append((z, rows, own))
                continue
            if of_person:
                means.add(z, examples.people[rows])
                continue
            z = as_stated(work.extractor, z, examples, rows, work.seed)
        yield z, examples.people[rows]
    if not len(examples):
        return
    if of_person:
        with _stage("forward", group, seconds):
            z, people = means.means()
            z = as_stated(work.extractor, z, by_person(examples), np.arange(len(people)), work.seed)
        yield z, people
    for z, rows, own in waiting:
        with _stage("forward", group, seconds):
            z = as_stated(work.extractor, z, examples, rows, work.seed, means.of(own, fewest=FEWEST_ITEMS))
        yield z, examples.people[rows]


def _batches(
    work: _Work, examples: Examples, group: Sequence[int], seconds: np.ndarray
) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Features of each batch of a group's examples, [n, ...], and the numbers of these examples, int64 [n]."""
    with _stage("prepare", group, seconds):
        read = batch_reader(work.extractor.architecture, examples.loaded) if len(examples) else None
    for start in range(0, len(examples), EXTRACTION_BATCH):
        batch = np.arange(start, min(start + EXTRACTION_BATCH, len(examples)))
        with _stage("prepare", group, seconds):
            prepared = read(batch)  # pyright: ignore[reportOptionalCall]
        with _stage("forward", group, seconds):
            z = work.run(prepared)
        yield z, batch


@contextmanager
def _stage(name: str, group: Sequence[int], seconds: np.ndarray) -> Iterator[None]:
    """Times a stage, and turns an exception in it into a StageError.

    Args:
        name: name of the stage.
        group: ids of the contributors that share it.
        seconds: seconds of each stage, float64 [stages]; the stage's entry grows.

    Raises:
        StageError: the stage failed.
    """
    start = perf_counter()
    try:
        yield
    except Exception as error:
        # The text of an unexpected error may quote the contributor's data, so only its type leaves the device.
        reason = " ".join(str(error).split()) if isinstance(error, InputError) else type(error).__name__
        raise StageError(Failure(group[0], name, reason)) from error
    seconds[STAGES.index(name)] += perf_counter() - start


def _codec_rows(z: Tensor, modality: str) -> tuple[Tensor, np.ndarray]:
    """Features as the codec takes them.

    Args:
        z: features of n examples or persons, [n, ...].
        modality: "image" or "text".

    Returns:
        Channels of the images or steps of the messages, float [r, values], and how many of the r rows each of the n
        has, int [n].
    """
    if modality == "text":  # the steps of each message without its padding
        valid = valid_steps(z)
        return z[valid], valid.sum(dim=1).numpy()
    number, values = channels(z.shape[1:])
    return z.contiguous().reshape(-1, values), np.full(len(z), number)


def _labels(examples: Examples, tasks: Sequence[str]) -> np.ndarray:
    """Labels of the tasks, int8 [n, tasks].

    Raises:
        InputError: a label is not from 0 to MAX_CLASSES - 1.
    """
    labels = labels_of(examples, tasks)
    if len(labels) and tasks and not 0 <= labels.min() <= labels.max() < MAX_CLASSES:
        raise InputError(f"labels are from 0 to {MAX_CLASSES - 1}, got {labels.min()} to {labels.max()}")
    return labels.astype(np.int8)
