"""The types every dataset returns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

Inputs = torch.Tensor | list[str]
People = Sequence[int] | np.ndarray


@dataclass(frozen=True)
class Examples:
    """Examples of one or more people, ordered as the people were asked for and by row within a person.

    Attributes:
        inputs: images, uint8 [n, 3, height, width]; or messages, a list of n strings; None when only the
            attributes were asked for.
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
    """

    name: str
    modality: Literal["image", "text"]
    people: People
    attributes: tuple[str, ...]
    load: Callable[[People], Examples]
    labels: Callable[[People], Examples]
