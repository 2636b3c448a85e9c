"""What every stage knows of a run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from rich.console import Console

from tiprdc_fl.config.keys import Config
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.data.partition.table import read_deal
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.data.split import Split
from tiprdc_fl.evaluation.results import Metric
from tiprdc_fl.federation.collection import Collection, Request
from tiprdc_fl.models.architecture import Precision
from tiprdc_fl.stages.callbacks import Callback
from tiprdc_fl.stages.runtime import write_model
from tiprdc_fl.store.paths import RunFolder
from tiprdc_fl.store.withdrawal import withdrawn


@dataclass(frozen=True)
class Run:
    """What every stage needs to know of a run.

    Attributes:
        config: as the user gave it, with ``run_dir``.
        folder: where its artefacts lie.
        source: of the contributors' examples; nodes open it.
        dataset: everybody's examples, as the partition has them.
        people: collector, contributors, holdout.
        device: "cpu" or "cuda".
        precision: "bfloat16" or "float32".
        console: for progress.
        callbacks: of the caller, which follow the run.
        metrics: of the caller, by name.
    """

    config: Config
    folder: RunFolder
    source: DataSource
    dataset: Dataset
    people: Split
    device: str
    precision: Precision
    console: Console
    callbacks: tuple[Callback, ...] = ()
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    @cached_property
    def contributed(self) -> Examples:
        """The contributors' examples without inputs; made once."""
        return self.dataset.labels(self.people.contributors)

    @cached_property
    def asked(self) -> np.ndarray:
        """Ids of the contributors who may be asked, int64 [n]: those with examples who have not withdrawn."""
        contributors = self.people.contributors
        if self.source.partition is not None:
            deal = read_deal(Path(self.source.partition))
            contributors = contributors[deal.sizes[deal.find(contributors)[0]] > 0]
        return contributors[~np.isin(contributors, list(withdrawn(self.folder.path)))]

    @property
    def private(self) -> tuple[str, ...]:
        """Names of the private attributes."""
        return tuple(self.config.data.private or ())

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the task attributes."""
        return tuple(self.config.data.tasks or ())


def collection_of(
    current: Run, folder: RunFolder, people: Sequence[int] | np.ndarray, extractor: Path | None = None
) -> Collection:
    """A collection into ``folder`` by the run's settings; ``extractor`` None: the run's extractor."""
    federation = current.config.federation
    alone = federation.mode == "latency"  # contributors are timed one at a time
    extractor = extractor or current.folder.extractor
    return Collection(
        folder=str(folder),
        request=Request(
            extractor=str(extractor),
            source=current.source,
            tasks=current.tasks,
            codec=federation.codec,
            runtime=federation.runtime,
            plugins=tuple(current.config.plugins),
        ),
        contributors=tuple(int(person) for person in people),
        workers=1 if alone else federation.workers or os.cpu_count() or 1,
        retries=federation.retries,
        contributors_per_message=federation.contributors_per_message,
        alone=alone,
        ray_address=current.config.ray.address,
        writer=federation.writer,
    )


def export(current: Run, extractor: Path) -> None:
    """Exports the extractor for ``federation.runtime`` to a file beside it."""
    config = current.config
    write_model(extractor, config.federation.runtime, current.dataset, current.people.collector, config.seed)
