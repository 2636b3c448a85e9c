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
import math
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tiprdc_fl.data.cache import cached
from tiprdc_fl.data.examples import Dataset, Examples, People, numbered, positions_of
from tiprdc_fl.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

ATTRIBUTES = ("Race", "Mentioned")

_FORMAT = 1  # of the Arrow file: raise it when a definition or a column changes
_CHUNK = 65_536  # tweets held as Python objects at a time
_CONFIDENT = 0.8  # CONF_LEVEL in the code of Elazar and Goldberg (2018)
_LINES_A_PERSON = 20  # of a cell
_CELLS = {"pos_pos": (1, 1), "pos_neg": (0, 1), "neg_pos": (1, 0), "neg_neg": (0, 0)}  # (Race, Mentioned)
_COLUMNS = "tweet id, time, user id, location, census block group, text, four posteriors"
_WANTED = (
    "a folder with twitteraae_all (the TwitterAAE page of Blodgett, Green and O'Connor offers it) or with "
    "pos_pos, pos_neg, neg_pos and neg_neg (made by Elazar and Goldberg's repository demog-text-removal)"
)
_TABLE = re.compile(r"twitteraae_\w+(\.txt)?|.*\.tsv")  # not the archives they come in
_MENTION = re.compile(r"(?<!\w)[@\uff20]\w+:?")  # both signs that Twitter takes; the colon is a retweet's
_USER = re.compile("[0-9]{1,19}")
_IDS = re.compile(r"[0-9]{1,9}(?:[ \t]+[0-9]{1,9})*")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_ROW = np.dtype([("user", "i8"), ("Race", "i1"), ("Mentioned", "i1"), ("bytes", "i4")])

Tweet = tuple[int, int, int, bytes]  # user, Race, Mentioned, text in UTF-8


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
    files = _find_files(root)
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
    )


def _find_files(root: Path | None) -> list[Path]:
    """The table's files; or the four cells, with ``vocab`` after them if it is there."""
    if root is None:
        raise InputError(f"data.name=dial needs data.root=PATH: {_WANTED}")
    if not root.is_dir():
        raise InputError(f"data.root={root} is not a folder; data.name=dial needs {_WANTED}")
    present = {file.name: file for file in sorted(root.resolve().iterdir()) if file.is_file()}
    tables = [file for name, file in present.items() if _TABLE.fullmatch(name)]
    cells = [present[name] for name in _CELLS if name in present]
    if bool(tables) == bool(cells):
        state = "both a table and cells" if tables else "neither a table nor cells"
        raise InputError(f"data.root={root} holds {state} of DIAL; give {_WANTED}")
    if tables:  # the other files of Blodgett et al. are parts of the first
        whole = [present[name] for name in ("twitteraae_all", "twitteraae_limited") if name in present]
        return whole[:1] or tables
    if missing := [name for name in _CELLS if name not in present]:
        raise InputError(f"data.root={root} holds no {' and no '.join(missing)}; give {_WANTED}")
    return [*cells, present["vocab"]] if "vocab" in present else cells


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a file with their numbers from 1, without line ends and byte order mark."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = f"the byte 0x{line[error.start]:02x} is not UTF-8"
                raise InputError(f"{path}, line {number}: {byte}; save the file as UTF-8") from None
            yield number, text.rstrip("\r\n")


def _table(files: list[Path]) -> Iterator[Tweet]:
    """Tweets of a table; there is no quoting, and a surplus tab belongs to the text."""
    for path in files:
        for number, line in _lines(path):
            if not line.strip():
                continue
            first, *posteriors = line.rsplit("\t", 4)
            fields = first.split("\t", 5)
            if len(fields) + len(posteriors) < 10:
                raise InputError(
                    f"{path}, line {number}: {line.count(chr(9)) + 1} columns instead of 10 ({_COLUMNS}); "
                    f"restore this line from the original file"
                )
            african, _, _, white = (_posterior(text, path, number) for text in posteriors)
            user = _user(fields[2], path, number)
            if african > _CONFIDENT or white > _CONFIDENT:
                mentioned, text = _without_mentions(fields[5])
                if text:
                    yield user, int(african > _CONFIDENT), mentioned, text.encode()


def _posterior(text: str, path: Path, line: int) -> float:
    """A posterior, or nan; a little over 1 is allowed, as averages of rounded numbers are."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if math.isnan(value) or 0 <= value <= 1.001:
        return value
    raise InputError(
        f"{path}, line {line}: the posterior {text[:40]!r} is not a number from 0 to 1; "
        f"restore this line from the original file ({_COLUMNS})"
    )


def _user(text: str, path: Path, line: int) -> int:
    """A user id, a 63-bit number as Twitter's are."""
    if _USER.fullmatch(text) and int(text) < 2**63:
        return int(text)
    raise InputError(
        f"{path}, line {line}: the user id {text[:40]!r} is not a whole number below 2^63; "
        f"restore this line from the original file ({_COLUMNS})"
    )


def _cells(files: list[Path]) -> Iterator[Tweet]:
    """Tweets of the four cells, in runs of consecutive ones that stand for people."""
    words = [word for _, word in _lines(files[4])] if len(files) > 4 else None
    person = 0
    for path in files[:4]:
        race, mentioned = _CELLS[path.name]
        kept = 0
        for number, line in _lines(path):
            _, text = _without_mentions(_spell(line, words, path, number))
            if text:
                yield person + kept // _LINES_A_PERSON, race, mentioned, text.encode()
                kept += 1
        person += math.ceil(kept / _LINES_A_PERSON)


def _spell(line: str, words: list[str] | None, path: Path, number: int) -> str:
    """The text of a line, which may be the numbers of its words."""
    if not _IDS.fullmatch(line.strip()):
        return line
    ids = [int(word) for word in line.split()]
    if words is None:
        if number == 1 and len(ids) > 1:  # further on, "7 11" may be what somebody wrote
            raise InputError(
                f"{path}, line 1: numbers of words, but {path.parent} has no vocab; add that file"
            )
        return line
    if max(ids) >= len(words):
        raise InputError(
            f"{path}, line {number}: there is no word {max(ids)} among the {len(words)} of vocab; "
            f"give the vocab that was made with this file"
        )
    return " ".join(words[i] for i in ids)


def _without_mentions(text: str) -> tuple[int, str]:
    """Whether a text mentions somebody (0 or 1), and the text without that."""
    if "\\u" in text:
        text = _ESCAPED.sub(_unescape, text)
    rest, count = _MENTION.subn(" ", text)
    return int(count > 0), " ".join(rest.split())


def _unescape(match: re.Match[str]) -> str:
    """Characters written as UTF-16 code units; halves of a character are dropped."""
    units = bytes.fromhex(match[0].replace("\\u", ""))
    return units.decode("utf-16-be", "ignore")


def _build(files: list[Path], path: Path) -> None:
    """Write the tweets of ``files``, ordered by person, as one batch; texts are never all in memory."""
    draft, text = path.with_suffix(".draft"), path.with_suffix(".text")  # removed with the folder they are in
    rows = _write_draft(_cells(files) if files[0].name in _CELLS else _table(files), draft)
    if not len(rows):
        raise InputError(
            f"{files[0]}: no tweet is left; posteriors of Race over {_CONFIDENT} and text are needed"
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
    picked = positions_of(people, table["person"].to_numpy(), "tweet in dial")
    return Examples(
        inputs=table["text"].take(picked).to_pylist() if with_text else None,
        attributes={name: table[name].to_numpy()[picked] for name in ATTRIBUTES},
        people=table["person"].to_numpy()[picked],
        rows=table["row"].to_numpy()[picked],
        raw_bytes=table["bytes"].to_numpy()[picked],
    )
