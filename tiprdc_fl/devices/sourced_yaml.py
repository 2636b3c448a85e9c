"""YAML in which every number stands beside its source, read with all faults collected.

A value is ``{value: 3.1, source: "how it was come by [key]"}``; a key in brackets is one of the file's ``sources``,
which hold a publication each: ``key: {citation: "authors, title, where, year", url: "https://..."}``. The source of
an unpublished value starts with "assumption:" and needs no key.
"""

import difflib
import math
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tiprdc_fl.errors import InputError

ASSUMPTION = "assumption:"
_LARGEST = 10**6  # characters of a file
_DEEPEST = 50  # the reader of YAML ends the process where lists are nested a hundred thousand deep
_KEY = re.compile(r"\[([A-Za-z0-9_-]+)\]")


@dataclass(frozen=True)
class Limits:
    """Bounds of a number: ``above`` and ``below`` are exclusive; ``count``: length of a list of numbers."""

    low: float = -math.inf
    above: float = -math.inf
    high: float = math.inf
    below: float = math.inf
    optional: bool = False
    count: int | None = None

    def __str__(self) -> str:
        """In words, such as "a number from 0 to 1"."""
        said = [("from", self.low), ("above", self.above), ("to", self.high), ("and below", self.below)]
        noun = f"a list of {self.count} numbers" if self.count else "a number"
        return " ".join([noun, *(f"{word} {limit:g}" for word, limit in said if math.isfinite(limit))])

    def allow(self, value: Any) -> bool:
        """Whether ``value`` is such a number, or list of numbers."""
        if self.count is not None:
            return isinstance(value, list) and len(value) == self.count and all(map(self._allows, value))
        return self._allows(value)

    def _allows(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return self.low <= value <= self.high and self.above < value < self.below


def read_mapping(path: Path, name: str) -> dict[Any, Any]:
    """A file's keys and values. Raises InputError, naming the file ``name``, where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if len(text) > _LARGEST or _depth(text) > _DEEPEST:
            raise ValueError("is larger, or nested deeper, than any set of devices")
        tree = OmegaConf.to_container(OmegaConf.create(text))
    except IsADirectoryError as error:
        raise InputError(f"{name}: is a folder; a YAML file is expected") from error
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not a text file in UTF-8") from error
    except Exception as error:  # of the YAML reader, of OmegaConf
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        said = getattr(error, "problem", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{name}: {where}{said}") from error
    if not isinstance(tree, dict) or not tree:
        raise InputError(f"{name}: its top is no mapping of keys such as title: Phones")
    return tree


def _depth(text: str) -> int:
    """How deep lists and mappings can be nested at most, by brackets open at once or marks in a row."""
    opened = deepest = 0
    for mark in re.findall(r"[\[\]{}]", re.sub(r"\"[^\"\n]*\"", "", text)):
        opened += 1 if mark in "[{" else -1
        deepest = max(deepest, opened)
    rows = (len(re.findall(r"(?:^|(?<=\s))[-?](?=\s)", line)) for line in text.splitlines())
    return max(deepest, *rows, 0)


def check_keys(
    tree: Any, required: Collection[str], optional: Collection[str], where: str, faults: list[str]
) -> dict[str, Any]:
    """The keys of ``tree`` that are known; missing and unknown keys are added to ``faults``."""
    if not isinstance(tree, dict):
        faults.append(f"{where}: expected a mapping with {', '.join(required)}; got {show(tree)}")
        return {}
    known = [*required, *optional]
    faults += [f"{join(where, key)}: is missing" for key in required if key not in tree]
    for key in tree:
        if key not in known:
            near = near_to(str(key), known) or f"; known are {', '.join(known)}"
            faults.append(f"{join(where, str(key))}: unknown key{near}")
    return {key: tree[key] for key in known if key in tree}


def check_text(value: Any, where: str, faults: list[str]) -> str:
    """``value`` if it is text that can be shown."""
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value
    faults.append(f"{where}: expected text on one line; got {show(value)}")
    return ""


def check_citations(tree: Any, faults: list[str]) -> dict[str, str]:
    """A file's publications written out, by key."""
    cited: dict[str, str] = {}
    for key, entry in tree.items() if isinstance(tree, dict) else ():
        where = f"sources.{key}"
        if not _KEY.fullmatch(f"[{key}]"):
            faults.append(f"{where}: a key is made of letters, digits, - and _")
        parts = check_keys(entry, ["citation"], ["url"], where, faults)
        texts = [check_text(text, f"{where}.{part}", faults) for part, text in parts.items()]
        cited[str(key)] = ", ".join(texts)
    if not isinstance(tree, dict):
        faults.append(f"sources: expected a mapping of keys to citations; got {show(tree)}")
    return cited


def check_number(
    entry: Any, limits: Limits, where: str, cited: dict[str, str], faults: list[str]
) -> tuple[Any, str]:
    """Value and source of ``{value, source}``, publications written out."""
    parts = check_keys(entry, ["value", "source"], [], where, faults)
    if "value" in parts and not limits.allow(parts["value"]):
        faults.append(f"{where}: expected {limits}; got {show(parts['value'])}")
    if "source" not in parts:
        return parts.get("value"), ""
    source = check_text(parts["source"], f"{where}.source", faults)
    keys = _KEY.findall(source)
    faults += [
        f"{where}.source: [{key}] is none of the file's sources{near_to(key, cited)}"
        for key in keys
        if key not in cited
    ]
    if source and not keys and not source.startswith(ASSUMPTION):
        faults.append(
            f'{where}.source: names no [key] of the file\'s sources, nor starts with "{ASSUMPTION}"'
        )
    return parts.get("value"), _KEY.sub(lambda match: f"[{cited.get(match[1], match[1])}]", source)


def unused_citations(tree: Any, cited: Iterable[str]) -> list[str]:
    """Faults: publications that no number of the file names."""
    named = set(_KEY.findall(str({key: value for key, value in tree.items() if key != "sources"})))
    return [f"sources.{key}: no number names it; leave it out" for key in cited if key not in named]


def join(where: str, key: str) -> str:
    """A dotted name."""
    return f"{where}.{key}" if where else key


def near_to(word: str, options: Iterable[str]) -> str:
    """The end of an error: the option most like ``word``, or nothing."""
    near = difflib.get_close_matches(word[:100], list(options), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def show(value: Any) -> str:
    """A value on one line and not too long."""
    text = "null" if value is None else str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 100 else f"{text[:97]}..."
