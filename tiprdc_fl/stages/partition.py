"""The run's partition: drawn once and kept in the run folder; the dataset then returns examples by contributor.

Contributors keep the ids of ``people.contributors``, and the examples of these people are divided among them. The
collector's and the holdout people keep their examples, and ``clients=1000`` stays a thousand contributors.
"""

from dataclasses import fields, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa

from tiprdc_fl import seeding
from tiprdc_fl.config.keys import Config
from tiprdc_fl.data.examples import Dataset
from tiprdc_fl.data.partition.partitioners import PARTITIONERS, Settings, combined, deal
from tiprdc_fl.data.partition.shift import by_own_cameras
from tiprdc_fl.data.partition.table import deal_table, dealt, read_deal
from tiprdc_fl.data.source import DataSource
from tiprdc_fl.data.split import Split
from tiprdc_fl.disk import write_table
from tiprdc_fl.errors import InputError
from tiprdc_fl.federation.contribution import MAX_EXAMPLES
from tiprdc_fl.stages.run_folder import note_seconds
from tiprdc_fl.store.paths import RunFolder


def attributes_of(config: Config) -> list[str]:
    """The attributes whose combination is an example's class; empty where the partition is not by class."""
    if not PARTITIONERS[config.partition.name].by_class:
        return []
    return list(config.partition.partition_by or config.data.tasks or ())


def deal_out(config: Config, dataset: Dataset, people: Split) -> tuple[pa.Table | None, float]:
    """Divides the examples of ``people.contributors`` among the contributors by the configured partition.

    Returns:
        the content of ``partition.parquet``, or None where the partition needs no table or the run folder has it;
        and the seconds of the division.

    Raises:
        InputError: the data does not allow this partition.
    """
    start, section = perf_counter(), config.partition
    there = config.run_dir is not None and RunFolder(Path(config.run_dir)).partition.exists()
    if PARTITIONERS[section.name].deal is None or there:
        return None, 0.0
    pooled = dataset.labels(people.contributors)
    classes = combined({name: pooled.attributes[name] for name in attributes_of(config)}, len(pooled))
    settings = Settings(**{field.name: getattr(section, field.name) for field in fields(Settings)})
    rng = seeding.generator(config.seed, "partition", section.name)
    owner, topped_up = deal(section.name, classes, len(people.contributors), settings, rng)
    _check_largest(section.name, owner)
    return deal_table(people.contributors, owner, pooled, topped_up), perf_counter() - start


def _check_largest(name: str, owner: np.ndarray) -> None:
    largest = int(np.bincount(owner).max())
    if largest > MAX_EXAMPLES:
        raise InputError(
            f"partition.name={name}: a contributor would have {largest:,} examples, at most {MAX_EXAMPLES:,} are "
            "accepted of one; raise partition.exponent, partition.alpha or clients, or lower partition.sigma"
        )


def open_partition(
    config: Config,
    folder: RunFolder,
    source: DataSource,
    dataset: Dataset,
    people: Split,
    table: pa.Table | None,
) -> tuple[DataSource, Dataset]:
    """Source and dataset under the partition; a new table is written into the run folder.

    Args:
        config: the run.
        folder: the run folder.
        source: of the people's own examples.
        dataset: the opened source.
        people: ids of collector, contributors and holdout.
        table: what ``deal_out`` returned; None reads what an earlier session has written.

    Returns:
        the source that nodes open, and the dataset for this process.

    Raises:
        InputError: the file cannot be written, is damaged, or is of other contributors.
    """
    section, partition = config.partition, PARTITIONERS[config.partition.name]
    if partition.shifted and section.strength:
        seen = replace(source, strength=section.strength)
        return seen, by_own_cameras(dataset, section.strength, source.seed, spared=people.collector)
    if partition.deal is None:
        return source, dataset
    path = folder.partition.absolute()
    if table is not None:
        write_table(path, table)
    if not np.array_equal(read_deal(path).contributors, np.sort(people.contributors)):
        raise InputError(
            f"{path}: is of other contributors than this run's; delete it and run the same command"
        )
    return replace(source, partition=str(path)), dealt(dataset, path)


def note_partition(folder: RunFolder, table: pa.Table | None, seconds: float) -> None:
    """Appends the seconds of a partition that this session made to the run folder's stages."""
    if table is not None:
        note_seconds(folder, "partition", seconds)
