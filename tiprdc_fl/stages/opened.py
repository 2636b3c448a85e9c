"""A finished run, opened to work on: its report, its extractor, and the features that were collected."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from tiprdc_fl.config.keys import Config
from tiprdc_fl.models.extractor import Extractor, load_extractor
from tiprdc_fl.report.read import read_report
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.store.feature_store import FeatureStore, open_store
from tiprdc_fl.store.paths import RunFolder

BATCH = 4096  # rows decoded at a time


@dataclass(frozen=True)
class OpenedRun:
    """A run folder whose run has ended.

    Attributes:
        folder: the run folder.
        report: as ``run`` returned it.
    """

    folder: Path
    report: Any

    @cached_property
    def config(self) -> Config:
        """The configuration of the run."""
        return load_config(str(RunFolder(self.folder).config), [])

    @cached_property
    def extractor(self) -> Extractor:
        """The frozen extractor."""
        return load_extractor(RunFolder(self.folder).extractor)

    @cached_property
    def store(self) -> FeatureStore:
        """The feature store, as the contributions came in."""
        return open_store(RunFolder(self.folder).features)

    def tensors(self) -> tuple[Tensor, dict[str, np.ndarray], np.ndarray]:
        """Everything that was collected, ordered by (contributor, row).

        Returns:
            features, float32 [n, *shape] (messages padded with zeros); labels of each task, int64 [n]; and the
            contributor of each row, int64 [n]. These are the arguments of ``tiprdc_fl.attack``.
        """
        keys, tasks = self.store.keys, self.store.layout.tasks
        features = self.store.features(keys.column("position").to_numpy())
        labels = {task: keys.column(f"task_{task}").to_numpy().astype(np.int64) for task in tasks}
        return features, labels, keys.column("contributor").to_numpy()

    def features(self) -> pa.Table:
        """The same as an Arrow table (``.to_pandas()`` makes a data frame); messages have zeros at the end.

        Columns: contributor (int64), row (int32), the tasks' labels (int8) by their names, and features (a list of
        float32 for each example; reshape with ``store.layout.shape``).
        """
        return pa.concat_tables(self._batches())

    def _batches(self) -> Iterator[pa.Table]:
        keys, tasks = self.store.keys, self.store.layout.tasks
        for start in range(0, max(1, len(keys)), BATCH):
            part = keys.slice(start, BATCH)
            values = self.store.features(part.column("position").to_numpy()) if len(part) else ()
            yield pa.table(
                {
                    "contributor": part.column("contributor"),
                    "row": part.column("row"),
                    **{task: part.column(f"task_{task}") for task in tasks},
                    "features": pa.array(
                        [value.flatten().numpy() for value in values], pa.list_(pa.float32())
                    ),
                }
            )


def open_run(folder: str | Path) -> OpenedRun:
    """A finished run, to read its report, its extractor and the collected features.

    Raises:
        InputError: the folder holds no finished run.
    """
    return OpenedRun(Path(folder), read_report(Path(folder)))
