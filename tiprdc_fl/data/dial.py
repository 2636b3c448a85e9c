"""DIAL: tweets with the demographic posteriors of Blodgett et al. (2016), as a table or as four cells.

The table: ``twitteraae_all``, else ``twitteraae_limited``, else all other ``twitteraae_*`` and ``*.tsv`` files of
the folder. A line is a tweet, with ten columns separated by tabs: tweet id, time, user id, location, census block
group, text, and the posteriors of African-American, Hispanic, Other and White.

The cells: ``pos_pos``, ``pos_neg``, ``neg_pos`` and ``neg_neg``, the task mention_race of Elazar and Goldberg
(2018). A line is the text of a tweet, or, if a file ``vocab`` lists a word on each line, the numbers of its words,
from 0.

Tweets are read once, in pieces, into an Arrow file that every process maps into memory. A million take 10 to 15
seconds.
"""

import functools
import hashlib
import itertools
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiprdc_fl.data.cache import cached
from tiprdc_fl.data.dial_files import CELLS, CONFIDENT, Tweet, find_files, read_cells, read_table
from tiprdc_fl.data.examples import Dataset, Examples, People, numbered, positions_of, rows_at
from tiprdc_fl.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

ATTRIBUTES = ("Race", "Mentioned")

_FORMAT = 1  # version of the Arrow file; raise it when a definition or a column changes
_CHUNK = 65_536  # tweets that are Python objects at a time
_ROW = np.dtype([("user", "i8"), ("Race", "i1"), ("Mentioned", "i1"), ("bytes", "i4")])


def dial(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    r"""Tweets with one private attribute and one task.

    Attributes:
        Race: 1 if the posterior of African-American is over 0.8, 0 if that of White is. Other tweets are left out,
            as
            Elazar and Goldberg do. It is the thresholded posterior of a model, inferred from words and from the
            user's location. No person was asked, so an adversary that predicts it predicts that model.
        Mentioned: 1 if the text had an @mention. Mentions are removed from the text, with a colon after them. White
            space becomes single spaces, so that no gap reveals a mention. Tweets without remaining text are left
            out.

    In the table a person is a user. People are numbered in the order of their user ids, and a person's tweets are
    in the order of the files. Quotes stay in a text, tabs become spaces, and characters written as ``\ud83d\ude02``
    are decoded. A posterior may be "nan", which is not over 0.8.

    The cells do not state the authors, so this form has no real people. Every 20 consecutive tweets of a cell stand
    for a person. All tweets of such a person have the same Race and the same Mentioned, and figures per person
    (leakage of all of a person's tweets, re-identification, intervals over people) say nothing about real people.

    Args:
        root: folder of one of the forms above, with texts in UTF-8.
        image_size: not used; every dataset takes the same arguments.
        seed: not used.

    Raises:
        InputError: the folder has neither form, a line does not follow it, or no tweet is left.
    """
    files = find_files(root)
    stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    digest = hashlib.blake2b(repr((_FORMAT, stamps)).encode(errors="surrogateescape"), digest_size=12)
    path = cached(f"dial-{digest.hexdigest()}.arrow", functools.partial(_build, files))
    return Dataset(
        name="dial",
        modality="text",
        people=np.unique(_open(path)["person"].to_numpy()),
        attributes=ATTRIBUTES,
        load=functools.partial(_examples, path, True),
        labels=functools.partial(_examples, path, False),
        pick=functools.partial(_picked, path),
    )


def _build(files: list[Path], path: Path) -> None:
    """Writes the tweets of ``files``, ordered by person, as one batch, without having all texts in memory."""
    draft, text = (
        path.with_suffix(".draft"),
        path.with_suffix(".text"),
    )  # temporary: removed with their folder
    rows = _write_draft(read_cells(files) if files[0].name in CELLS else read_table(files), draft)
    if not len(rows):
        raise InputError(
            f"{files[0]}: no tweet is left; posteriors of Race over {CONFIDENT} and text are needed"
        )
    order = np.argsort(rows["user"], kind="stable")
    _write_ordered(draft, rows["bytes"], order, text)
    draft.unlink()
    _write_arrow(rows[order], text, path)
    text.unlink()


def _write_draft(tweets: Iterator[Tweet], draft: Path) -> np.ndarray:
    """Writes the texts end to end; returns the other fields of the tweets, _ROW [n]."""
    parts = [np.empty(0, _ROW)]
    with draft.open("wb") as file:
        while chunk := list(itertools.islice(tweets, _CHUNK)):
            file.write(b"".join([text for *_, text in chunk]))
            parts.append(np.array([(*labels, len(text)) for *labels, text in chunk], _ROW))
    return np.concatenate(parts)


def _write_ordered(draft: Path, lengths: np.ndarray, order: np.ndarray, ordered: Path) -> None:
    """Copies the texts of the draft in the given order of positions."""
    stops = np.cumsum(lengths, dtype=np.int64)
    starts = stops - lengths
    with (
        draft.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as texts,
        ordered.open("wb") as out,
    ):
        for first in range(0, len(order), _CHUNK):
            picked = order[first : first + _CHUNK]
            spans = zip(starts[picked].tolist(), stops[picked].tolist(), strict=True)
            out.write(b"".join([texts[start:stop] for start, stop in spans]))


def _write_arrow(rows: np.ndarray, texts: Path, path: Path) -> None:
    """Writes rows, which are ordered by user, with their texts, which a file holds in the same order."""
    import pyarrow as pa

    _, person = np.unique(rows["user"], return_inverse=True)
    offsets = np.concatenate(([0], np.cumsum(rows["bytes"], dtype=np.int64)))
    with pa.memory_map(str(texts)) as mapped:
        text = pa.LargeStringArray.from_buffers(len(rows), pa.py_buffer(offsets), mapped.read_buffer())
        columns = {
            "person": person.astype(np.int64),
            "row": numbered(person),
            "text": text,
            "bytes": rows["bytes"].astype(np.int64),
            **{name: np.ascontiguousarray(rows[name]) for name in ATTRIBUTES},
        }
        table = pa.table(columns)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


@functools.lru_cache(maxsize=2)  # per process
def _open(path: Path) -> "pa.Table":
    """The tweets, mapped into memory."""
    import pyarrow as pa  # imported here, because it takes a moment and only this dataset needs it

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _examples(path: Path, with_text: bool, people: People) -> Examples:
    """Examples of ``people``, in their order; without inputs if ``with_text`` is false."""
    table = _open(path)
    return _at(table, with_text, positions_of(people, table["person"].to_numpy(), "tweet in dial"))


def _picked(path: Path, people: np.ndarray, rows: np.ndarray) -> Examples:
    """Examples at row ``rows[i]`` of person ``people[i]``."""
    table = _open(path)
    positions = rows_at(people, rows, table["person"].to_numpy(), table["row"].to_numpy())
    return _at(table, True, positions)


def _at(table: "pa.Table", with_text: bool, picked: np.ndarray) -> Examples:
    """Examples at the positions ``picked`` of the table."""
    return Examples(
        inputs=table["text"].take(picked).to_pylist() if with_text else None,
        attributes={name: table[name].to_numpy()[picked] for name in ATTRIBUTES},
        people=table["person"].to_numpy()[picked],
        rows=table["row"].to_numpy()[picked],
        raw_bytes=table["bytes"].to_numpy()[picked],
    )
