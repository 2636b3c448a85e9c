"""Modules of the user's own that add records to the extensions' dictionaries when they are imported."""

import importlib
from collections.abc import Iterable

from tiprdc_fl.errors import InputError


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
        except ImportError as error:
            raise InputError(
                f"plugins={name}: cannot be imported ({error}); install it or add its folder to PYTHONPATH"
            ) from error
