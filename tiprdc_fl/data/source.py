"""Where examples come from, small enough to be sent to whoever loads them."""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from tiprdc_fl.data import DATASETS
from tiprdc_fl.data.examples import Dataset, Examples, People, pick, select
from tiprdc_fl.data.partition.shift import by_own_cameras
from tiprdc_fl.data.partition.table import dealt
from tiprdc_fl.errors import InputError


@dataclass(frozen=True)
class DataSource:
    """All that decides a dataset's examples.

    Attributes:
        name: key of DATASETS.
        root: folder of the data, for datasets that lie on disk; ~ is the home folder.
        image_size: height and width in pixels.
        seed: of generated data.
        most: examples a person keeps, the first ones; None keeps all.
        contributor: column that names the contributor, for the user's own data.
        partition: path of the file that says whose examples a contributor has, see ``dealt``; None: a person's.
        strength: how far people's cameras differ; 0: not at all.
    """

    name: str
    root: str | None
    image_size: tuple[int, int]
    seed: int
    most: int | None = None
    contributor: str | None = None
    partition: str | None = None
    strength: float = 0.0


@lru_cache(maxsize=4)
def open_dataset(source: DataSource) -> Dataset:
    """The dataset of a source; opened once in a process.

    Raises:
        InputError: as the dataset's function says, or ~ stands for nobody's home folder.
    """
    if source.partition is not None:
        return dealt(open_dataset(replace(source, partition=None)), Path(source.partition))
    if source.strength:
        return by_own_cameras(open_dataset(replace(source, strength=0.0)), source.strength, source.seed)
    return _open(source)


def _open(source: DataSource) -> Dataset:
    root = None if source.root is None else _expand(source.root)
    named = {} if source.contributor is None else {"contributor": source.contributor}
    dataset = DATASETS[source.name].open(root, source.image_size, source.seed, **named)
    if source.most is None:
        return dataset
    return capped(dataset, source.most)


def capped(dataset: Dataset, most: int) -> Dataset:
    """The dataset with the first ``most`` examples of every person; the others are not drawn where that costs."""

    def load(people: People) -> Examples:
        if dataset.pick is None:
            return first_rows(dataset.load(people), most)
        kept = labels(people)
        return dataset.pick(kept.people, kept.rows)

    def labels(people: People) -> Examples:
        return first_rows(dataset.labels(people), most)

    def chosen(people: np.ndarray, rows: np.ndarray) -> Examples:
        for person, row in zip(people[rows >= most], rows[rows >= most], strict=True):
            raise InputError(f"person {person} has no example {row}: the first {most} are kept")
        return pick(dataset, people, rows)

    return replace(dataset, load=load, labels=labels, pick=None if dataset.pick is None else chosen)


def _expand(root: str) -> Path:
    """The path with ~ replaced: a shell leaves it alone in ``data.root=~/photos``."""
    try:
        return Path(root).expanduser()
    except RuntimeError as error:
        raise InputError(f"data.root={root}: {error}; write the whole path") from None


def first_rows(examples: Examples, most: int) -> Examples:
    """The first ``most`` examples of every person."""
    return select(examples, examples.rows < most)


def hold(dataset: Dataset, examples: Examples) -> Dataset:
    """The dataset with these examples in memory: loading their people costs nothing any more."""

    def load(people: People) -> Examples:
        return select(examples, np.concatenate([np.arange(0), *map(rows_of.__getitem__, people)]))

    rows_of = defaultdict(lambda: np.arange(0), _rows_by_person(examples.people))
    return replace(dataset, load=load, pick=None)


def _rows_by_person(people: np.ndarray) -> dict[int, np.ndarray]:
    """Positions of each person's examples, in their order."""
    order = np.argsort(people, kind="stable")
    ids, starts = np.unique(people[order], return_index=True)
    return dict(zip(ids.tolist(), np.split(order, starts[1:]), strict=False))


def renumber(examples: Examples) -> Examples:
    """The examples with each person's rows numbered 0, 1, 2, ...: those of a selection have gaps."""
    _, first, count = np.unique(examples.people, return_index=True, return_counts=True)
    start = np.repeat(first[np.argsort(first)], count[np.argsort(first)])
    return replace(examples, rows=(np.arange(len(examples)) - start).astype(np.int32))
