"""One contributor's work: load, prepare, extract, encode. A pure function; Flower only carries it."""

import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data import Dataset
from tiprdc_fl.data.examples import Examples
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.codec import encode
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor, forward, preprocess
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.store import contribution_schema, to_stream

# One thread everywhere: sums are then made in one order, whatever the number of workers.
EXTRACTION_THREADS = 1
EXTRACTION_BATCH = 64


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


def contribute(
    extractor: Extractor,
    dataset: Dataset,
    contributor: int,
    tasks: Iterable[str],
    codec: str,
    seed: int = 0,
) -> bytes:
    """A contribution: features with their task labels and measurements, as an Arrow IPC stream.

    Nothing else of the examples is in it: no raw data and no private attribute.

    Args:
        extractor: the frozen extractor.
        dataset: where this contributor's examples are loaded from.
        contributor: its id, the person's.
        tasks: names of the attributes that are sent as labels.
        codec: a key of CODECS.
        seed: of the noise, where the extractor's architecture asks for noise. A real device draws its own.

    Raises:
        StageError: a stage failed; it names the contributor and the stage.
    """
    seconds: dict[str, float] = {}
    with _stage("load", contributor, seconds):
        examples = dataset.load([contributor])
    with _stage("prepare", contributor, seconds):
        prepared = preprocess(extractor.architecture, examples.loaded) if len(examples) else None
    with _stage("forward", contributor, seconds):
        features = _features(extractor, prepared, seeding.generator(seed, "noise", contributor))
    with _stage("encode", contributor, seconds):
        payloads = encode(features, codec)
        table = _table(examples, payloads, list(tasks))
    with _stage("encode", contributor, {}):
        return _stream(table, seconds)


def contribute_each(
    extractor: Extractor,
    dataset: Dataset,
    contributors: Iterable[int],
    tasks: Iterable[str],
    codec: str,
    seed: int = 0,
) -> Iterator[tuple[int, bytes | Failure]]:
    """Contributions one after another; a contributor that fails does not disturb the others."""
    tasks = list(tasks)
    threads = torch.get_num_threads()
    torch.set_num_threads(EXTRACTION_THREADS)
    try:
        for contributor in contributors:
            try:
                yield contributor, contribute(extractor, dataset, contributor, tasks, codec, seed)
            except StageError as error:
                yield contributor, error.failure
    finally:
        torch.set_num_threads(threads)


def peak_memory_bytes() -> int:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def _stage(name: str, contributor: int, seconds: dict[str, float]) -> Iterator[None]:
    """Times a stage of a contributor's work and says, when it fails, which one it was."""
    start = perf_counter()
    try:
        yield
    except Exception as error:
        # The text of an unknown error may quote the contributor's data, so only its type leaves the device.
        reason = " ".join(str(error).split()) if isinstance(error, InputError) else type(error).__name__
        raise StageError(Failure(contributor, name, reason)) from error
    seconds[name] = perf_counter() - start


def _features(
    extractor: Extractor, prepared: Tensor | None, generator: np.random.Generator
) -> list[np.ndarray]:
    """What is sent of every example; a message's features are cut to its valid steps."""
    if prepared is None:
        return []
    batches = [forward(extractor, batch) for batch in prepared.split(EXTRACTION_BATCH)]
    if extractor.architecture.modality == "image":
        features = [z.numpy() for batch in batches for z in batch]
    else:
        lengths = [valid_steps(batch).sum(dim=1) for batch in batches]
        features = [
            z[:length].numpy()
            for batch, of in zip(batches, lengths, strict=True)
            for z, length in zip(batch, of, strict=True)
        ]
    return [_noisy(z, extractor.architecture, generator) for z in features]


def _noisy(z: np.ndarray, architecture: Architecture, generator: np.random.Generator) -> np.ndarray:
    """One example with the architecture's noise on every value."""
    if architecture.noise == "none":
        return z
    draw = generator.normal if architecture.noise == "gaussian" else generator.laplace
    return z + draw(0.0, architecture.noise_scale, z.shape).astype(np.float32)


def _table(examples: Examples, payloads: list[bytes], tasks: list[str]) -> dict[str, pa.Array]:
    """The columns of a contribution but its measurements."""
    schema = contribution_schema(tasks)
    columns = {
        "contributor": examples.people,
        "row": examples.rows,
        "payload": payloads,
        "raw_bytes": examples.raw_bytes,
        **{f"task_{task}": examples.attributes[task] for task in tasks},
    }
    return {name: pa.array(values, schema.field(name).type) for name, values in columns.items()}


def _stream(columns: dict[str, pa.Array], seconds: dict[str, float]) -> bytes:
    """The contribution as an Arrow IPC stream of the store's schema, the seconds on each row."""
    count = len(columns["row"])
    measured = {f"{stage}_seconds": pa.array(np.full(count, value)) for stage, value in seconds.items()}
    tasks = [name.removeprefix("task_") for name in columns if name.startswith("task_")]
    schema = contribution_schema(tasks)
    found = columns | measured
    return to_stream(pa.record_batch([found[field.name] for field in schema], schema=schema))
