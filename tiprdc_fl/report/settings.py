"""The configuration in a report: as dotted keys, what differs from the defaults, what differs between runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiprdc_fl.config.choices import resolved
from tiprdc_fl.config.keys import Config, flatten, keys
from tiprdc_fl.data import DATASETS

PLACES = ("run_dir", "name", "open_report")  # where a run lies and how it is shown: not what was run


@dataclass(frozen=True)
class Setting:
    """A key of a run that is not at its default.

    Attributes:
        key: its dotted name. value: the run's. default: of the key, or of the dataset; None where there is none.
        meaning: what the key is for.
    """

    key: str
    value: Any
    default: Any
    meaning: str


def flat(configuration: Config) -> dict[str, Any]:
    """A report's configuration as dotted keys."""
    return dict(flatten(configuration))


def changed(configuration: Config) -> list[Setting]:
    """The keys of a report's configuration that differ from the defaults, the dataset's included."""
    dataset = DATASETS.get(configuration.data.name)
    defaults = flatten(Config()) | resolved(dataset.defaults if dataset else {}, flatten(configuration))
    return [
        Setting(key, value, defaults.get(key), keys()[key].meaning)
        for key, value in flat(configuration).items()
        if key not in PLACES and value != defaults.get(key)
    ]


def differing(configurations: Sequence[Config]) -> dict[str, list[Any]]:
    """Keys whose values are not the same in all runs, with the value of each run."""
    runs = [flat(configuration) for configuration in configurations]
    values = {name: [run[name] for run in runs] for name in runs[0] if name not in PLACES}
    return {name: several for name, several in values.items() if any(one != several[0] for one in several)}
