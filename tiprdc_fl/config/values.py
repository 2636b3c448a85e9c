"""The value of one key: conversion to the key's type, its limits, and words for what is allowed."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from tiprdc_fl.config.keys import Key


def convert(key: Key, value: Any) -> Any:
    """``value`` as the key's type. Raises ValueError with what is expected."""
    if value is None and key.optional:
        return None
    try:
        result = _CONVERTERS[key.kind](value)
        parts = result if isinstance(result, tuple | list) else [result]
        for part in parts if key.choices else ():
            if part not in key.choices:
                raise ValueError(did_you_mean(str(part), key.choices))
        if not parts and not key.empty:
            raise ValueError("; it is empty")
        numeric = key.kind not in (str, bool, list[str])
        if numeric and not all(_in_range(key, number) for number in parts):
            raise ValueError
    except (ValueError, TypeError, OverflowError) as error:
        hint = str(error) if str(error).startswith(";") else ""  # else Python's own words
        raise ValueError(f"expected {expected(key)}{hint}") from error
    return result


def _in_range(key: Key, number: float) -> bool:
    low = key.low is None or number >= key.low
    above = key.above is None or number > key.above
    return low and above and (key.high is None or number <= key.high)


def _integer(value: Any) -> int:
    """A whole number, also written as 1e3 or 1000.0; true and false are none."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*[+-]?[0-9]+\s*", value) else float(value)
    if isinstance(value, bool) or not math.isfinite(value) or value != int(value):
        raise ValueError
    if abs(value) >= 2**63:
        raise ValueError("; it is too large")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    """Text that a YAML file and a folder's name can hold and that is no interpolation when read back."""
    if not isinstance(value, str):
        raise ValueError("; put it in quotes")
    if not value.strip():
        raise ValueError("; it is empty")
    if not value.isprintable() or "${" in value or value.endswith("???"):
        raise ValueError("; it holds control characters, ${ or ???")
    return value


def _names(value: Any) -> list[str]:
    """Names of attributes: a list, or words with commas between them, each name once."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise ValueError
    names = [_text(part).strip() for part in parts]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"; {twice[0]} is there twice")
    return names


def _size(value: Any) -> tuple[int, int]:
    """Height and width in pixels; one integer means square."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    height, width = parts * 2 if len(parts) == 1 else parts
    return _integer(height), _integer(width)


def _numbers(value: Any) -> list[int]:
    """Whole numbers, each once, in ascending order."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
    return sorted({_integer(part) for part in parts})


def _truth(value: Any) -> bool:
    """A truth value: the words true and false, as in YAML 1.2."""
    words = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    if not isinstance(value, bool):
        raise ValueError
    return value


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    int: _integer,
    float: _number,
    str: _text,
    bool: _truth,
    list[str]: _names,
    list[int]: _numbers,
    tuple[int, int]: _size,
}


def expected(key: Key) -> str:
    """What is allowed, such as "an integer, at least 1, or null"."""
    nouns = {
        int: "an integer",
        float: "a number",
        str: "text",
        bool: "true or false",
        list[str]: "a list of names such as [Smiling]",
        list[int]: "a list of integers such as [10,100], each",
        tuple[int, int]: "an integer or [height, width], each",
    }
    if key.choices:
        several = "a list of" if key.kind == list[str] else "one of"
        return f"{several} {', '.join(map(str, key.choices))}{', or []' if key.empty else ''}"
    if key.low is not None and key.high is not None:
        limits = f" from {key.low} to {key.high}"
    else:
        limits = f", at least {key.low}" if key.low is not None else ""
        limits += f" above {key.above}" if key.above is not None else ""
        limits += f", at most {key.high}" if key.high is not None else ""
    return nouns[key.kind] + limits + (", or null" if key.optional else "")


def did_you_mean(word: str, options: Iterable[Any]) -> str:
    """The end of an error: the option most like ``word``, or nothing."""
    names = [str(option) for option in options]
    near = difflib.get_close_matches(word.lower()[:100], names, n=1, cutoff=0.7)  # gpu is not cpu
    return f"; did you mean {near[0]}?" if near else ""
