"""Decoded data that is kept between runs, in the user's cache folder.

An entry is built once, in a temporary folder beside it, and gets its name by one atomic rename, so that a named
entry is always complete. The project never changes or removes an entry. Deleting the folder is always safe.
"""

import contextlib
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tiprdc_fl.errors import InputError

try:
    import fcntl
except (
    ImportError
):  # not a POSIX system: two processes may build an entry, which the atomic rename keeps whole
    fcntl = None

_FIX = "set XDG_CACHE_HOME to a writable folder with enough space"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def cache_folder() -> Path:
    """``tiprdc_fl`` in $XDG_CACHE_HOME, else in ~/.cache.

    A relative $XDG_CACHE_HOME is ignored, as the XDG base directory specification requires, because processes with
    different working folders would not find one another's entries.

    Raises:
        InputError: $XDG_CACHE_HOME is not set and the user has no home folder.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "tiprdc_fl"
    try:
        return Path.home() / ".cache" / "tiprdc_fl"
    except RuntimeError as error:
        raise InputError(f"there is no folder for the cache of decoded data: {error}; {_FIX}") from None


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Returns the path of the entry ``key``, and builds the entry if it is missing.

    Several processes may call it at the same time. One builds, and the others wait for its lock, which the
    operating system releases if the process dies. If ``build`` fails, nothing is kept. If the process is killed, a
    temporary folder remains, which the next build of the entry removes.

    Args:
        key: a file name that changes whenever the content would (sources, parameters, format version).
        build: writes a file or a folder at the path that it receives, which does not exist yet.

    Returns:
        Path of the entry, which must not be changed.

    Raises:
        InputError: the cache folder cannot be written or is full. Errors of ``build`` are passed on.
    """
    folder = cache_folder()
    path = folder / key
    try:
        if path.exists():  # needs neither a lock nor write permission
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f".lock~{key}"):
            if not path.exists():
                _remove_leftovers(folder, key)
                _build(path, build)
    except OSError as error:
        if _concerns_cache(error, folder):
            raise InputError(f"cannot use the cache folder {folder}: {error}; {_FIX}") from error
        raise
    return path


def _concerns_cache(error: OSError, folder: Path) -> bool:
    """Whether an error concerns the cache folder, and not a source that ``build`` reads."""
    if error.errno in _FULL:
        return True
    touched = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    return touched is not None and (touched.is_relative_to(folder) or folder.is_relative_to(touched))


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file ``path``, among threads and among processes."""
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(folder: Path, key: str) -> None:
    """Removes temporary folders of killed builds of ``key``; the caller holds its lock."""
    if fcntl is None:
        return
    for leftover in folder.glob(f".{glob.escape(key)}~*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _build(path: Path, build: Callable[[Path], None]) -> None:
    """Builds in a temporary folder beside ``path``, and renames the result to ``path``."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}~", dir=path.parent) as temporary:
        draft = Path(temporary) / path.name
        build(draft)
        _flush(draft)
        # A folder cannot replace a folder; without locks another process may have finished first.
        if not path.exists():
            draft.replace(path)


def _flush(path: Path) -> None:
    """Flushes the content to disk, so that after a power failure no named entry is incomplete."""
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        with file.open("r+b") as opened:
            os.fsync(opened.fileno())
