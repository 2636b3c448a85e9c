"""The command line and its help; ``load`` reads what ``key=value`` means."""

import argparse
import difflib
import shutil
import textwrap
from collections.abc import Sequence

from tiprdc_fl.config.choices import Choice, Choices, key_of, readers
from tiprdc_fl.config.keys import Key, keys, sections, show
from tiprdc_fl.config.load import nearest_pairs
from tiprdc_fl.config.values import expected


def parse_arguments(argv: Sequence[str], choices: Choices) -> argparse.Namespace:
    """The command line; options may stand anywhere among the ``key=value`` arguments.

    Args:
        argv: the arguments.
        choices: names that keys can have, for ``--help``.

    Returns:
        ``overrides``: list of ``key=value``; ``config``: file, preset or None; ``print_config``, ``full``: bool.

    Raises:
        SystemExit: after ``--help`` (0), or after one line about a wrong option (2).
    """
    parser = _parser(choices)
    try:
        arguments, unknown = parser.parse_known_intermixed_args(argv)
    except argparse.ArgumentError as error:
        parser.exit(2, f"error: {error}\n")
    if unknown:
        parser.exit(2, f"error: {_unknown_option(unknown[0], list(argv))}\n")
    return arguments


def _parser(choices: Choices) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tiprdc_fl.simulate",
        description="Simulate privacy-respecting feature collection from many contributors.",
        epilog=_epilog(shutil.get_terminal_size().columns - 2, choices),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change one key, see below")
    parser.add_argument("--config", metavar="FILE", help="YAML file, or the name of a preset in configs/")
    parser.add_argument("--print-config", action="store_true", help="print the configuration and stop")
    parser.add_argument("--full", action="store_true", help="show all figures after the run")
    return parser


def _unknown_option(option: str, argv: list[str]) -> str:
    """One line about an option that does not exist, with the ``key=value`` that was probably meant."""
    name, _, value = option.lstrip("-").partition("=")
    following = argv[argv.index(option) + 1 :] if option in argv else []
    close = difflib.get_close_matches(name, ["config", "print-config", "full", "help"], n=1, cutoff=0.7)
    if close:
        return f"unknown option {show(option)}; did you mean --{close[0]}?"
    if not value and following and not following[0].startswith("-") and "=" not in following[0]:
        value = following[0]
    pairs = nearest_pairs(name, value)
    hint = f"did you mean {pairs}?" if pairs else "keys are given as key=value, see --help"
    return f"unknown option {show(option)}; {hint}"


def _epilog(width: int, choices: Choices) -> str:
    """Every key with default and meaning, grouped by section, aligned and wrapped to ``width``."""
    rows = [(name, f"  {name}={default}", meaning) for name, default, meaning in key_help(choices)]
    column = max(len(left) for _, left, _ in rows) + 2
    if width - column < 30:  # too narrow for two columns: the meaning stands below its key
        column = 6
    lines = ["keys with their defaults:"]
    for section, title in sections().items():
        lines += ["", *textwrap.wrap(f"{section or 'top'}: {title}", width, subsequent_indent="  ")]
        for name, left, meaning in rows:
            if name.rpartition(".")[0] == section:
                room = max(width - column, 20)
                wrapped = [part for line in meaning.splitlines() for part in _wrap(line, room)]
                lines += _row(left, wrapped, column)
    return "\n".join([*lines, "", *_EXAMPLES])


def _wrap(line: str, width: int) -> list[str]:
    """A line at most ``width`` wide; what follows a name with its label is indented."""
    indent = "  " if line.startswith("- ") else ""
    return textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)


def key_help(choices: Choices) -> list[tuple[str, str, str]]:
    """For every key: its name, its default as text, its meaning with what is allowed.

    A key that chooses among labelled names has a line for each of them.
    """
    return [(name, show(key.default), _meaning(key, choices)) for name, key in keys().items()]


def _meaning(key: Key, choices: Choices) -> str:
    reading = readers(key.name, choices)
    meaning = f"{', '.join(reading)}: {key.meaning}" if reading else key.meaning
    names = choices.get(key.name, {})
    if not any(choice.label for choice in names.values()):
        return f"{meaning} ({expected(key_of(key.name, choices))})"
    kind = "a list of" if key.kind == list[str] else "one of"
    lines = [f"- {name}: {_words(choice)}" for name, choice in names.items()]
    return "\n".join([f"{meaning} ({kind}:)", *lines])


def _words(choice: Choice) -> str:
    """A choice's label, and what null stands for with it where no other key decides that."""
    fixed = {key: value for key, value in choice.defaults.items() if not callable(value)}
    nulls = ", ".join(f"{key.rpartition('.')[2]} {show(value)}" for key, value in fixed.items())
    return f"{choice.label}; null: {nulls}" if nulls else choice.label


def _row(left: str, wrapped: list[str], column: int) -> list[str]:
    """``left``, and the wrapped lines from ``column`` on; beside it where there is room."""
    below = [" " * column + line for line in wrapped]
    return [left.ljust(column) + wrapped[0], *below[1:]] if len(left) < column else [left, *below]


_EXAMPLES = (
    "examples:",
    "  python -m tiprdc_fl.simulate --config quick",
    "  python -m tiprdc_fl.simulate clients=1000 training.budget=0.5",
    "  python -m tiprdc_fl.simulate --config paper_celeba data.root=celeba data.private=Male,Young",
)
