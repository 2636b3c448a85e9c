"""Chit Chat Challenge: chat messages of students, from the PyPI package chitchat-dataset 0.9.0 (MIT licence).

The package holds 258,145 messages of 1,315 people as JSON. Their conversion to examples takes seconds, so it is
done once and kept as an Arrow file that every process maps into memory.
"""

import functools
import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tiprdc_fl.data.cache import cached
from tiprdc_fl.data.examples import Dataset, Examples, People, numbered, positions_of, rows_at
from tiprdc_fl.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

ATTRIBUTES = ("Ends_With_Punctuation", "Question")

_FORMAT = 1  # version of the Arrow file; raise it when a definition or a column changes
_QUESTION = re.compile(r"\?[?.!…\s]*$")
_HABIT = 0.5  # share of messages with a final mark from which a person has the trait


def chitchat(root: Path | None, image_size: tuple[int, int], seed: int) -> Dataset:
    """Messages of 1,315 people with one private trait and one task.

    People are numbered 0..1314 by their sorted sender ids, and a person's messages are ordered by time. Half of the
    people have at most 17 messages, and one has more than 25,000.

    Attributes:
        Ends_With_Punctuation: 1 if the author ends at least half of the messages with one of ``. ! ? …``. It is a
            trait of the person and equal in all of the person's messages; meant as the private attribute. The
            threshold is close to the median person's share, 0.51. 54 % of the people have the trait, and they write
            30 % of the messages.
        Question: 1 if the message ends with a question mark, after which ``? ! . …`` may follow ("what?!"); meant
            as
            the task. 15 % of the messages.

    The text is the message without surrounding white space and without the marks that make it a question (from the
    first question mark of its end on), so that the task has to be solved from the words. Other final punctuation
    stays, because it is part of the writing from which an adversary infers the trait. A single message reveals the
    trait in part. Linear probes on words and punctuation (1- and 2-grams, disjoint people) reach a balanced
    accuracy of 0.72 for the trait and 0.89 for the question, and the rule "has a final mark" reaches 0.73 for the
    trait. Without any final marks, the trait falls to 0.60 and the question to 0.88. All messages of a person
    reveal far more than one.

    Messages without remaining text are left out: 348 of the package's 258,145 (315 are question marks only, 33 are
    empty). 257,797 remain, at least one for each of the 1,315 people, and ``row`` counts these.

    Args:
        root: not used; every dataset takes the same arguments.
        image_size: not used.
        seed: not used.

    Raises:
        InputError: the package is not installed.
    """
    table = _open()
    return Dataset(
        name="chitchat",
        modality="text",
        people=np.unique(table["person"].to_numpy()),
        attributes=ATTRIBUTES,
        load=functools.partial(_examples, table, True),
        labels=functools.partial(_examples, table, False),
        pick=functools.partial(_picked, table),
    )


def _open() -> "pa.Table":
    """The examples, mapped into memory; converts them if the cache lacks those of this version."""
    import pyarrow as pa  # imported here, because it takes a moment and only this dataset needs it

    source, version = _package()
    path = cached(f"chitchat-{version}-{_FORMAT}.arrow", functools.partial(_build, source))
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _package() -> tuple[Path, str]:
    """Finds the package's JSON file and version, without importing the package.

    Raises:
        InputError: the package is not installed.
    """
    try:
        version = importlib.metadata.version("chitchat-dataset")
        spec = importlib.util.find_spec("chitchat_dataset")
    except importlib.metadata.PackageNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise InputError(
            "data.name=chitchat needs the package chitchat-dataset: pip install 'tiprdc_fl[chitchat]'"
        )
    return Path(spec.origin).with_name("dataset.json"), version


def _build(source: Path, path: Path) -> None:
    """Converts the package's JSON to examples, and writes them as one uncompressed batch."""
    import pyarrow as pa

    table = pa.table(_columns(json.loads(source.read_text(encoding="utf-8"))))
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _columns(conversations: dict[str, Any]) -> dict[str, Any]:
    """Columns of the examples, ordered by person and time.

    Args:
        conversations: the package's JSON: id -> {"messages": turns}. A turn is a list of messages {"text",
            "timestamp", "sender"}.

    Returns:
        Columns of n values: person int64, row int32, text, bytes int64 (UTF-8), and both attributes int8.
    """
    messages = [m for c in conversations.values() for turn in c["messages"] for m in turn]
    # Timestamps are ISO 8601 in UTC, all of one length, so that their order as text is that in time.
    messages.sort(key=lambda m: (m["sender"], m["timestamp"]))
    sent = [m["text"].strip() for m in messages]
    _, person = np.unique([m["sender"] for m in messages], return_inverse=True)
    marked = np.array([text.endswith((".", "!", "?", "…")) for text in sent], bool)
    habit = np.bincount(person, marked) >= _HABIT * np.bincount(person)
    text = [_QUESTION.sub("", t).rstrip() for t in sent]
    kept = np.flatnonzero([bool(t) for t in text])
    person = person[kept]
    return {
        "person": person.astype(np.int64),
        "row": numbered(person),
        "text": [text[i] for i in kept],
        "bytes": np.array([len(text[i].encode()) for i in kept], np.int64),
        "Ends_With_Punctuation": habit[person].astype(np.int8),
        "Question": np.array([bool(_QUESTION.search(sent[i])) for i in kept], np.int8),
    }


def _examples(table: "pa.Table", with_text: bool, people: People) -> Examples:
    """Examples of ``people``, in their order; without inputs if ``with_text`` is false."""
    return _at(table, with_text, positions_of(people, table["person"].to_numpy(), "message in chitchat"))


def _picked(table: "pa.Table", people: np.ndarray, rows: np.ndarray) -> Examples:
    """Examples at row ``rows[i]`` of person ``people[i]``."""
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
