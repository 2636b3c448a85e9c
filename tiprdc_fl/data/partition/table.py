"""A dataset whose examples were dealt out: a contributor has those that a file says, whosever they are."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiprdc_fl.data.examples import Dataset, Examples, People, pick, rows_at, select
from tiprdc_fl.disk import reading_input
from tiprdc_fl.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("contributor", "row", "person", "person_row")
_METADATA = b"tiprdc_fl.data.partition.partitioners"
_FIX = "restore it, or delete it and run the same command: it is dealt again, the same way"


@dataclass(frozen=True, eq=False)
class Deal:
    """Which examples of whom each contributor has.

    Attributes:
        contributors: ids of all contributors, those without an example included, int64 [k], ascending.
        starts: contributor i has the examples ``starts[i]`` to ``starts[i + 1] - 1``, int64 [k + 1].
        people: whose each example is, int64 [n].
        rows: its number among that person's own, int32 [n].
        topped_up: contributors who were topped up to a minimum.
    """

    contributors: np.ndarray
    starts: np.ndarray
    people: np.ndarray
    rows: np.ndarray
    topped_up: int = 0

    @property
    def sizes(self) -> np.ndarray:
        """Examples of each contributor, int64 [k]."""
        return np.diff(self.starts)

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where ids are in ``contributors``, int64 [m], and which of them are there at all, bool [m]."""
        places = np.minimum(np.searchsorted(self.contributors, ids), len(self.contributors) - 1)
        return places, self.contributors[places] == ids


def dealt(dataset: Dataset, path: Path) -> Dataset:
    """The dataset with a contributor's examples as the file says; everybody else has their own.

    An example's ``people`` and ``rows`` are then the contributor and a number among the contributor's. The file is
    read when examples are asked for.

    Args:
        dataset: as it is.
        path: of the file, see ``read_deal``.
    """

    def load(people: People) -> Examples:
        deal = read_deal(path)
        if not deal.find(np.asarray(people, np.int64))[1].any():
            return dataset.load(people)
        return chosen(*_wanted(dataset, deal, people))

    def labels(people: People) -> Examples:
        deal = read_deal(path)
        if not deal.find(np.asarray(people, np.int64))[1].any():
            return dataset.labels(people)
        ids, rows = _wanted(dataset, deal, people)
        whose, which = _referred(deal, path, ids, rows)
        found = dataset.labels(np.unique(whose))
        examples = select(found, rows_at(whose, which, found.people, found.rows))
        return replace(examples, people=ids, rows=rows)

    def chosen(ids: np.ndarray, rows: np.ndarray) -> Examples:
        examples = pick(dataset, *_referred(read_deal(path), path, ids, rows))
        return replace(examples, people=ids, rows=rows)

    return replace(dataset, load=load, labels=labels, pick=chosen)


def deal_table(contributors: np.ndarray, owner: np.ndarray, pooled: Examples, topped_up: int) -> "pa.Table":
    """The content of the file, see ``read_deal``.

    Args:
        contributors: ids of all contributors, int64 [k].
        owner: to whom each example is dealt, positions in ``contributors``, int64 [n].
        pooled: the examples that are dealt out; a contributor's are numbered in their order.
        topped_up: contributors who were topped up to a minimum.
    """
    import pyarrow as pa

    order = np.argsort(contributors[owner], kind="stable")
    contributor = contributors[owner][order]
    row = np.arange(len(order)) - np.searchsorted(contributor, contributor)
    columns = (contributor, row.astype(np.int32), pooled.people[order], pooled.rows[order])
    empty = np.setdiff1d(contributors, contributor).tolist()
    metadata = {_METADATA: json.dumps({"empty": empty, "topped_up": topped_up})}
    return pa.table(dict(zip(COLUMNS, columns, strict=True))).replace_schema_metadata(metadata)


def _wanted(dataset: Dataset, deal: Deal, people: People) -> tuple[np.ndarray, np.ndarray]:
    """All examples of ``people``, in their order: whose, int64 [n], and which of their own, int32 [n]."""
    ids = np.asarray(people, np.int64)
    places, dealt_to = deal.find(ids)
    counts = np.where(dealt_to, deal.sizes[places], 0)
    if not dealt_to.all():
        others, position = np.unique(ids[~dealt_to], return_inverse=True)
        found = dataset.labels(others)
        counts[~dealt_to] = np.bincount(np.searchsorted(others, found.people), minlength=len(others))[
            position
        ]
    rows = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(ids, counts), rows.astype(np.int32)


def _referred(deal: Deal, path: Path, ids: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whose example each is in truth, int64 [n], and its number among that person's own, int32 [n]."""
    places, dealt_to = deal.find(ids)
    wrong = dealt_to & ((rows < 0) | (rows >= deal.sizes[places]))
    for one, row in zip(ids[wrong], rows[wrong], strict=True):
        raise InputError(f"{path}: contributor {one} has no example {row}")
    found = np.where(dealt_to, deal.starts[places] + rows, 0)
    if not len(deal.people):
        return ids, rows
    return np.where(dealt_to, deal.people[found], ids), np.where(dealt_to, deal.rows[found], rows)


def read_deal(path: Path) -> Deal:
    """What was dealt to whom; read once in a process, as long as the file stays as it is.

    The file has a line for each example, ordered by contributor and row: to whom it was dealt (``contributor``) as
    the how manieth (``row``), and which example of whom it is (``person``, ``person_row``). Contributors without an
    example are in the metadata of its schema, as "empty".

    Raises:
        InputError: the file is missing, damaged or not one of these.
    """
    with reading_input(path):
        stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, time: int, size: int) -> Deal:
    """The file as it is at a modification time and size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        columns = [table.column(name).to_numpy() for name in COLUMNS]
        return _deal_of(table.schema.metadata or {}, *columns)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{path}: is damaged or no partition ({reason}); {_FIX}") from error


def _deal_of(
    metadata: dict[bytes, bytes],
    contributor: np.ndarray,
    row: np.ndarray,
    person: np.ndarray,
    rows: np.ndarray,
) -> Deal:
    """The columns of a file as a deal; raises ValueError where they are none."""
    kinds = [column.dtype for column in (contributor, row, person, rows)]
    if kinds != [np.int64, np.int32, np.int64, np.int32]:
        raise ValueError(f"columns are of {', '.join(map(str, kinds))}")
    extra = json.loads(metadata[_METADATA])
    found, starts, counts = np.unique(contributor, return_index=True, return_counts=True)
    numbered = np.arange(len(contributor)) - np.repeat(starts, counts)
    if (np.diff(contributor) < 0).any() or not np.array_equal(row, numbered):
        raise ValueError("its lines are not in order")
    everybody = np.union1d(found, np.asarray(extra["empty"], np.int64))
    starts = np.searchsorted(contributor, np.append(everybody, np.iinfo(np.int64).max))
    return Deal(everybody, starts, person, rows, int(extra["topped_up"]))
