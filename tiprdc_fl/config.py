"""The configuration: defaults < YAML file or preset < ``key=value``; every error reported together.

A new key is one line in one of the dataclasses below: default, meaning, bounds. The command line, its help,
the checks and the YAML follow from that line. What null stands for in a dataset is in ``DATASETS``.
"""
# ruff: noqa: RUF009  (_key returns a dataclasses.field)

import argparse
import dataclasses
import difflib
import math
import re
import shutil
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args

from omegaconf import OmegaConf

from tiprdc_fl.errors import InputError

PRESETS = Path(__file__).resolve().parents[1] / "configs"

# Private is a habit or trait of the person, a task varies from one example to the next.
DATASETS: dict[str, dict[str, Any]] = {
    "faces": {
        "data.private": ["Male"],
        "data.tasks": ["Smiling", "Eyeglasses"],
        "data.collector_people": 400,
        "data.holdout_people": 200,
    },
    "celeba": {"data.private": ["Male"], "data.tasks": ["Smiling", "Eyeglasses"]},
    "chitchat": {"data.private": ["Ends_With_Punctuation"], "data.tasks": ["Question"]},
}


def _key(default: Any, meaning: str, **limits: Any) -> Any:
    """A field with its meaning and limits: ``choices``, ``low``, ``high``, ``above`` (not reached itself)."""
    return field(default=default, metadata={"meaning": meaning, **limits})


@dataclass(frozen=True)
class Data:
    """Dataset, attributes and people."""

    name: str = _key("faces", "examples: generated faces, CelebA, chat messages", choices=DATASETS)
    root: str | None = _key(None, "folder that holds the dataset's files; celeba needs it")
    private: list[str] | None = _key(
        None, "attributes to hide; null: [Male]; chitchat: [Ends_With_Punctuation]"
    )
    tasks: list[str] | None = _key(None, "later tasks; null: [Smiling,Eyeglasses]; chitchat: [Question]")
    image_size: tuple[int, int] = _key(
        (32, 32), "height and width in pixels, one integer: square; paper: [218, 178]", low=32, high=1024
    )
    collector_people: int | None = _key(
        None, "people the extractor trains on; null: faces 400, else 2/3 of rest", low=2
    )
    holdout_people: int | None = _key(None, "people to measure on; null: faces 200, else 1/3 of rest", low=2)
    max_examples_per_person: int | None = _key(None, "most examples a person brings; null: all", low=1)


@dataclass(frozen=True)
class Model:
    """Sizes of the networks."""

    width: int = _key(16, "channels of the first layer, scales every layer; paper: 64", low=1)
    estimator_convs: int = _key(
        3, "convolutions in the MI estimator's first block; Table 1: 3, authors' code: 2", choices=(2, 3)
    )
    max_tokens: int = _key(32, "tokens read of one message (text only)", low=1)
    vocabulary_size: int = _key(8000, "most words known, from training messages (text only)", low=10)


@dataclass(frozen=True)
class Training:
    """The collector's training of the extractor (Algorithm 1)."""

    budget: float = _key(0.9, "the paper's lambda: 1 only hides, 0 only keeps information", low=0, high=1)
    epochs: int = _key(4, "passes of Algorithm 1 over the collector's examples", low=0)
    pretrain_epochs: int = _key(1, "passes of extractor and adversary before that, without hiding", low=0)
    batch_size: int = _key(64, "examples in a batch; paper: 64", low=2)
    learning_rate: float = _key(1e-3, "learning rate of Adam; paper: 1e-4", above=0)
    weight_decay: float = _key(1e-4, "weight decay of Adam; paper: 1e-4", low=0)
    decay_at: float = _key(
        0.75, "share of the epochs before the learning rate is divided by 10", low=0, high=1
    )
    pairing: str = _key(
        "derangement",
        "how x' of Eq. 9 is chosen in a batch; authors' code: shift",
        choices=("derangement", "shift"),
    )
    private_heads: str = _key(
        "joint", "several private attributes: one softmax or a head each", choices=("joint", "separate")
    )
    precision: str = _key("auto", "number format of training", choices=("auto", "bfloat16", "float32"))


@dataclass(frozen=True)
class Federation:
    """How contributors are reached and what they send."""

    engine: str = _key("flower", "Flower on Ray, or the same work inline", choices=("flower", "inline"))
    workers: int | None = _key(None, "processes that run nodes; null: the number of CPUs", low=1)
    contributors_per_node: int = _key(20, "contributors one simulated node hosts", low=1)
    codec: str = _key("float16", "number format of the features sent", choices=("float16", "float32"))
    retries: int = _key(2, "times a node that failed is asked again", low=0)


@dataclass(frozen=True)
class Evaluation:
    """Probes on the collected features: task probes and attacks."""

    epochs: int = _key(4, "passes of a probe over its training examples", low=1)
    batch_size: int = _key(128, "examples in a probe's batch", low=2)
    learning_rate: float = _key(1e-3, "learning rate of a probe's Adam", above=0)
    max_examples: int | None = _key(
        8000, "most examples a probe trains on, whole people drawn at random; null: all", low=100
    )
    bootstrap: int = _key(1000, "resamples of people behind each 95 % interval", low=100)


@dataclass(frozen=True)
class Config:
    """The run."""

    clients: int = _key(1000, "number of contributors asked", low=1)
    seed: int = _key(0, "fixes every random choice", low=0)
    device: str = _key(
        "auto", "where training and probes run; auto: CUDA if there", choices=("auto", "cpu", "cuda")
    )
    run_dir: str | None = _key(
        None, "run folder; null: runs/<time>-<name>; an existing run of equal configuration is resumed"
    )
    name: str | None = _key(None, "the run's name in its folder's name; null: the dataset's name")
    data: Data = Data()
    model: Model = Model()
    training: Training = Training()
    federation: Federation = Federation()
    evaluation: Evaluation = Evaluation()


@dataclass(frozen=True)
class _Key:
    """One key as declared above, ``kind`` without its None."""

    name: str
    kind: Any
    optional: bool
    default: Any
    meaning: str
    choices: Collection[Any] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None


@cache
def _keys() -> dict[str, _Key]:
    """Every key by its dotted name, in the order of declaration."""

    def walk(section: type, prefix: str) -> Iterator[_Key]:
        for item in dataclasses.fields(section):
            if dataclasses.is_dataclass(item.type):
                yield from walk(item.type, f"{prefix}{item.name}.")  # pyright: ignore[reportArgumentType]
                continue
            optional = isinstance(item.type, UnionType)
            kind = next(t for t in get_args(item.type) if t is not NoneType) if optional else item.type
            yield _Key(prefix + item.name, kind, optional, item.default, **item.metadata)

    return {key.name: key for key in walk(Config, "")}


@cache
def _sections() -> dict[str, str]:
    """Sections by name, each with what it is about; "" is the top."""
    sections = {f.name: f.type for f in dataclasses.fields(Config) if dataclasses.is_dataclass(f.type)}
    return {name: str(kind.__doc__).rstrip(".") for name, kind in {"": Config, **sections}.items()}


def load_config(config: str | None, overrides: Sequence[str]) -> Config:
    """The configuration: defaults, then a file or preset, then ``key=value`` arguments.

    Args:
        config: path of a YAML file or a preset's name; None: none.
        overrides: ``key=value`` arguments; of a key given twice the last counts.

    Returns:
        The checked configuration, with the dataset's own defaults filled in.

    Raises:
        InputError: with everything that is wrong, a line each.
    """
    errors: list[str] = []
    given = {} if config is None else _from_file(config, errors)
    given |= _from_arguments(overrides, errors)
    values = _resolve(given, errors)
    errors += _conflicts(values)
    if errors:
        raise InputError("\n".join(errors))
    return _assemble(Config, _nest(values))


def to_yaml(config: Config) -> str:
    """``config`` as YAML that ``load_config`` reads back to an equal one."""
    return OmegaConf.to_yaml(OmegaConf.create(_nest(flatten(config))))


def flatten(config: Config) -> dict[str, object]:
    """``config`` as dotted keys with plain values (lists for pairs), in the order of declaration."""
    values: dict[str, object] = {}
    for name in _keys():
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part)
        values[name] = list(value) if isinstance(value, tuple | list) else value
    return values


def differences(a: Config, b: Config, ignore: Collection[str] = ()) -> list[str]:
    """Keys that differ, such as ``training.budget: 0.9 there, 0.5 here`` (``a`` there, ``b`` here)."""
    there, here = flatten(a), flatten(b)
    differing = (name for name in there if name not in ignore and there[name] != here[name])
    return [f"{name}: {_show(there[name])} there, {_show(here[name])} here" for name in differing]


def key_help() -> list[tuple[str, str, str]]:
    """For every key: its name, its default as text, its meaning with what is allowed."""
    return [(key.name, _show(key.default), f"{key.meaning} ({_expected(key)})") for key in _keys().values()]


# --- reading: each source gives {key: (value, how to name it in an error)} ---

_Given = dict[str, tuple[Any, str]]


def _from_file(config: str, errors: list[str]) -> _Given:
    """The known keys of a file or preset, not checked yet; what cannot be read goes to ``errors``."""
    try:
        tree = _parse_yaml(_read(config))
    except ValueError as error:
        errors.append(f"--config {_show(config)}: {error}")
        return {}
    if not isinstance(tree, dict | None):
        errors.append(f"--config {_show(config)}: its top is no mapping of keys such as clients: 1000")
        return {}
    return _known(_leaves(tree or {}), f"{_show(config)}: ", errors)


def _read(config: str) -> str:
    """The text of a preset or file. Raises ValueError with the reason where there is none."""
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    path = presets.get(config, Path(config))
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        reason = f"no such file; presets: {', '.join(presets)}{_did_you_mean(config, presets)}"
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
        raise ValueError(f"{where}{_show(getattr(error, 'problem', None) or _first_line(error))}") from error


def _leaves(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Dotted keys of a file with value and text; a section left empty is as good as none."""
    for part, value in tree.items():
        name = f"{prefix}{part}"
        if isinstance(value, dict) and value and name not in _keys():
            yield from _leaves(value, f"{name}.")
        elif name not in _sections() or value not in (None, {}):
            yield name, value, f"{_show(name)}={_show(value)}"


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
            pairs.append((name, _parse_value(text) if name in _keys() else text, _show(argument)))
        except ValueError as error:
            errors.append(f"{_show(argument)}: {error}")
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
    if name in _keys() and not rest and following and "=" not in following[0]:
        rest = [following.pop(0)]
        argument = f"{argument} {rest[0]}"
    fixes = _nearest_pairs(name, *rest) or "clients=1000"
    return f"{_show(argument)}: key=value is expected, such as {fixes}"


def _known(pairs: Iterable[tuple[str, Any, str]], source: str, errors: list[str]) -> _Given:
    """The pairs whose key exists; the others go to ``errors`` with the nearest key."""
    given: _Given = {}
    for name, value, label in pairs:
        if name in _keys():
            given[name] = (value, source + label)
        elif name and name in _sections():
            inside = [key for key in _keys() if key.startswith(f"{name}.")]
            errors.append(f"{source}{label}: {name} is a section; set its keys: {', '.join(inside)}")
        else:
            near = " or ".join(f"'{key}'" for key in _nearest(name))
            hint = f"did you mean {near}?" if near else "--help lists every key"
            errors.append(f"{source}unknown key '{_show(name)}'; {hint}")
    return given


# --- checking: each value against its key, then keys against one another ---


def _resolve(given: _Given, errors: list[str]) -> dict[str, Any]:
    """The checked value of every key; keys whose value is wrong are absent and go to ``errors``."""
    tree = OmegaConf.create(_nest(flatten(Config())))
    wrong: dict[str, str] = {}
    for name, (value, _) in given.items():
        try:
            OmegaConf.update(tree, name, value, merge=False)
        except Exception as error:  # an interpolation that does not parse
            wrong[name] = _first_line(error)
    values: dict[str, Any] = {}
    for name in _keys().keys() - wrong.keys():
        try:
            values[name] = _convert(_keys()[name], _select(tree, name))
        except ValueError as error:
            wrong[name] = str(error)
    errors += [f"{given[name][1]}: {wrong[name]}" for name in given if name in wrong]
    for name, default in DATASETS.get(values.get("data.name", ""), {}).items():
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


def _convert(key: _Key, value: Any) -> Any:
    """``value`` as the key's type. Raises ValueError with what is expected."""
    if value is None and key.optional:
        return None
    try:
        result = _CONVERTERS[key.kind](value)
        if key.choices and result not in key.choices:
            raise ValueError(_did_you_mean(str(value), key.choices))
        numbers = result if isinstance(result, tuple) else [result]
        if isinstance(numbers[0], int | float) and not all(_in_range(key, number) for number in numbers):
            raise ValueError
    except (ValueError, TypeError, OverflowError) as error:
        hint = str(error) if str(error).startswith(";") else ""  # else Python's own words
        raise ValueError(f"expected {_expected(key)}{hint}") from error
    return result


def _in_range(key: _Key, number: float) -> bool:
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
    if not isinstance(parts, list) or not parts:
        raise ValueError("; it is empty" if parts == [] else "")
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


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
    int: _integer,
    float: _number,
    str: _text,
    list[str]: _names,
    tuple[int, int]: _size,
}


def _conflicts(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong between keys that are right by themselves."""
    private, tasks = values.get("data.private") or [], values.get("data.tasks") or []
    shared = ", ".join(name for name in private if name in tasks)
    if shared:
        both = f"data.private={_show(private)} and data.tasks={_show(tasks)}"
        yield f"{both} share {shared}: an attribute is either private or a task; change one of the two"
    if values.get("data.name") == "celeba" and values.get("data.root", "") is None:
        yield "data.name=celeba needs data.root=PATH, the folder that holds list_attr_celeba.txt"
    if re.search(r"[/\\]", values.get("name") or ""):
        yield f"name={_show(values['name'])}: expected a name without / and \\; run_dir=PATH sets the folder"


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as a tree of dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *sections, leaf = name.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[leaf] = value
    return tree


def _assemble(section: Any, tree: Mapping[str, Any]) -> Any:
    """A dataclass, with the dataclasses inside it, from a tree of checked values."""
    nested = {
        item.name: item.type for item in dataclasses.fields(section) if dataclasses.is_dataclass(item.type)
    }
    return section(**{k: _assemble(nested[k], v) if k in nested else v for k, v in tree.items()})


# --- words for errors and help ---


def _expected(key: _Key) -> str:
    """What is allowed, such as "an integer, at least 1, or null"."""
    nouns = {
        int: "an integer",
        float: "a number",
        str: "text",
        list[str]: "a list of names such as [Smiling]",
        tuple[int, int]: "an integer or [height, width], each",
    }
    if key.choices:
        return f"one of {', '.join(map(str, key.choices))}"
    if key.low is not None and key.high is not None:
        limits = f" from {key.low} to {key.high}"
    else:
        limits = f", at least {key.low}" if key.low is not None else ""
        limits += f" above {key.above}" if key.above is not None else ""
    return nouns[key.kind] + limits + (", or null" if key.optional else "")


def _show(value: Any) -> str:
    """A value as it is written on the command line, on one line and not too long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_show, value))}]"
    text = str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 160 else f"{text[:157]}..."


def _first_line(error: Exception) -> str:
    return _show((str(error).splitlines() or [type(error).__name__])[0])


def _did_you_mean(word: str, options: Iterable[Any]) -> str:
    names = [str(option) for option in options]
    near = difflib.get_close_matches(word.lower()[:100], names, n=1, cutoff=0.7)  # gpu is not cpu
    return f"; did you mean {near[0]}?" if near else ""


def _nearest(name: str) -> list[str]:
    """The keys most like ``name``: several if they differ in their section only and ``name`` has none."""
    wanted = name.lower().replace("-", "_")[:100]

    def likeness(key: str) -> tuple[float, float]:
        parts = difflib.SequenceMatcher(None, wanted.rpartition(".")[2], key.rpartition(".")[2]).ratio()
        whole = difflib.SequenceMatcher(None, wanted, key).ratio()
        return (parts + whole if "." in wanted else parts), max(parts, whole)

    scores = {key: likeness(key) for key in _keys()}
    best = max(score for score, _ in scores.values())
    return [key for key, (score, closest) in scores.items() if score == best and closest >= 0.6]


def _nearest_pairs(name: str, value: str = "") -> str:
    """What was probably meant, such as ``clients=10``; without a value the key's default stands in."""
    return " or ".join(f"{key}={_show(value or _keys()[key].default)}" for key in _nearest(name))


# --- the command line ---


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line; options may stand anywhere among the ``key=value`` arguments.

    Returns:
        ``overrides``: list of ``key=value``; ``config``: file, preset or None; ``print_config``: bool.

    Raises:
        SystemExit: after ``--help`` (0), or after one line about a wrong option (2).
    """
    parser = _parser()
    try:
        arguments, unknown = parser.parse_known_intermixed_args(argv)
    except argparse.ArgumentError as error:
        parser.exit(2, f"error: {error}\n")
    if unknown:
        parser.exit(2, f"error: {_unknown_option(unknown[0], list(argv))}\n")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tiprdc_fl.simulate",
        description="Simulate privacy-respecting feature collection from many contributors.",
        epilog=_epilog(shutil.get_terminal_size().columns - 2),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change one key, see below")
    parser.add_argument("--config", metavar="FILE", help="YAML file, or the name of a preset in configs/")
    parser.add_argument("--print-config", action="store_true", help="print the configuration and stop")
    return parser


def _unknown_option(option: str, argv: list[str]) -> str:
    """One line about an option that does not exist, with the ``key=value`` that was probably meant."""
    name, _, value = option.lstrip("-").partition("=")
    following = argv[argv.index(option) + 1 :] if option in argv else []
    close = difflib.get_close_matches(name, ["config", "print-config", "help"], n=1, cutoff=0.7)
    if close:
        return f"unknown option {_show(option)}; did you mean --{close[0]}?"
    if not value and following and not following[0].startswith("-") and "=" not in following[0]:
        value = following[0]
    pairs = _nearest_pairs(name, value)
    hint = f"did you mean {pairs}?" if pairs else "keys are given as key=value, see --help"
    return f"unknown option {_show(option)}; {hint}"


def _epilog(width: int) -> str:
    """Every key with default and meaning, grouped by section, aligned and wrapped to ``width``."""
    rows = [(name, f"  {name}={default}", meaning) for name, default, meaning in key_help()]
    column = max(len(left) for _, left, _ in rows) + 2
    if width - column < 30:  # too narrow for two columns: the meaning stands below its key
        column = 6
    lines = ["keys with their defaults:"]
    for section, title in _sections().items():
        lines += ["", f"{section or 'top'}: {title}"]
        for name, left, meaning in rows:
            if name.rpartition(".")[0] == section:
                lines += _row(left, textwrap.wrap(meaning, max(width - column, 20)), column)
    return "\n".join([*lines, "", *_EXAMPLES])


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
