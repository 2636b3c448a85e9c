"""DIAL: tweets with the demographic posteriors of Blodgett et al. (2016), in either form they are handed round in.

The table: ``twitteraae_all``, else ``twitteraae_limited``, else all other ``twitteraae_*`` and ``*.tsv`` files of
the folder; a tweet a line, ten columns with tabs between them: tweet id, time, user id, location, census block
group, text, and the posteriors of African-American, Hispanic, Other and White.

The cells: ``pos_pos``, ``pos_neg``, ``neg_pos`` and ``neg_neg``, the task mention_race of Elazar and Goldberg
(2018); a tweet a line, its text or, if there is a file ``vocab`` with a word a line, the words' numbers from 0.

Tweets are read once, in pieces, into an Arrow file that every process maps into memory; a million take 10 to
15 seconds.
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

_FORMAT = 1  # of the Arrow file: raise it when a definition or a column changes
_CHUNK = 65_536  # tweets held as Python objects at a time
_ROW = np.dtype([("user", "i8"), ("Race", "i1"), ("Mentioned", "i1"), ("bytes", "i4")])


def dial(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    r"""Tweets with one private attribute and one task.

    Attributes:
        Race: 1 where the posterior of African-American is over 0.8, 0 where that of White is; other tweets are left
            out, as Elazar and Goldberg do. It is a model's posterior cut at a threshold, inferred from the words
            and from where the user tweets: no person was asked. Whoever predicts it predicts that model.
        Mentioned: the text had an @mention. Mentions are taken out of the text, with the colon that may follow;
            white space becomes single spaces, so that no gap shows where one was. Tweets of which nothing remains
            are left out.

    In the table a person is a user; people are numbered in the order of their user ids, and a person's tweets
    are in the order of the files. Quotes stay in a text, tabs become spaces, and characters that are written as
    ``\ud83d\ude02`` are decoded. A posterior may be "nan", which is not over 0.8.

    The cells do not say who wrote a tweet: this form has no people. Every 20 consecutive tweets of a cell stand for
    one, so all tweets of such a person have the same Race and the same Mentioned, and what is measured per person
    (leakage of all of a person's tweets, re-identification, intervals over people) says nothing about people.

    Args:
        root: folder of one of the forms above, whose texts are UTF-8.
        image_size: not used, nor is the seed; every dataset takes the same arguments.
        seed: not used.

    Raises:
        InputError: the folder is in neither form, a line is not as described, or no tweet is left.
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
    """Write the tweets of ``files``, ordered by person, as one batch; texts are never all in memory."""
    draft, text = path.with_suffix(".draft"), path.with_suffix(".text")  # removed with the folder they are in
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
    """Write the texts one after another; returns the rest of the tweets, _ROW [n]."""
    parts = [np.empty(0, _ROW)]
    with draft.open("wb") as file:
        while chunk := list(itertools.islice(tweets, _CHUNK)):
            file.write(b"".join([text for *_, text in chunk]))
            parts.append(np.array([(*labels, len(text)) for *labels, text in chunk], _ROW))
    return np.concatenate(parts)


def _write_ordered(draft: Path, lengths: np.ndarray, order: np.ndarray, ordered: Path) -> None:
    """Write the draft's texts again, in the order of the positions ``order``."""
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
    """Write rows ordered by user, and their texts from the file that holds them in this order."""
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
    import pyarrow as pa  # takes a moment: only for those who use this dataset

    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _examples(path: Path, with_text: bool, people: People) -> Examples:
    """Examples of ``people``, in their order; without their texts if only the attributes are wanted."""
    table = _open(path)
    return _at(table, with_text, positions_of(people, table["person"].to_numpy(), "tweet in dial"))


def _picked(path: Path, people: np.ndarray, rows: np.ndarray) -> Examples:
    """Some examples: row ``rows[i]`` of person ``people[i]``."""
    table = _open(path)
    found = rows_at(people, rows, table["person"].to_numpy(), table["row"].to_numpy())
    return _at(table, True, found)


def _at(table: "pa.Table", with_text: bool, picked: np.ndarray) -> Examples:
    """Examples at positions."""
    return Examples(
        inputs=table["text"].take(picked).to_pylist() if with_text else None,
        attributes={name: table[name].to_numpy()[picked] for name in ATTRIBUTES},
        people=table["person"].to_numpy()[picked],
        rows=table["row"].to_numpy()[picked],
        raw_bytes=table["bytes"].to_numpy()[picked],
    )
