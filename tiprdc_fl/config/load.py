"""Reading a configuration: defaults < YAML file or preset < ``key=value``; every error reported together."""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tiprdc_fl.config.choices import Choices, defaults_of, key_of, misfits
from tiprdc_fl.config.keys import Config, flatten, keys, nest, sections, show
from tiprdc_fl.config.plugins import import_plugins
from tiprdc_fl.config.values import convert, did_you_mean
from tiprdc_fl.errors import InputError

PRESETS = Path(__file__).resolve().parents[2] / "configs"

_Given = dict[str, tuple[Any, str]]  # of a source: each key's value, and how to name it in an error


def read_config(config: str | None, overrides: Sequence[str], choices: Callable[[], Choices]) -> Config:
    """The configuration: defaults, then a file or preset, then ``key=value`` arguments.

    Args:
        config: path of a YAML file or a preset's name; None: none.
        overrides: ``key=value`` arguments; of a key given twice the last counts.
        choices: gives the names that keys can have; called when the plugins are imported.

    Returns:
        The checked configuration, with the defaults of the chosen names filled in.

    Raises:
        InputError: with everything that is wrong, a line each.
    """
    errors: list[str] = []
    given = {} if config is None else _from_file(config, errors)
    given |= _from_arguments(overrides, errors)
    _import_plugins(given, errors)
    offered = choices()
    values = _resolve(given, offered, errors)
    errors += [*_conflicts(values), *misfits(values, offered)]
    if errors:
        raise InputError("\n".join(errors))
    return _assemble(Config, nest(values))


def _from_file(config: str, errors: list[str]) -> _Given:
    """The known keys of a file or preset, not checked yet; what cannot be read goes to ``errors``."""
    try:
        tree = _parse_yaml(_read(config))
    except ValueError as error:
        errors.append(f"--config {show(config)}: {error}")
        return {}
    if not isinstance(tree, dict | None):
        errors.append(f"--config {show(config)}: its top is no mapping of keys such as clients: 1000")
        return {}
    return _known(_leaves(tree or {}), f"{show(config)}: ", errors)


def _read(config: str) -> str:
    """The text of a preset or file. Raises ValueError with the reason where there is none."""
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    path = presets.get(config, Path(config))
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        reason = f"no such file; presets: {', '.join(presets)}{did_you_mean(config, presets)}"
    except IsADirectoryError:
        reason = "is a folder; a YAML file or a preset's name is expected"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except ValueError:
        reason = "is not a text file in UTF-8"
    raise ValueError(reason)


def _parse_yaml(text: str) -> Any:
    """YAML as plain values, interpolations kept. Raises ValueError with the line of a mistake."""
    if len(re.findall(r"[\[{]|[-?:]\s", text)) > 1000:  # nested so deep, the reader in C ends the process
        raise ValueError("holds too many lists or mappings for a configuration")
    try:
        return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))["value"]  # type: ignore
    except Exception as error:  # of the YAML reader, of OmegaConf, or of nesting too deep
        mark = getattr(error, "problem_mark", None)
        where = f"line {min(mark.line + 1, len(text.splitlines()))}: " if mark else ""
        raise ValueError(f"{where}{show(getattr(error, 'problem', None) or _first_line(error))}") from error


def _leaves(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Dotted keys of a file with value and text; a section left empty is as good as none."""
    for part, value in tree.items():
        name = f"{prefix}{part}"
        if isinstance(value, dict) and value and name not in keys():
            yield from _leaves(value, f"{name}.")
        elif name not in sections() or value not in (None, {}):
            yield name, value, f"{show(name)}={show(value)}"


def _from_arguments(overrides: Sequence[str], errors: list[str]) -> _Given:
    """The known keys among ``key=value`` arguments, not checked yet."""
    pairs: list[tuple[str, Any, str]] = []
    queue = list(overrides)
    while queue:
        argument = queue.pop(0)
        name, equals, text = argument.partition("=")
        if not equals:
            errors.append(_not_a_pair(argument, queue))
            continue
        try:
            pairs.append((name, _parse_value(text) if name in keys() else text, show(argument)))
        except ValueError as error:
            errors.append(f"{show(argument)}: {error}")
    return _known(pairs, "", errors)


def _parse_value(text: str) -> Any:
    """An argument's value: lists and quoted text as in YAML, the rest as written, for its key to read."""
    if not text:
        raise ValueError("a value is expected after '='; null stands for none")
    if text in ("null", "~", "None"):
        return None
    return _parse_yaml(text) if text[0] in "[{\"'" else text


def _not_a_pair(argument: str, following: list[str]) -> str:
    """The error for an argument without ``=``; takes the value from ``following`` if it stands there."""
    name, *rest = re.split(r"[:\s]+", argument.strip(), maxsplit=1)
    if name in keys() and not rest and following and "=" not in following[0]:
        rest = [following.pop(0)]
        argument = f"{argument} {rest[0]}"
    fixes = nearest_pairs(name, *rest) or "clients=1000"
    return f"{show(argument)}: key=value is expected, such as {fixes}"


def _known(pairs: Iterable[tuple[str, Any, str]], source: str, errors: list[str]) -> _Given:
    """The pairs whose key exists; the others go to ``errors`` with the nearest key."""
    given: _Given = {}
    for name, value, label in pairs:
        if name in keys():
            given[name] = (value, source + label)
        elif name and name in sections():
            inside = [key for key in keys() if key.startswith(f"{name}.")]
            errors.append(f"{source}{label}: {name} is a section; set its keys: {', '.join(inside)}")
        else:
            near = " or ".join(f"'{key}'" for key in _nearest(name))
            hint = f"did you mean {near}?" if near else "--help lists every key"
            errors.append(f"{source}unknown key '{show(name)}'; {hint}")
    return given


def _import_plugins(given: _Given, errors: list[str]) -> None:
    """Imports the modules of the key plugins; a wrong list is for ``_resolve`` to report."""
    value, _ = given.get("plugins", ([], ""))
    try:
        import_plugins(convert(keys()["plugins"], value))
    except InputError as error:
        errors.append(str(error))
    except ValueError:
        return


def _resolve(given: _Given, choices: Choices, errors: list[str]) -> dict[str, Any]:
    """The checked value of every key; keys whose value is wrong are absent and go to ``errors``."""
    tree = OmegaConf.create(nest(flatten(Config())))
    wrong: dict[str, str] = {}
    for name, (value, _) in given.items():
        try:
            OmegaConf.update(tree, name, value, merge=False)
        except Exception as error:  # an interpolation that does not parse
            wrong[name] = _first_line(error)
    values: dict[str, Any] = {}
    for name in keys().keys() - wrong.keys():
        try:
            values[name] = convert(key_of(name, choices), _select(tree, name))
        except ValueError as error:
            wrong[name] = str(error)
    errors += [f"{given[name][1]}: {wrong[name]}" for name in given if name in wrong]
    for name, default in defaults_of(values, choices).items():
        if name in values and values[name] is None:
            values[name] = list(default) if isinstance(default, list) else default
    return values


def _select(tree: Any, name: str) -> Any:
    """The value of a key with interpolations followed. Raises ValueError where they lead nowhere."""
    try:
        node = OmegaConf.select(tree, name, throw_on_missing=True)
        return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    except Exception as error:
        raise ValueError(_first_line(error)) from error


def _conflicts(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong between keys that are right by themselves."""
    private, tasks = values.get("data.private") or [], values.get("data.tasks") or []
    shared = ", ".join(name for name in private if name in tasks)
    if shared:
        both = f"data.private={show(private)} and data.tasks={show(tasks)}"
        yield f"{both} share {shared}: an attribute is either private or a task; change one of the two"
    protection, given = values.get("protection.name"), values.get("training.extractor")
    if given is not None and protection not in (None, keys()["protection.name"].default):
        yield (
            f"training.extractor={show(given)} is what the devices run, and protection.name={protection} asks for "
            "something else; leave one of the two out"
        )
    per = values.get("protection.per")
    if given is not None and per not in (None, "example"):
        yield f"protection.per={per}: training.extractor={show(given)} says itself what an item is sent for"
    if values.get("evaluation.reconstruction") and per == "person":
        yield "evaluation.reconstruction=true rebuilds examples and protection.per=person sends none; leave one out"
    if values.get("evaluation.curve") and "insider" not in values.get("evaluation.adversaries", ["insider"]):
        yield "evaluation.curve is the insider's; add insider to evaluation.adversaries or leave the curve out"
    if re.search(r"[/\\]", values.get("name") or ""):
        yield f"name={show(values['name'])}: expected a name without / and \\; run_dir=PATH sets the folder"


def _assemble(section: Any, tree: Mapping[str, Any]) -> Any:
    """A dataclass, with the dataclasses inside it, from a tree of checked values."""
    nested = {
        item.name: item.type for item in dataclasses.fields(section) if dataclasses.is_dataclass(item.type)
    }
    return section(**{k: _assemble(nested[k], v) if k in nested else v for k, v in tree.items()})


def _first_line(error: Exception) -> str:
    return show((str(error).splitlines() or [type(error).__name__])[0])


def nearest_pairs(name: str, value: str = "") -> str:
    """What was probably meant, such as ``clients=10``; without a value the key's default stands in."""
    return " or ".join(f"{key}={show(value or keys()[key].default)}" for key in _nearest(name))


def _nearest(name: str) -> list[str]:
    """The keys most like ``name``: several if they differ in their section only and ``name`` has none."""
    wanted = name.lower().replace("-", "_")[:100]

    def likeness(key: str) -> tuple[float, float]:
        parts = difflib.SequenceMatcher(None, wanted.rpartition(".")[2], key.rpartition(".")[2]).ratio()
        whole = difflib.SequenceMatcher(None, wanted, key).ratio()
        return (parts + whole if "." in wanted else parts), max(parts, whole)

    scores = {key: likeness(key) for key in keys()}
    best = max(score for score, _ in scores.values())
    return [key for key, (score, closest) in scores.items() if score == best and closest >= 0.6]
