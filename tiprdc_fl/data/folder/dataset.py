"""A user's own images or messages: a folder with a metadata file, in the layout of Hugging Face's imagefolder.

The metadata, in metadata.csv, .jsonl or .parquet, has a row an example: its file_name or text, its contributor and
its labels. Images lie anywhere in the folder.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tiprdc_fl.data.examples import Dataset, Examples, Inputs, People, numbered, positions_of
from tiprdc_fl.data.folder.inputs import read_images, read_texts
from tiprdc_fl.data.folder.labels import read_labels
from tiprdc_fl.data.folder.metadata import Metadata, number_people, read_metadata
from tiprdc_fl.data.images import ImageFiles, images_of
from tiprdc_fl.errors import InputError


@dataclass(frozen=True, eq=False)
class _Table:
    """All examples, ordered by person and, within a person, as the metadata lists them.

    Attributes:
        inputs: image files or messages, n of them.
        people: int64 [n], ascending from 0 without gaps.
        rows: the example's number among the person's own, int32 [n].
        labels: attribute -> label, int8 [n].
        raw_bytes: int64 [n].
    """

    inputs: ImageFiles | list[str]
    people: np.ndarray
    rows: np.ndarray
    labels: dict[str, np.ndarray]
    raw_bytes: np.ndarray


def folder(
    root: Path | None, image_size: tuple[int, int], seed: int, contributor: str | None = None
) -> Dataset:
    """Images or messages of a user's own, with every attribute that a column of the metadata gives.

    There are images if the metadata has a column ``file_name``, paths relative to ``root``; else messages, in a
    column ``text``. Whose an example is, is in one more column; people are numbered from 0 in the order of their
    names, and their examples are in the order of the metadata.

    Each other column is an attribute, called as the column is, if its values are labels (see ``read_labels``):
    true and false, 0 and 1, -1 and 1, integers from 0 to 99, or at most 100 different texts. Columns with
    anything else, such as fractions or descriptions, are no attributes; ``refused`` says why.

    Args:
        root: folder with metadata.csv, metadata.jsonl or metadata.parquet; the first two in UTF-8.
        image_size: (height, width). Images are cropped around their centre to this shape and then resized.
        seed: not used; every dataset takes the same arguments.
        contributor: the column that says whose an example is; None: "contributor".

    Raises:
        InputError: the metadata is missing or not as described, a value is missing in a column of labels, an image
            is missing or listed twice, or no column holds labels.
    """
    metadata = read_metadata(root)
    owner = contributor or "contributor"
    _check_owner(metadata, owner, given=contributor is not None)
    kind = _kind(metadata)
    labels, refused = _labels(metadata, {owner, kind, ""})
    people = number_people(metadata, owner)
    order = np.argsort(people, kind="stable")
    people = people[order]
    inputs, raw_bytes = (
        read_images(metadata, order, image_size) if kind == "file_name" else read_texts(metadata, order)
    )
    table = _Table(
        inputs=inputs,
        people=people,
        rows=numbered(people),
        labels={name: column[order] for name, column in labels.items()},
        raw_bytes=raw_bytes,
    )
    return Dataset(
        name="folder",
        modality="image" if kind == "file_name" else "text",
        people=np.unique(people),
        attributes=tuple(labels),
        load=functools.partial(_examples, table, True),
        labels=functools.partial(_examples, table, False),
        refused=refused,
    )


def _check_owner(metadata: Metadata, owner: str, given: bool) -> None:
    """The column that names the contributor must be there."""
    if owner in metadata.columns:
        return
    wanted = f"data.contributor={owner}" if given else "data.contributor=null"
    raise InputError(
        f"{metadata.path} has no column {owner!r}, which {wanted} asks for; "
        f"there are {_some(list(metadata.columns))}; "
        f"name the column that says whose an example is with data.contributor=COLUMN"
    )


def _kind(metadata: Metadata) -> str:
    """The column of the examples, file_name or text."""
    for name in ("file_name", "text"):
        if name in metadata.columns:
            return name
    raise InputError(
        f"{metadata.path} has neither a column file_name (paths of images) nor text (messages); "
        f"there are {_some(list(metadata.columns))}"
    )


def _some(names: Sequence[str], most: int = 10) -> str:
    """The first names, with a sign that there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _labels(metadata: Metadata, others: set[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The labels of every column that has labels, and why the others have none.

    Those of an unnamed column, as pandas writes, nobody can want.
    """
    read = {name: read_labels(metadata, name) for name in metadata.columns if name not in others}
    labels = {name: column for name, column in read.items() if isinstance(column, np.ndarray)}
    refused = {name: column for name, column in read.items() if isinstance(column, str)}
    if not labels:
        reasons = [f"{name!r}: {reason}" for name, reason in refused.items()]
        raise InputError(
            f"{metadata.path} has no column of labels ({_some(reasons, 3) or 'no further column'}); add columns "
            f"of true and false, of integers from 0 to 99 or of at most 100 different texts"
        )
    return labels, refused


def _examples(table: _Table, with_inputs: bool, people: People) -> Examples:
    """Examples of ``people``, in their order; without images or messages if only the attributes are wanted."""
    picked = positions_of(people, table.people, "example in the folder")
    return Examples(
        inputs=_inputs(table.inputs, picked) if with_inputs else None,
        attributes={name: column[picked] for name, column in table.labels.items()},
        people=table.people[picked],
        rows=table.rows[picked],
        raw_bytes=table.raw_bytes[picked],
    )


def _inputs(inputs: ImageFiles | list[str], picked: np.ndarray) -> Inputs:
    """Images or messages at positions."""
    if isinstance(inputs, ImageFiles):
        return images_of(inputs, picked)
    return [inputs[i] for i in picked.tolist()]
