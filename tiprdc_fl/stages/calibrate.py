"""What a contributor's work takes on this host: measured before a collection, for the virtual clock to scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from time import perf_counter

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.source import capped
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import Contributions, sent_bytes
from tiprdc_fl.federation.contributor import contribute
from tiprdc_fl.models.extractor import Extractor, batch_reader, forward
from tiprdc_fl.models.runtime import EXTRACTION_THREADS, RUNTIMES, PassRunner, Runner, rows_of
from tiprdc_fl.store.layout import STAGES, Layout

MEASURED = 24  # contributors
PARTS = ("fixed", "per_example", "per_raw_byte")
REPEATED = 3  # times each; the median counts, so that whatever else the host does now and then does not
MOST_SECONDS = 20.0  # after which no further contributor is measured


@dataclass(frozen=True)
class Calibration:
    """Seconds and sizes on this host, one contributor at a time, after a warm-up.

    A contributor's seconds (or bytes) are the sum of a fixed part, a part for each example and a part for each byte
    of raw examples. The stage "forward" has no fixed part, and the zeros that pad its last pass count as examples.

    Attributes:
        seconds: of each stage, in these three parts; "load" is the simulation's own (a real device has its
            examples). The network runs in float32, as the device classes' slowdowns are of float32: this host may
            have instructions for bfloat16 that phones lack. (With federation.runtime=onnxruntime-int8, in int8.)
        sent_bytes: of a contribution, in these three parts.
        seconds_per_example: of each stage, mean over the examples measured.
        memory_bytes: that the extractor needs at a time for one example: weights, and the largest input and output
            of a layer, in float32. Counted, not measured: the memory of this process says nothing of a device's.
        contributors, examples: that were measured, ``repeated`` times each.
        threads: of the measurement.
        rows: of a pass of the network, see ``models.runtime``.
    """

    seconds: dict[str, dict[str, float]]
    sent_bytes: dict[str, float]
    seconds_per_example: dict[str, float]
    memory_bytes: int
    contributors: int
    examples: int
    repeated: int
    threads: int
    rows: int

    def device_seconds(self, examples: np.ndarray, raw_bytes: np.ndarray) -> np.ndarray:
        """Seconds on a core of this host of what devices do: prepare, forward, encode; float64 [n].

        Args:
            examples: of each contributor, int64 [n].
            raw_bytes: of each contributor's examples, int64 [n].
        """
        times = [
            _times(stage, examples, raw_bytes, self.rows) @ list(self.seconds[stage].values())
            for stage in STAGES
            if stage != "load"
        ]
        return np.sum(times, axis=0)

    def upload_bytes(self, examples: np.ndarray, raw_bytes: np.ndarray) -> np.ndarray:
        """Bytes of each contribution, int64 [n]; the arguments as above."""
        return np.rint(_features(examples, raw_bytes) @ np.array(list(self.sent_bytes.values()))).astype(
            np.int64
        )


def _times(stage: str, examples: np.ndarray, raw_bytes: np.ndarray, rows: int) -> np.ndarray:
    """The factors of the three parts of a stage's seconds, float64 [n, 3].

    The network makes whole passes of equal time, so its fixed part is 0. Where every contributor needs one pass, as
    in many calibrations, a fixed part and the time of a pass could not be told apart.
    """
    if stage != "forward":
        return _features(examples, raw_bytes)
    return _features(-(-examples // rows) * rows, raw_bytes) * [0, 1, 1]


def _features(examples: np.ndarray, raw_bytes: np.ndarray) -> np.ndarray:
    """The factors of the three parts, float64 [n, 3]; 0 for a contributor without examples."""
    return np.stack([examples > 0, examples, raw_bytes], axis=1).astype(float)


def calibrate(
    extractor: Extractor,
    dataset: Dataset,
    contributors: Sequence[int],
    layout: Layout,
    seed: int,
    run: Runner | None = None,
) -> Calibration:
    """Measures contributors, spread evenly over all: each with all of its examples, then with a single example.

    Args:
        extractor: the frozen extractor.
        dataset: where the contributors' examples are loaded from.
        contributors: ids of those with examples.
        layout: codec and columns of a contribution.
        seed: of the noise, where the architecture asks for noise.
        run: runs an exported extractor, see ``models.runtime``; None: torch.

    Raises:
        InputError: no contributor has examples, or every measurement fails.
    """
    architecture = replace(extractor.architecture, precision="float32")
    plain = replace(extractor, architecture=architecture)
    own, timed = (run or RUNTIMES["torch"].start(variant, b"") for variant in (extractor, plain))
    spread = np.unique(np.linspace(0, len(contributors) - 1, MEASURED).astype(int)).tolist()
    seconds: list[np.ndarray] = []
    sizes: list[tuple[int, int, int]] = []
    last = perf_counter() + MOST_SECONDS
    for place, source in product(spread, (dataset, capped(dataset, 1))):
        if seconds and perf_counter() > last:
            break
        contribution = _once(extractor, source, contributors[place], layout, seed, own)
        times = [_once(plain, source, contributors[place], layout, seed, timed) for _ in range(REPEATED)]
        if contribution is not None:
            seconds.append(np.median([timing.seconds[0] for timing in times if timing is not None], axis=0))
            worked = source.labels([contributors[place]])
            sent = int(sent_bytes(contribution, layout)[0])
            sizes.append((len(worked), int(worked.raw_bytes.sum()), sent))
    if not seconds:
        raise InputError(
            "no contributor's work can be measured: nobody has an example that the extractor takes"
        )
    examples, raw, sent = np.array(sizes).T
    columns, rows = np.array(seconds), timed.rows if isinstance(timed, PassRunner) else rows_of(architecture)
    return Calibration(
        seconds={
            stage: _fit(_times(stage, examples, raw, rows), column)
            for stage, column in zip(STAGES, columns.T, strict=True)
        },
        sent_bytes=_fit(_features(examples, raw), sent),
        seconds_per_example=dict(zip(STAGES, (columns.sum(axis=0) / examples.sum()).tolist(), strict=True)),
        memory_bytes=_memory(extractor, dataset, contributors),
        contributors=len(seconds) // 2,
        examples=int(examples.sum()),
        repeated=REPEATED,
        threads=EXTRACTION_THREADS,
        rows=rows,
    )


def _fit(times: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """The three parts, each at least 0, with the least squared relative error.

    Args:
        times: factors of the parts, float64 [n, 3].
        values: float64 [n].
    """
    scale = 1 / np.maximum(values, 1e-9)
    _, examples, raw_bytes = times.sum(axis=0)
    unit = np.array([1.0, 1.0, max(1.0, raw_bytes / examples)])  # for numerical stability
    parts, _ = nnls(times / unit * scale[:, None], np.ones(len(values)))
    return dict(zip(PARTS, (parts / unit).tolist(), strict=True))


def _once(
    extractor: Extractor, dataset: Dataset, contributor: int, layout: Layout, seed: int, run: Runner
) -> Contributions | None:
    """A contributor's work; None where it fails: the collection reports the failure."""
    contribution, failures = contribute(extractor, dataset, [contributor], layout, seed, alone=True, run=run)
    return None if failures or not contribution.examples.sum() else contribution


def _memory(extractor: Extractor, dataset: Dataset, contributors: Sequence[int]) -> int:
    """See ``Calibration.memory_bytes``."""
    largest = 0

    def note(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        largest = max(largest, _numbers(inputs) + _numbers(output))

    layers = [module for module in extractor.network.modules() if not list(module.children())]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        for contributor in contributors[:MEASURED]:
            examples = dataset.load([contributor])
            if len(examples):
                forward(extractor, batch_reader(extractor.architecture, examples.loaded)(np.arange(1)))
                break
    finally:
        for hook in hooks:
            hook.remove()
    weights = sum(value.numel() for value in extractor.network.state_dict().values())
    return 4 * (weights + largest)


def _numbers(value: object) -> int:
    """How many numbers the tensors in a value hold."""
    if isinstance(value, Tensor):
        return value.numel()
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return value.data.numel()
    return sum(map(_numbers, value)) if isinstance(value, tuple | list) else 0
