"""The types every dataset returns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from tiprdc_fl.errors import InputError

People = Sequence[int] | np.ndarray


@dataclass(frozen=True, eq=False)
class MappedImages:
    """A selection of images in a file that is mapped into memory; an index reads just what it asks for.

    So 160,000 training images of 218x178 pixels, 19 GB, need not fit into memory.

    Attributes:
        pixels: all images of the file, uint8 [n, 3, height, width], read-only.
        rows: positions in it of the selected ones, int64 [k].
    """

    pixels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        """Number of selected images."""
        return len(self.rows)

    def __getitem__(self, index: slice | np.ndarray | torch.Tensor) -> torch.Tensor:
        """A copy in memory of the images at ``index`` of the selection, uint8 [m, 3, height, width].

        Args:
            index: a slice, positions (integers [m]) or a mask (bool [k]).
        """
        chosen = index.numpy(force=True) if isinstance(index, torch.Tensor) else index
        return torch.from_numpy(self.pixels[self.rows[chosen]])

    def take(self, rows: np.ndarray) -> "MappedImages":
        """The images at ``rows`` (positions or a mask) of this selection; reads nothing."""
        return MappedImages(self.pixels, self.rows[rows])


Inputs = torch.Tensor | MappedImages | list[str]


@dataclass(frozen=True)
class Examples:
    """Examples of one or more people, ordered as the people were asked for and by row within a person.

    Attributes:
        inputs: images, uint8 [n, 3, height, width], in memory or mapped from a file; or messages, a list of n
            strings; None when only the attributes were asked for.
        attributes: attribute name -> label, int8 [n].
        people: whose example it is, int64 [n].
        rows: the example's number among the person's own, int32 [n], counted from 0.
        raw_bytes: size of the raw example, int64 [n]: 3 * height * width for an image (uint8 pixels at the
            size the extractor sees), UTF-8 bytes for a message.
    """

    inputs: Inputs | None
    attributes: dict[str, np.ndarray]
    people: np.ndarray
    rows: np.ndarray
    raw_bytes: np.ndarray

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.people)

    @property
    def loaded(self) -> Inputs:
        """The inputs, of examples that were loaded with them."""
        if self.inputs is None:
            raise TypeError("these examples were loaded by Dataset.labels, without inputs; use Dataset.load")
        return self.inputs


def numbered(people: np.ndarray) -> np.ndarray:
    """Each example's number among its person's own, int32 [n] from 0; ``people`` is ascending."""
    return (np.arange(len(people)) - np.searchsorted(people, people)).astype(np.int32)


def positions_of(people: People, column: np.ndarray, examples: str) -> np.ndarray:
    """Positions of all examples of ``people``, in the order of ``people``.

    Args:
        people: ids that are wanted.
        column: whose each example is, int64 [n], ascending.
        examples: what they are and where, such as "message in chitchat", for the error.

    Raises:
        InputError: somebody has none.
    """
    starts = np.searchsorted(column, people, side="left").tolist()
    stops = np.searchsorted(column, people, side="right").tolist()
    for person, start, stop in zip(people, starts, stops, strict=True):
        if start == stop:
            raise InputError(f"person {person} has no {examples}; ask for one of its people")
    return np.concatenate([np.arange(0), *map(np.arange, starts, stops)])


def select(examples: Examples, rows: np.ndarray) -> Examples:
    """The examples at a mask, bool [n], or at positions, int [m]; mapped images stay on the disk."""
    chosen = rows.nonzero()[0] if rows.dtype == bool else rows
    inputs = examples.inputs
    if isinstance(inputs, list):
        inputs = [inputs[index] for index in chosen]
    elif isinstance(inputs, MappedImages):
        inputs = inputs.take(chosen)
    elif inputs is not None:
        inputs = inputs[chosen]
    return Examples(
        inputs=inputs,
        attributes={name: labels[chosen] for name, labels in examples.attributes.items()},
        people=examples.people[chosen],
        rows=examples.rows[chosen],
        raw_bytes=examples.raw_bytes[chosen],
    )


def rows_at(people: np.ndarray, rows: np.ndarray, owners: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Positions of examples by person and row, in the order asked for, int64 [n].

    Args:
        people: whose, int64 [n]; anybody several times, in any order.
        rows: which of the person's own, int [n].
        owners: whose each example is, int64 [m], ascending.
        numbers: its number among the person's own, int [m], ascending from 0.

    Raises:
        InputError: a person has no such row.
    """
    found = np.searchsorted(owners, people) + rows
    known = (rows >= 0) & (found < len(owners))
    known[known] = (owners[found[known]] == people[known]) & (numbers[found[known]] == rows[known])
    for person, row in zip(people[~known], rows[~known], strict=True):
        raise InputError(f"person {person} has no example {row}: the data has changed, restore it")
    return found


@dataclass(frozen=True)
class Dataset:
    """People and a way to load their examples.

    Attributes:
        name: the key in DATASETS.
        modality: "image" or "text".
        people: ids of all people; a range where people are generated.
        attributes: names of the attributes every example carries.
        load: people -> their examples; a pure function, safe to call in any process.
        labels: people -> the same examples with ``inputs=None``; cheaper than ``load`` where it can be.
        test_people: ids of the people whose examples the dataset's authors set aside for testing; None where
            they did not divide the data, or did not by people.
        pick: (people [n], rows [n]) -> these examples, in this order; None where nothing is saved by not loading
            the people's other examples, see ``pick``.
        empty: ids of contributors to whom a partition dealt no example, ascending.
        refused: columns that look like attributes but are none -> why, with the place and the value.
    """

    name: str
    modality: Literal["image", "text"]
    people: People
    attributes: tuple[str, ...]
    load: Callable[[People], Examples]
    labels: Callable[[People], Examples]
    test_people: People | None = None
    pick: Callable[[np.ndarray, np.ndarray], Examples] | None = None
    empty: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    refused: Mapping[str, str] = field(default_factory=dict)


def pick(dataset: Dataset, people: np.ndarray, rows: np.ndarray) -> Examples:
    """Examples by person and row, in this order.

    Args:
        dataset: theirs.
        people: whose, int64 [n]; anybody several times, in any order.
        rows: which of the person's own, int [n].

    Raises:
        InputError: a person has no such row.
    """
    if dataset.pick is not None:
        return dataset.pick(people, rows)
    found = dataset.load(np.unique(people))
    return select(found, rows_at(people, rows, found.people, found.rows))


def check_attribute_names(path: Path, line: int, names: Sequence[str]) -> None:
    """Raises InputError if a header names an attribute twice: one of the two would be lost.

    Args:
        path: the file.
        line: the header's line, counted from 1.
        names: the attributes it names.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"{path}, line {line}: two columns are named {name!r}; rename one, or remove one with its values"
            )
        seen.add(name)
