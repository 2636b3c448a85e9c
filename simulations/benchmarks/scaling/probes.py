"""Probes and adversaries: whatever their number, an epoch reads each stored row once; what does that save?"""

import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
from rich.console import Console
from torch import Tensor

from simulations.benchmarks.scaling.figures import Measured
from simulations.benchmarks.scaling.setting import chosen_precision
from tiprdc_fl import seeding, simulate
from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Candidate, Rows, probe
from tiprdc_fl.attacks.suite import ATTACKS
from tiprdc_fl.federation.collection import features_path
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.feature_store import FeatureStore, open_store

COUNTS = (1, 2, 4, 8)
PROBES = ("linear", "table1")  # the cheapest network to train, and the paper's classifier
TASKS = ("Smiling", "Eyeglasses")
WIDTH = 16
TURNS = 3
# Only the store is needed: no training, and the smallest evaluation that the configuration allows.
STORE_ONLY = (
    "federation.engine=inline",
    "protection.name=random",
    f"model.width={WIDTH}",
    "data.holdout_people=5",
    "evaluation.controls=[]",
    "evaluation.adversaries=[insider]",
    "evaluation.attacks=[linear]",
    "evaluation.probes=[linear]",
    "evaluation.steps=1",
    "evaluation.bootstrap=100",
    "evaluation.reidentification=false",
    f"data.tasks=[{','.join(TASKS)}]",
    "data.collector_people=2",
)


@dataclass
class Reads:
    """What a ``Rows.read`` was asked for.

    Attributes:
        read: rows -> their features.
        times: how often each row was read, int64 [rows].
        seconds: spent in reading.
    """

    read: Callable[[np.ndarray], Tensor]
    times: np.ndarray
    seconds: float = field(default=0.0)

    def __call__(self, chosen: np.ndarray) -> Tensor:
        """Reads rows, and notes it."""
        np.add.at(self.times, chosen, 1)
        start = perf_counter()
        features = self.read(chosen)
        self.seconds += perf_counter() - start
        return features


def counting(rows: Rows) -> tuple[Rows, Reads]:
    """The same rows, and the count of what is read of them."""
    reads = Reads(rows.read, np.zeros(len(rows.people), dtype=np.int64))
    return Rows(reads, rows.people, rows.labels), reads


def measure_probes(quick: bool, say: Callable[[str], None]) -> list[Measured]:
    """Rows read and time taken by K probes together, beside K probes one after another.

    Args:
        quick: a smaller store and fewer steps.
        say: shows a line of progress.
    """
    people, side, steps = (40, 32, 20) if quick else (150, 64, 50)
    fit = Fit(steps, 128, 1e-3, 0, "cpu", chosen_precision())
    with tempfile.TemporaryDirectory() as folder:
        rows = stored_rows(collect(Path(folder) / "run", people, side))
        say(f"probes: {len(rows.people):,} stored rows of {side}x{side} images, {steps} steps")
        figures = []
        for name in PROBES[:1] if quick else PROBES:
            figures += measure_probe(name, side, rows, fit, 1 if quick else TURNS, say)
    return figures


def collect(folder: Path, people: int, side: int) -> FeatureStore:
    """A store of features of generated faces, as a run makes it."""
    sizes = (f"clients={people}", f"data.image_size={side}", f"run_dir={folder}")
    simulate.run(load_config(None, [*STORE_ONLY, *sizes]), Console(file=io.StringIO()), quiet=True)
    return open_store(features_path(folder))


def stored_rows(store: FeatureStore) -> Rows:
    """Every row of a store with its task labels."""
    positions = store.keys.column("position").to_numpy()
    labels = {task: store.keys.column(f"task_{task}").to_numpy().astype(np.int64) for task in TASKS}
    people = store.keys.column("contributor").to_numpy()
    return Rows(lambda chosen: store.features(positions[chosen]), people, labels)


def candidates(name: str, count: int, side: int) -> dict[str, Candidate]:
    """Fresh probes of one kind, for one task and the other in turn."""
    architecture, fresh = Architecture("image", WIDTH, (side, side)), {}
    for number in range(count):
        seeding.seed_torch(0, "scaling", "probe", name, number)
        attack, task = ATTACKS[name], TASKS[number % len(TASKS)]
        fresh[f"{task}/{name}/{number}"] = Candidate(attack.build(architecture, 2), task, 2, attack.rate)
    return fresh


def trained(probes: dict[str, Candidate], rows: Rows, fit: Fit) -> tuple[float, Reads]:
    """Seconds in all, and what was read, of training probes together; what they predict does not matter here."""
    few = rows.people == rows.people[0]
    measured = Rows(
        lambda chosen: rows.read(np.flatnonzero(few)[chosen]),
        rows.people[few],
        {task: labels[few] for task, labels in rows.labels.items()},
    )
    counted, reads = counting(rows)
    start = perf_counter()
    probe(probes, counted, measured, fit)
    return perf_counter() - start, reads


def measure_probe(
    name: str, side: int, rows: Rows, fit: Fit, turns: int, say: Callable[[str], None]
) -> list[Measured]:
    """One kind of probe: rows read, time, and the share of it that reading takes."""
    figures, make = [], partial(candidates, name, side=side)
    trained(make(1), rows, fit)  # warms up
    alone = [trained(make(1), rows, fit) for _ in range(turns)]
    share = float(np.median([reads.seconds / seconds for seconds, reads in alone]))
    once = alone[0][1].times
    for count in COUNTS:
        together, apart = [], []
        for _ in range(turns):
            together.append(trained(make(count), rows, fit))
            apart.append(
                sum(trained({key: candidate}, rows, fit)[0] for key, candidate in make(count).items())
            )
        seconds = np.array([took for took, _ in together])
        figures += _compared(name, count, together[0][1].times, once, seconds, np.array(apart))
        _tell(figures[-2], figures[-1], share / count + 1 - share, say)
    median = float(np.median([seconds for seconds, _ in alone]))
    what, against = f"reading, one {name} probe", "its training in all"
    figures.append(Measured("probes", what, share * median, "s", against, median, None))
    say(f"{what}: {100 * share:.0f} % of the time")
    return figures


def _compared(
    name: str, count: int, times: np.ndarray, once: np.ndarray, seconds: np.ndarray, apart: np.ndarray
) -> list[Measured]:
    """K probes together: rows read beside those that one reads, time beside one after another."""
    what, value = f"{count} of the probe {name} together", float(np.median(seconds))
    ratio = float(np.median(seconds / apart))
    rows = (float(times.sum()), "rows", "rows that one probe reads", float(once.sum()), 1.0)
    return [
        Measured("probes", f"rows read, {what}", *rows),
        Measured("probes", f"time, {what}", value, "s", "one after another", value / ratio, None),
    ]


def _tell(rows: Measured, seconds: Measured, expected: float, say: Callable[[str], None]) -> None:
    say(f"{rows.what}: {rows.ratio:.2f} times {rows.against}")
    say(f"{seconds.what}: {seconds.ratio:.2f} times {seconds.against}; {expected:.2f} if reading costs one's")
