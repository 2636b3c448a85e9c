"""Modules of the user's own that add records to the extensions' dictionaries when they are imported."""

import importlib
import sys
from collections.abc import Iterable
from pathlib import Path

from tiprdc_fl.errors import InputError

_IMPORTED: dict[str, None] = {}  # names, in the order of their imports


def import_plugins(names: Iterable[str]) -> None:
    """Imports modules, each once in a process.

    Raises:
        InputError: a module is not there, or something that it imports is not.
    """
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise InputError(f"plugins={name}: expected a module's name, such as my_package.protections")
        try:
            importlib.import_module(name)
            _IMPORTED[name] = None
        except ImportError as error:
            raise InputError(
                f"plugins={name}: cannot be imported ({error}); install it or add its folder to PYTHONPATH"
            ) from error


def plugin_files() -> list[Path]:
    """Python files of the plugins imported in this process; all files of a plugin that is a package."""
    files: set[Path] = set()
    for name in _IMPORTED:
        path = Path(getattr(sys.modules[name], "__file__", None) or name)
        files.update(path.parent.rglob("*.py") if path.name == "__init__.py" else [path])
    return sorted(file for file in files if file.is_file())
