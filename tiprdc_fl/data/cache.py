"""Decoded data that is kept between runs, in the user's cache folder.

An entry is built once, into a temporary folder beside it, and appears under its name by one atomic rename:
whatever has the name is complete. Entries are never changed and never removed by the project; deleting the
folder is always safe.
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
except ImportError:  # not a POSIX system: entries may be built twice, the atomic rename keeps them whole
    fcntl = None

_FIX = "set XDG_CACHE_HOME to a folder that can be written and has room"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def cache_folder() -> Path:
    """``tiprdc_fl`` in $XDG_CACHE_HOME, else in ~/.cache.

    A relative $XDG_CACHE_HOME is ignored, as the XDG base directory specification asks: processes with
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
        raise InputError(f"no place for the cache of decoded data: {error}; {_FIX}") from None


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """The finished entry ``key``; builds it if there is none.

    Several processes may ask at the same time: one builds, the others wait for it (a lock that the operating
    system releases when its holder dies). If ``build`` fails nothing is kept; if the process is killed a
    temporary folder remains, which the next build of the same entry removes.

    Args:
        key: a file name that changes whenever the content would (sources, parameters, format version).
        build: writes a file or a folder at the path it is given, which does not exist yet.

    Returns:
        Path of the entry, to be read only.

    Raises:
        InputError: the cache folder cannot be written or is full. What ``build`` raises is passed on.
    """
    folder = cache_folder()
    path = folder / key
    try:
        if path.exists():  # needs no lock and no permission to write
            return path
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / f".lock~{key}"):
            if not path.exists():
                _remove_leftovers(folder, key)
                _build(path, build)
    except OSError as error:
        if _is_ours(error, folder):
            raise InputError(f"cannot use the cache folder {folder}: {error}; {_FIX}") from error
        raise
    return path


def _is_ours(error: OSError, folder: Path) -> bool:
    """Whether the cache folder is at fault, not a source that ``build`` reads."""
    if error.errno in _FULL:
        return True
    touched = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    return touched is not None and (touched.is_relative_to(folder) or folder.is_relative_to(touched))


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``, between threads as well as between processes."""
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_leftovers(folder: Path, key: str) -> None:
    """Remove what killed builds of ``key`` left behind; only the holder of its lock may."""
    if fcntl is None:
        return
    for leftover in folder.glob(f".{glob.escape(key)}~*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _build(path: Path, build: Callable[[Path], None]) -> None:
    """Build in a temporary sibling folder and rename the result to ``path``."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}~", dir=path.parent) as temporary:
        draft = Path(temporary) / path.name
        build(draft)
        _flush(draft)
        # A folder cannot replace a folder; without a lock another process may have been faster.
        if not path.exists():
            draft.replace(path)


def _flush(path: Path) -> None:
    """Write the content to the disk: after a power cut a name must not stand for missing bytes."""
    for file in [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]:
        with file.open("r+b") as opened:
            os.fsync(opened.fileno())
