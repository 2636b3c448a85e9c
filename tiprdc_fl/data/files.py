"""Reading files that users give: what the operating system refuses becomes one line they can act on."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

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
def reading(path: Path) -> Iterator[None]:
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
    with reading(path):
        return path.read_bytes()


def is_file(path: Path) -> bool:
    """Whether ``path`` is a file; raises InputError if its folder may not be looked into."""
    with reading(path):
        return path.is_file()


def is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder; raises InputError if its parent may not be looked into."""
    with reading(path):
        return path.is_dir()


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
