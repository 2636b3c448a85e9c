"""Names that keys can have, as the extensions' dictionaries give them: the configuration itself knows none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tiprdc_fl.config.keys import Config, Key, flatten, keys, show


@dataclass(frozen=True)
class Choice:
    """What the configuration needs to know of one name.

    Attributes:
        label: the name in a few words.
        reads: keys that have a meaning with this name; with another that does not read them they have none.
        own: keys that are an error with every other name.
        defaults: key -> what null stands for, or a function that gives it from the keys before.
        needs: key that must be given -> what its value is.
    """

    label: str = ""
    reads: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)


# Key -> the names that it can have.
Choices = Mapping[str, Mapping[str, Choice]]


def key_of(name: str, choices: Choices) -> Key:
    """The key ``name`` with the names that it can have."""
    return replace(keys()[name], choices=tuple(choices[name])) if name in choices else keys()[name]


def chosen(values: Mapping[str, Any], choices: Choices) -> Iterator[tuple[str, str, Choice]]:
    """The keys that choose one name, each with that name and its choice; wrong and absent ones are left out."""
    for key, names in choices.items():
        name = values.get(key)
        if isinstance(name, str) and name in names:
            yield key, name, names[name]


def defaults_of(values: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """What null stands for under the names that were chosen."""
    defaults: dict[str, Any] = {}
    for _, _, choice in chosen(values, choices):
        defaults |= resolved(choice.defaults, filled(values, defaults))
    return defaults


def resolved(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults with their functions called, each on the values in which the defaults before it stand for null."""
    known: dict[str, Any] = {}
    for key, default in defaults.items():
        known[key] = default(filled(values, known)) if callable(default) else default
    return known


def filled(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values with their nulls replaced where a default stands for them."""
    return {key: defaults.get(key) if value is None else value for key, value in values.items()}


def misfits(values: Mapping[str, Any], choices: Choices) -> Iterator[str]:
    """What the chosen names need and lack, and what is set that only another name has."""
    for key, name, choice in chosen(values, choices):
        for needed, what in choice.needs.items():
            if values.get(needed, "") is None:
                yield f"{key}={name} needs {needed}={what}"
        for owned, others in _owners(choices[key]).items():
            if name not in others and values.get(owned, keys()[owned].default) != keys()[owned].default:
                yield f"{owned}={show(values[owned])} is for {key}={' or '.join(others)} only; leave it out"


def _owners(names: Mapping[str, Choice]) -> dict[str, list[str]]:
    """Keys that belong to some of the names only, with those names."""
    owned = dict.fromkeys(key for choice in names.values() for key in choice.own)
    return {key: [name for name, choice in names.items() if key in choice.own] for key in owned}


def unused(config: Config, choices: Choices) -> list[str]:
    """Keys that were changed and have no meaning with the names that were chosen."""
    values = flatten(config)
    default = flatten(Config()) | defaults_of(values, choices)
    idle: dict[str, None] = {}
    for key, _, choice in chosen(values, choices):
        others = (read for other in choices[key].values() for read in other.reads)
        idle |= dict.fromkeys(read for read in others if read not in choice.reads)
    return [name for name in idle if values[name] != default[name]]


def readers(key: str, choices: Choices) -> list[str]:
    """The names that read a key of their own section; empty where all of them do, or none."""
    section = key.rpartition(".")[0]
    names = choices.get(f"{section}.name", {})
    reading = [name for name, choice in names.items() if key in (*choice.reads, *choice.own)]
    return reading if len(reading) < len(names) else []
