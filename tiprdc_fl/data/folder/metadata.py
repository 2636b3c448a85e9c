"""The metadata of a user's own folder: a table in one of three formats, and whose its examples are."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tiprdc_fl.disk import is_file, is_folder, read_bytes
from tiprdc_fl.errors import InputError

WANTED = (
    "a folder with metadata.csv, metadata.jsonl or metadata.parquet: a column file_name (images) or text "
    "(messages), a column that names the contributor, and columns of labels"
)
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # written in the one way that tells it from any other


@dataclass(frozen=True, eq=False)
class Metadata:
    """A table as it is in its file.

    Attributes:
        path: the file.
        columns: name -> values, None where there is none; each n of them.
        unit: what ``numbers`` count, "line" or "row".
        numbers: where each row is in the file, counted from 1, n of them.
    """

    path: Path
    columns: dict[str, list[Any]]
    unit: str
    numbers: list[int]

    def place(self, row: int) -> str:
        """Where the row at position ``row`` is, for an error."""
        return f"{self.path}, {self.unit} {self.numbers[row]}"


def read_metadata(root: Path | None) -> Metadata:
    """The one metadata file of a folder.

    Raises:
        InputError: there is no or more than one such file, it has no rows, or is not in its format.
    """
    if root is None:
        raise InputError(f"data.name=folder needs data.root=PATH: {WANTED}")
    if not is_folder(root):
        raise InputError(f"data.root={root} is not a folder; data.name=folder needs {WANTED}")
    found = [name for name in _READERS if is_file(root / name)]
    if not found:
        raise InputError(f"data.root={root} holds no metadata; data.name=folder needs {WANTED}")
    if len(found) > 1:
        raise InputError(f"data.root={root} holds {' and '.join(found)}; keep the one that is meant")
    metadata = _READERS[found[0]](root.resolve() / found[0])
    if not metadata.numbers:
        raise InputError(f"{metadata.path} has no rows; give one for every image or message")
    return metadata


def _read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = f"the byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise InputError(f"{path}, line {line}: {byte}; save the file as UTF-8") from None


def _read_csv(path: Path) -> Metadata:
    """Values are text; an empty one is none. A row may go over several lines within quotes."""
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    records: list[list[str]] = []
    numbers: list[int] = []
    line = 1
    try:
        for record in reader:
            if record:  # not an empty line
                records.append(record)
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}: the row from line {line} to {reader.line_num} is no CSV ({error}); "
            f"close every double quote, and write a quote within a value twice"
        ) from None
    names = _check_names(path, [name.strip() for name in records[0]] if records else [])
    for record, number in zip(records, numbers, strict=True):
        if len(record) != len(names):
            raise InputError(
                f"{path}, line {number}: {len(record)} columns instead of {len(names)}; "
                f"put values with commas in double quotes"
            )
    values = [[value or None for value in column] for column in zip(*records[1:], strict=True)]
    columns = dict(zip(names, values or [[] for _ in names], strict=True))
    return Metadata(path, columns, "line", numbers[1:])


def _read_jsonl(path: Path) -> Metadata:
    """An object a line; a name that a line lacks has no value there."""
    objects: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(_read_text(path).split("\n"), 1):
        if line.strip():
            objects.append(_object(line, path, number))
            numbers.append(number)
    names = dict.fromkeys(name for item in objects for name in item)
    return Metadata(path, {name: [item.get(name) for item in objects] for name in names}, "line", numbers)


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_constant=lambda word: None if word == "NaN" else float(word))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number}: no JSON ({error}); write one object a line") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}, line {number}: {line[:40]!r} is no JSON object; write one object a line")
    return found


def _read_parquet(path: Path) -> Metadata:
    import pyarrow as pa  # takes a moment: only for those who use this format
    import pyarrow.parquet as pq

    try:
        content = pa.BufferReader(read_bytes(path))
        with pq.ParquetFile(content) as file:  # read_table would take folders named a=b for columns
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not a readable Parquet file: {reason}; write it again") from None
    names = _check_names(path, table.column_names)
    columns = {name: table[name].to_pylist() for name in names}
    return Metadata(path, columns, "row", list(range(1, table.num_rows + 1)))


def _check_names(path: Path, names: list[str]) -> list[str]:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InputError(f"{path} has two columns {twice[0]!r}; rename one")
    return names


_READERS: dict[str, Callable[[Path], Metadata]] = {
    "metadata.csv": _read_csv,
    "metadata.jsonl": _read_jsonl,
    "metadata.parquet": _read_parquet,
}


def number_people(metadata: Metadata, column: str) -> np.ndarray:
    """Ids of the contributors that ``column`` names, int64 [n]: positions among the sorted different names.

    Names are integers, sorted as such, if every one is written as an integer is; else text.

    Raises:
        InputError: a name is missing or is neither text nor an integer.
    """
    names = [str(value).strip() for value in metadata.columns[column]]
    for row, (value, name) in enumerate(zip(metadata.columns[column], names, strict=True)):
        if value is None or not name:
            raise InputError(f"{metadata.place(row)}: no contributor in the column {column!r}; fill it in")
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise InputError(
                f"{metadata.place(row)}: the contributor {name[:40]!r} in the column {column!r} is neither text "
                f"nor an integer; write it as one of the two"
            )
    integers = all(_NUMBER.fullmatch(name) for name in set(names))
    ids = {name: i for i, name in enumerate(sorted(set(names), key=int if integers else None))}
    return np.array([ids[name] for name in names], np.int64)
