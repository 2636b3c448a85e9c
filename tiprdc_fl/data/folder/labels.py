"""What the columns of a folder's metadata mean: labels, or why they hold none."""

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiprdc_fl.data.folder.metadata import Metadata
from tiprdc_fl.errors import InputError

MOST_CLASSES = 100

_MISSING = {"", "NA", "N/A", "NaN", "nan", "null", "NULL"}  # what spreadsheets, R and pandas write
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
_FRACTION = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
# With this many rows, a third class of fewer than _RARE of them is more likely a typing mistake.
_MANY = 20
_RARE = 3
_CORRECT = "correct it, or remove the row"
_NAMES = {bool: "truth value", int: "whole number", float: "fraction", str: "text"}
_LABELS = {"truth value", "whole number", "text"}


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

    What looks like a typing mistake must not become a class: other text in a column of which nine of ten values
    are truth values or numbers; or, from 20 rows on, integers of fewer than 3 rows each beside two classes that
    fill nine of ten rows.

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
    kinds = set(map(type, values))
    if kinds <= {bool, int}:
        return _classes_of_integers(values)
    if kinds == {str}:
        return _classes_of_words(values)
    return _mixed([_NAMES.get(type(value), type(value).__name__) for value in values])


def _classes_of_words(words: list[str]) -> dict[Any, int] | _Misfit:
    """Classes of text, which may be that of truth values or integers."""
    kinds = {word: _kind(word) for word in words}  # in the order in which they come
    found = set(kinds.values())
    if found == {"truth value"}:
        return {word: int(word.lower() == "true") for word in kinds}
    if found == {"whole number"}:
        numbers = {word: int(float(word)) for word in kinds}
        classes = _classes_of_integers([numbers[word] for word in words])
        if isinstance(classes, _Misfit):
            return classes
        return {word: classes[number] for word, number in numbers.items()}
    if _are_most(sum(kinds[word] != "text" for word in words), len(words)):
        return _mixed([kinds[word] for word in words])
    if len(kinds) > MOST_CLASSES:
        surplus = words.index(list(kinds)[MOST_CLASSES])
        return _Misfit(surplus, f", one text more than the {MOST_CLASSES} different ones that can be labels")
    return {word: i for i, word in enumerate(sorted(kinds))}


def _are_most(count: int, total: int) -> bool:
    """Whether nine of ten values are alike: what else there is then is a mistake, not a class."""
    return 10 * count >= 9 * total


def _kind(word: str) -> str:
    """What a text stands for."""
    if word.lower() in ("true", "false"):
        return "truth value"
    if _INTEGER.fullmatch(word):
        return "whole number"
    return "fraction" if _FRACTION.fullmatch(word) else "text"


def _mixed(kinds: list[str]) -> _Misfit:
    """Why values of these kinds are no labels: most are of a kind that never is, or some are unlike the most."""
    kind, count = Counter(kinds).most_common(1)[0]
    if kind not in _LABELS:
        return _Misfit(kinds.index(kind), f", a {kind}; labels are truth values, whole numbers or text")
    other = next(i for i, found in enumerate(kinds) if found != kind)
    return _Misfit(other, f", a {kinds[other]}, while {count} of {len(kinds)} are {kind}s; {_CORRECT}")


def _classes_of_integers(numbers: list[int]) -> dict[Any, int] | _Misfit:
    """Classes of integers; truth values are 0 and 1."""
    if set(numbers) <= {-1, 0, 1}:
        return {number: int(number > 0) for number in numbers}
    counts = Counter(numbers)
    frequent = [number for number, count in counts.items() if count >= _RARE]
    alike = sum(counts[number] for number in frequent)
    if len(numbers) >= _MANY and len(frequent) == 2 < len(counts) and _are_most(alike, len(numbers)):
        both = " or ".join(map(str, sorted(frequent)))
        rare = next(i for i, number in enumerate(numbers) if number not in frequent)
        return _Misfit(rare, f", while nearly all are {both}; {_CORRECT}")
    outside = [i for i, number in enumerate(numbers) if not 0 <= number < MOST_CLASSES]
    if outside:
        return _Misfit(outside[0], f", which is not from 0 to {MOST_CLASSES - 1}")
    return {number: i for i, number in enumerate(sorted(counts))}
