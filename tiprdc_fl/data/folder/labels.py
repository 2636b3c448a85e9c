"""What the columns of a folder's metadata mean: labels, or why they hold none."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiprdc_fl.data.folder.metadata import Metadata
from tiprdc_fl.errors import InputError

MOST_CLASSES = 100

_MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "NULL"}  # what spreadsheets, R and pandas write
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
_FRACTION = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_NAMES = {bool: "truth value", int: "whole number", float: "fraction", str: "text"}


@dataclass(frozen=True)
class _Misfit:
    """Why a column holds no labels.

    Attributes:
        index: position of the value that shows it, among the values that are there.
        reason: what is said after the value, with the fix.
    """

    index: int
    reason: str


def read_labels(metadata: Metadata, column: str) -> np.ndarray | str:
    """The labels in a column, int8 [n]; or, if it holds something else, what and where.

    Labels are truth values (true is 1); the integers -1, 0 and 1 (1 is 1, others are 0); integers from 0 to 99
    or at most 100 different texts (classes 0, 1, ... in sorted order). Text that looks like truth values or
    numbers is taken for these, since a CSV file has nothing else, and 1.0 for 1: pandas writes integers so
    where one is missing.

    All values are of one kind: a column that mixes them holds no labels.

    Raises:
        InputError: a value is missing; so are texts such as NA, as other programs write.
    """
    values = [_plain(value) for value in metadata.columns[column]]
    filled = [row for row, value in enumerate(values) if value is not None]
    if not filled:
        return "every value is missing"
    classes = _classes([values[row] for row in filled])
    if isinstance(classes, _Misfit):
        row = filled[classes.index]
        place = f"{metadata.path.name} {metadata.unit} {metadata.numbers[row]}"
        return f"{place} is {_short(metadata.columns[column][row])}{classes.reason}"
    if None in values:
        raise InputError(
            f"{metadata.place(values.index(None))}: no value in the column {column!r}; "
            f"fill it in, or remove the row or the column"
        )
    return np.array([classes[value] for value in values], np.int8)


def _short(value: Any, most: int = 40) -> str:
    """A value as it is shown in an error."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= most else text[:most] + "...")


def _plain(value: Any) -> Any:
    """A value without surrounding white space or ".0"; None for what stands for none."""
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    if not isinstance(value, str):
        return value
    return None if value.strip() in _MISSING else value.strip()


def _classes(values: list[Any]) -> dict[Any, int] | _Misfit:
    """The class of every different value, of which there is one at least; or why there are none."""
    texts = all(isinstance(value, str) for value in values)
    kinds = [_kind_of_text(value) if texts else _kind(value) for value in values]
    for index, kind in enumerate(kinds):
        if kind not in _CLASSES:
            return _Misfit(index, f", a {kind}; labels are truth values, whole numbers or text")
        if kind != kinds[0]:
            return _Misfit(index, f", a {kind}, while the first is a {kinds[0]}; write all in one way")
    return _CLASSES[kinds[0]](values)


def _kind(value: Any) -> str:
    """What a value of a file with types is."""
    return _NAMES.get(type(value), type(value).__name__)


def _kind_of_text(word: str) -> str:
    """What a text stands for in a column of texts, such as every column of a CSV file."""
    if word.lower() in ("true", "false"):
        return "truth value"
    if _INTEGER.fullmatch(word):
        return "whole number"
    return "fraction" if _FRACTION.fullmatch(word) else "text"


def _classes_of_truth_values(values: list[Any]) -> dict[Any, int]:
    return {value: int(str(value).lower() == "true") for value in values}


def _classes_of_integers(values: list[Any]) -> dict[Any, int] | _Misfit:
    numbers = {value: int(float(value)) for value in values}
    if set(numbers.values()) <= {-1, 0, 1}:
        return {value: int(number > 0) for value, number in numbers.items()}
    for value, number in numbers.items():
        if not 0 <= number < MOST_CLASSES:
            return _Misfit(values.index(value), f", which is not from 0 to {MOST_CLASSES - 1}")
    places = {number: place for place, number in enumerate(sorted(set(numbers.values())))}
    return {value: places[number] for value, number in numbers.items()}


def _classes_of_words(words: list[str]) -> dict[Any, int] | _Misfit:
    different = list(dict.fromkeys(words))
    if len(different) > MOST_CLASSES:
        surplus = words.index(different[MOST_CLASSES])
        return _Misfit(surplus, f", one text more than the {MOST_CLASSES} different ones that can be labels")
    return {word: place for place, word in enumerate(sorted(different))}


_CLASSES: dict[str, Callable[[list[Any]], dict[Any, int] | _Misfit]] = {
    "truth value": _classes_of_truth_values,
    "whole number": _classes_of_integers,
    "text": _classes_of_words,
}
