"""Files are written whole or not at all; what the disk refuses becomes one line that names path and fix."""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tiprdc_fl.errors import InputError

_FIXES: dict[type[OSError], str] = {
    PermissionError: "give the account that runs this the permission to read it",
    FileNotFoundError: "restore this file",
}


def unreadable(path: Path, error: OSError) -> InputError:
    """The error for a file or folder that the operating system does not let us read, to be raised.

    Args:
        path: what was to be read.
        error: what came of it.
    """
    fix = _FIXES.get(type(error), "check this path and its disk")
    return InputError(f"{path} cannot be read: {error.strerror or error}; {fix}")


@contextlib.contextmanager
def reading_input(path: Path) -> Iterator[None]:
    """A block that reads ``path``, a file or a folder, and nothing else.

    Raises:
        InputError: instead of any OSError in the block.
    """
    try:
        yield
    except OSError as error:
        raise unreadable(path, error) from error


def read_bytes(path: Path) -> bytes:
    """The content of a file; raises InputError if it cannot be read."""
    with reading_input(path):
        return path.read_bytes()


def is_file(path: Path) -> bool:
    """Whether ``path`` is a file; raises InputError if its folder may not be looked into."""
    with reading_input(path):
        return path.is_file()


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder; raises InputError if its parent may not be looked into."""
    with reading_input(path):
        return path.is_dir()


def write_json(path: Path, value: Any) -> None:
    """Writes JSON, whole or not at all.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all; the same errors."""
    write_whole(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file, whole or not at all; the same errors."""
    write_whole(path, lambda draft: draft.write_bytes(data))


def write_copy(source: Path, target: Path) -> None:
    """Copies a file, whole or not at all; the same errors."""
    write_whole(target, lambda draft: shutil.copyfile(source, draft))


FULL = {27, 28, 122}  # EFBIG, ENOSPC, EDQUOT; by number, because Lance names them in its text
FORBIDDEN = {1, 13, 30}  # EPERM, EACCES, EROFS


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """A block that reads ``path``: what goes wrong in it becomes an InputError that names path and fix."""
    with _in_words(path, _unreadable):
        yield


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes ``path``: what goes wrong in it becomes an InputError that names path and fix."""
    with _in_words(path, _unwritable):
        yield


@contextmanager
def _in_words(path: Path, words: Callable[[Path, BaseException], str]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # Lance raises whichever of these; a panic of its Rust code is not even an Exception.
        known = isinstance(error, (OSError, ValueError, RuntimeError, KeyError, TypeError, pa.ArrowException))
        if not known and type(error).__name__ != "PanicException":
            raise
        raise InputError(words(path, error)) from error


def _unreadable(path: Path, error: BaseException) -> str:
    if _number(error) in FORBIDDEN:
        return f"{path}: cannot be read, permission is missing ({_reason(error)}); allow it to be read"
    return (
        f"{path}: cannot be read, it is damaged or was changed meanwhile ({_reason(error)}); try again, else "
        "restore it from a copy, or delete it and run the same command with run_dir=... to collect anew"
    )


def _unwritable(path: Path, error: BaseException) -> str:
    if _number(error) in FULL:
        fix = "free space on the disk or raise the limit on file sizes"
    elif _number(error) in FORBIDDEN:
        fix = "allow writing there"
    else:
        fix = "see that the folder exists, is whole and can be written"
    return (
        f"{path}: cannot be written ({_reason(error)}); {fix}, then run the same command again: what was "
        "committed before is kept"
    )


def _number(error: BaseException) -> int | None:
    """The operating system's number of an error, which Lance has in its text only."""
    number = re.search(r"os error (\d+)", str(error))
    return int(number[1]) if number else getattr(error, "errno", None)


def _reason(error: BaseException) -> str:
    """One short line of an error, without the places in Lance's sources that it ends in."""
    line = " ".join(str(error).split()) or type(error).__name__
    return re.sub(r",? /\S+\.rs:\d+.*", "", line)[:200]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """A block that no other process or thread is in at the same time, for the same folder.

    The operating system takes the lock away from a process that ends, however it ends.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def draft_of(path: Path) -> Path:
    """Where a file is written before it takes the place of ``path``; a process that was killed leaves it there."""
    return path.with_suffix(".partial")


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Writes a file, whole or not at all: ``write`` makes a draft beside it, which takes its place.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    draft = draft_of(path)
    with writing(path):
        try:
            write(draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """JSON lines, whole or not at all."""
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def write_table(path: Path, table: pa.Table) -> None:
    """A Parquet file, whole or not at all."""
    write_whole(path, lambda draft: pq.write_table(table, draft))
