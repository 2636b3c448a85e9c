"""The types of every dataset: Dataset, Examples, and images that stay on disk."""

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
    """A selection of images in a file that is mapped into memory; an index reads only the images it names.

    The 160,000 training images of 218x178 pixels (19 GB) therefore need not fit into memory.

    Attributes:
        pixels: all images of the file, uint8 [n, 3, height, width], read-only.
        rows: positions of the selected images in ``pixels``, int64 [k].
    """

    pixels: np.ndarray
    rows: np.ndarray

    def __len__(self) -> int:
        """Number of selected images."""
        return len(self.rows)

    def __getitem__(self, index: slice | np.ndarray | torch.Tensor) -> torch.Tensor:
        """Copies the images at ``index`` of the selection into memory, uint8 [m, 3, height, width].

        Args:
            index: a slice, positions (integers [m]) or a mask (bool [k]).
        """
        chosen = index.numpy(force=True) if isinstance(index, torch.Tensor) else index
        return torch.from_numpy(self.pixels[self.rows[chosen]])

    def take(self, rows: np.ndarray) -> "MappedImages":
        """Selects images of this selection by positions or a mask, without reading them."""
        return MappedImages(self.pixels, self.rows[rows])


Inputs = torch.Tensor | MappedImages | list[str]


@dataclass(frozen=True)
class Examples:
    """Examples of one or more people, in the order of the request, and by row within a person.

    Attributes:
        inputs: images, uint8 [n, 3, height, width], in memory or mapped from a file; or messages, a list of n
            strings; None if only the attributes were loaded.
        attributes: labels, int8 [n], by name of the attribute.
        people: person of each example, int64 [n].
        rows: number of each example among those of its person, int32 [n], from 0.
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
        """The inputs.

        Raises:
            TypeError: the examples were loaded without inputs.
        """
        if self.inputs is None:
            raise TypeError("these examples were loaded by Dataset.labels, without inputs; use Dataset.load")
        return self.inputs


def numbered(people: np.ndarray) -> np.ndarray:
    """Number of each example among those of its person, int32 [n] from 0; ``people``, int64 [n], is ascending."""
    return (np.arange(len(people)) - np.searchsorted(people, people)).astype(np.int32)


def positions_of(people: People, column: np.ndarray, examples: str) -> np.ndarray:
    """Positions of all examples of ``people``, in the order of ``people``.

    Args:
        people: ids of the wanted people.
        column: person of each example, int64 [n], ascending.
        examples: name of an example and its place, such as "message in chitchat", for the error.

    Raises:
        InputError: one of the people has no example.
    """
    starts = np.searchsorted(column, people, side="left").tolist()
    stops = np.searchsorted(column, people, side="right").tolist()
    for person, start, stop in zip(people, starts, stops, strict=True):
        if start == stop:
            raise InputError(f"person {person} has no {examples}; name one of its people")
    return np.concatenate([np.arange(0), *map(np.arange, starts, stops)])


def select(examples: Examples, rows: np.ndarray) -> Examples:
    """Selects examples by a mask, bool [n], or by positions, int [m]; mapped images stay on disk."""
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


def by_person(examples: Examples) -> Examples:
    """One item for each person: the most frequent label of each attribute, the sum of the raw bytes.

    Of labels that are equally frequent the smallest counts. There are no inputs: what stands for a person is for
    the caller to make. People stay in the order of the examples, and each has row 0.
    """
    people, first, owner = np.unique(examples.people, return_index=True, return_inverse=True)
    order = np.argsort(first)
    raw_bytes = np.bincount(owner, examples.raw_bytes, len(people)).astype(np.int64)
    return Examples(
        inputs=None,
        attributes={
            name: most_frequent(labels, owner, len(people))[order]
            for name, labels in examples.attributes.items()
        },
        people=people[order],
        rows=np.zeros(len(people), np.int32),
        raw_bytes=raw_bytes[order],
    )


def labels_of(examples: Examples, names: Sequence[str]) -> np.ndarray:
    """Labels of some attributes, int64 [n, names]."""
    columns = [examples.attributes[name].astype(np.int64) for name in names]
    return np.stack(columns, axis=1) if columns else np.empty((len(examples), 0), np.int64)


def most_frequent(labels: np.ndarray, owner: np.ndarray, people: int) -> np.ndarray:
    """Most frequent label of each person, [people], the smallest of several; of the type of ``labels``.

    Args:
        labels: [n].
        owner: number of each label's person, int64 [n].
        people: how many they are.
    """
    values, number = np.unique(labels, return_inverse=True)
    counts = np.bincount(owner * len(values) + number, minlength=people * len(values))
    return values[counts.reshape(people, -1).argmax(axis=1)] if len(labels) else labels[:0]


def rows_at(people: np.ndarray, rows: np.ndarray, owners: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Finds examples by person and row; returns their positions in the order of the request, int64 [n].

    Args:
        people: person of each wanted example, int64 [n]; in any order, with repetitions.
        rows: number of each wanted example among those of its person, int [n].
        owners: person of each existing example, int64 [m], ascending.
        numbers: number of each existing example among those of its person, int [m].

    Raises:
        InputError: a person has no such row.
    """
    positions = np.searchsorted(owners, people) + rows
    known = (rows >= 0) & (positions < len(owners))
    at = positions[known]
    known[known] = (owners[at] == people[known]) & (numbers[at] == rows[known])
    for person, row in zip(people[~known], rows[~known], strict=True):
        raise InputError(f"person {person} has no example {row}: the data has changed, restore it")
    return positions


@dataclass(frozen=True)
class Dataset:
    """A dataset: its people, and functions that load their examples.

    Attributes:
        name: the key in DATASETS.
        modality: "image" or "text".
        people: ids of all people; a range if people are generated.
        attributes: names of the attributes of every example.
        load: people -> their examples; a pure function that any process may call.
        labels: people -> the same examples with ``inputs=None``, which can be cheaper than ``load``.
        test_people: ids of the people whom the dataset's authors set aside for testing; None if they did not divide
            the data, or not by people.
        pick: (people [n], rows [n]) -> these examples, in this order; None if it would save nothing to skip the
            other
            examples of these people, see the function ``pick``.
        empty: ids of contributors to whom a partition gave no example, ascending.
        refused: reasons why columns of the data are not attributes, by column, each with the place and the value.
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
    """Loads examples by person and row, in the order of the request.

    Args:
        dataset: the dataset.
        people: person of each example, int64 [n]; in any order, with repetitions.
        rows: number of each example among those of its person, int [n].

    Raises:
        InputError: a person has no such row.
    """
    if dataset.pick is not None:
        return dataset.pick(people, rows)
    examples = dataset.load(np.unique(people))
    return select(examples, rows_at(people, rows, examples.people, examples.rows))


def check_attribute_names(path: Path, line: int, names: Sequence[str]) -> None:
    """Checks that a header names no attribute twice, because one of the two columns would be lost.

    Args:
        path: the file.
        line: line of the header, from 1.
        names: names of the attributes in the header.

    Raises:
        InputError: a name occurs twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"{path}, line {line}: two columns are named {name!r}; rename one, or remove one with its values"
            )
        seen.add(name)
