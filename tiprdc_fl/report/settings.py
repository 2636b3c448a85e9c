"""The configuration in a report: as dotted keys, what differs from the defaults, what differs between runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiprdc_fl.config.keys import Config, flatten, keys
from tiprdc_fl.data import DATASETS

PLACES = ("run_dir", "name", "open_report")  # where a run lies and how it is shown: not what was run


@dataclass(frozen=True)
class Setting:
    """A key of a run that is not at its default.

    Attributes:
        key: its dotted name. value: the run's. default: of the key, or of the dataset; None where there is none.
        meaning: what the key is for; "" for a key that this version does not know.
    """

    key: str
    value: Any
    default: Any
    meaning: str


def flat(configuration: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A report's configuration as dotted keys."""
    found: dict[str, Any] = {}
    for name, value in configuration.items():
        inside = flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        found |= inside
    return found


def changed(configuration: dict[str, Any]) -> list[Setting]:
    """The keys of a report's configuration that differ from the defaults, the dataset's included."""
    here = flat(configuration)
    dataset = DATASETS.get(here.get("data.name", ""))
    defaults = flatten(Config()) | dict(dataset.defaults if dataset else {})
    return [
        Setting(key, value, defaults.get(key), keys()[key].meaning if key in keys() else "")
        for key, value in here.items()
        if key not in PLACES and value != defaults.get(key)
    ]


def differing(configurations: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Keys that all runs have and whose values are not the same, with the value of each run."""
    several = [flat(one) for one in configurations]
    shared = [name for name in several[0] if name not in PLACES and all(name in one for one in several)]
    values = {name: [one[name] for one in several] for name in shared}
    return {name: found for name, found in values.items() if any(one != found[0] for one in found)}


def unshared(configurations: Sequence[dict[str, Any]]) -> list[str]:
    """Keys that some of the runs do not have: another version wrote them."""
    several = [flat(one) for one in configurations]
    names = dict.fromkeys(name for one in several for name in one)
    return [name for name in names if not all(name in one for one in several)]
