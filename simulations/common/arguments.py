"""The command line of a study: what the user gave, and what holds where he gave nothing."""

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from simulations.common.datasets import BY_DATASET, expanded
from tiprdc_fl.config.keys import keys, show
from tiprdc_fl.config.load import PRESETS, nearest_pairs
from tiprdc_fl.errors import InputError

OUT = Path("runs/studies")
# One case with training takes under a minute on two cores.
COMMON = (
    "federation.engine=inline",
    "evaluation.max_examples=4000",
    "evaluation.controls=[]",
)
_OWN = {  # keys that a study sets itself, and what to give instead
    "run_dir": "a study names its run folders itself; out=DIR says where they are",
    "name": "a study names its runs itself; out=DIR says where they are",
    "training.extractor": "a study trains its extractors; training.library=DIR says where they are kept",
}


@dataclass(frozen=True)
class Options:
    """The user's arguments.

    Attributes:
        out: folder of runs, extractors and results.
        seeds: how often the study is repeated.
        preset: file or preset of ``--config``, or None.
        overrides: ``key=value`` arguments of the configuration.
        other: those that began with ``other.``, without it.
    """

    out: Path
    seeds: int
    preset: str | None
    overrides: tuple[str, ...]
    other: tuple[str, ...] = ()


def parse_study(name: str, help_text: str, arguments: Sequence[str], takes_other: bool) -> Options:
    """The command line of the study ``name``.

    Raises:
        InputError: an option or one of the study's own keys is wrong; the configuration's are not looked at.
        SystemExit: after ``--help``.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m simulations.{name}",
        usage="%(prog)s [--config FILE] [out=DIR] [seeds=K] [key=value ...]",
        description=help_text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument("overrides", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--config", metavar="FILE", help="YAML file, or the name of a preset in configs/")
    try:
        parsed, unknown = parser.parse_known_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise InputError(str(error)) from error
    if unknown:
        raise InputError(f"unknown option {show(unknown[0])}; keys are given as key=value, see --help")
    return _options(parsed.config, parsed.overrides, takes_other)


def _options(preset: str | None, arguments: Sequence[str], takes_other: bool) -> Options:
    """The study's own keys taken out of the arguments."""
    out, seeds = str(OUT), "1"
    overrides: list[str] = []
    others: list[str] = []
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name == "out":
            out = value
        elif name == "seeds":
            seeds = value
        elif name.startswith("other.") and takes_other:
            others.append(_other_key(name.removeprefix("other."), value, argument))
        elif name in _OWN:
            raise InputError(f"{show(argument)}: {_OWN[name]}")
        else:
            overrides.append(argument)
    if not out.strip():
        raise InputError("out=: a folder is expected, such as out=runs/studies")
    if not (seeds.isascii() and seeds.isdigit() and 1 <= int(seeds) <= 1000):
        raise InputError(f"seeds={show(seeds)}: expected how often to repeat the study, an integer 1 to 1000")
    return Options(expanded(out), int(seeds), preset, tuple(overrides), tuple(others))


def _other_key(name: str, value: str, argument: str) -> str:
    """``other.root=DIR`` as the key it sets for the second dataset, ``data.root=DIR``."""
    possible = [key.removeprefix("data.") for key in keys() if key.startswith("data.")]
    if name == "clients":
        return f"clients={value}"
    if name not in possible or name == "image_size":
        possible.remove("image_size")  # both are measured at the extractor's
        fitting = ", ".join(f"other.{key}" for key in ("clients", *possible))
        raise InputError(f"{show(argument)}: the second dataset's keys are {fitting}")
    return f"data.{name}={expanded(value) if name == 'root' else value}"


def dataset_of(options: Options, default: str) -> str:
    """The dataset's name: the user's, else the preset's, else ``default``."""
    return str(_given(options, "data.name") or default)


def root_of(options: Options) -> str | None:
    """The dataset's folder: the user's, else the preset's, else None."""
    root = _given(options, "data.root")
    return None if root in (None, "", "null") else str(root)


def _given(options: Options, key: str) -> Any:
    """What the user says of a key, else the preset."""
    given = [a.partition("=")[2] for a in options.overrides if a.startswith(f"{key}=")]
    return given[-1] if given else preset_values(options.preset).get(key)


def defaults_of(options: Options, dataset: str, own: Sequence[str]) -> list[str]:
    """A study's defaults as ``key=value``, without those that the preset decides.

    Args:
        options: the user's arguments.
        dataset: its name.
        own: the study's, over those of all studies.

    Raises:
        InputError: it is a folder of the user's own whose metadata cannot be read.
    """
    library = f"training.library={options.out / 'extractors'}"
    pairs = [f"data.name={dataset}", *COMMON, *BY_DATASET.get(dataset, ()), library, *own]
    decided = preset_values(options.preset)
    return [pair for pair in pairs if pair.partition("=")[0] not in decided]


def preset_values(preset: str | None) -> dict[str, Any]:
    """The keys that a file or preset sets; what is wrong with it is for ``load_config`` to say."""
    if preset is None:
        return {}
    path = PRESETS / f"{preset}.yaml"
    values: dict[str, Any] = {}
    with contextlib.suppress(Exception):
        tree = OmegaConf.to_container(OmegaConf.load(path if path.is_file() else preset))
        _collect(tree, "", values)
    return values


def _collect(tree: Any, prefix: str, values: dict[str, Any]) -> None:
    for part, value in tree.items():
        name = f"{prefix}{part}"
        if name in keys():
            values[name] = value
        elif isinstance(value, dict):
            _collect(value, f"{name}.", values)


def refuse_swept(overrides: Sequence[str], swept: dict[str, list[str]]) -> None:
    """Raises InputError when the user gave a key that the study's cases set."""
    for argument in overrides:
        name = argument.partition("=")[0]
        if name in swept:
            values = ", ".join(dict.fromkeys(swept[name]))
            raise InputError(f"{show(argument)}: the study itself sweeps {name} ({values}); leave it out")


def refuse_words(overrides: Sequence[str]) -> None:
    """Raises InputError for an argument that is no ``key=value``, before it is taken for one."""
    for argument in overrides:
        if "=" not in argument:
            hint = nearest_pairs(argument) or "clients=100"
            raise InputError(f"{show(argument)}: key=value is expected, such as {hint}, out=DIR or seeds=3")
