"""The command line that benchmarks share: ``--quick`` and keys of their own."""

import argparse
from collections.abc import Collection, Sequence

from tiprdc_fl.errors import InputError


def parse_keys(
    name: str,
    about: str,
    arguments: Sequence[str],
    known: Collection[str],
) -> tuple[bool, dict[str, str]]:
    """The arguments of a benchmark.

    Args:
        name: of its module in simulations.benchmarks.
        about: its help.
        arguments: the user's.
        known: names of its keys.

    Returns:
        whether --quick was given, and the given keys with their values.

    Raises:
        InputError: a key is unknown or has no value.
        SystemExit: after --help.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m simulations.benchmarks.{name}",
        usage="%(prog)s [--quick] [key=value ...]",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="a small version, in a few minutes at most")
    parser.add_argument("keys", nargs="*", help=argparse.SUPPRESS)
    parsed = parser.parse_args(arguments)
    values: dict[str, str] = {}
    for pair in parsed.keys:
        key, _, values[key] = pair.partition("=")
        if key not in known or not values[key]:
            raise InputError(f"{pair}: key=value is expected, with one of {', '.join(known)}")
    return parsed.quick, values


def names_of(text: str) -> tuple[str, ...]:
    """The names of a list such as ``[a,b]``, with or without its brackets, each once."""
    names = (name.strip() for name in text.strip().removeprefix("[").removesuffix("]").split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def number_of(key: str, text: str, low: int, high: int) -> int:
    """The integer that a key has.

    Raises:
        InputError: it is none, or not from ``low`` to ``high``.
    """
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise InputError(f"{key}={text}: an integer from {low:,} to {high:,} is expected")
    return int(text)
