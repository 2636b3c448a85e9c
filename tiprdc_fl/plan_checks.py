"""What can be wrong with a strategy before anything is done, and which keys have no effect."""

import numpy as np

from strategies import USED, Settings
from tiprdc_fl.config import Config, flatten
from tiprdc_fl.config import Strategy as Keys
from tiprdc_fl.data.examples import Dataset, Examples
from tiprdc_fl.errors import InputError
from tiprdc_fl.partition_figures import SETTINGS


def settings_of(keys: Keys, people: int) -> Settings:
    """The settings of a strategy for so many contributors."""
    wanted = {name: getattr(keys, name) for name in vars(Settings())}
    return Settings(**{**wanted, "target": keys.target or max(1, people // 2)})


def check_strategy(config: Config, dataset: Dataset, people: np.ndarray) -> None:
    """Raises InputError when the strategy needs devices that are not modelled, or wants more than there is."""
    keys, named = config.strategy, f"strategy.name={config.strategy.name}"
    by_device = keys.name == "fair" or (keys.name == "quota" and keys.per == "device")
    if config.devices.name is None and (by_device or keys.name == "deadline"):
        raise InputError(f"{named} needs devices, and devices.name=null models none: name a set of devices")
    target = settings_of(keys, len(people)).target
    if keys.name in ("over_select", "fair", "async_window") and target > len(people):
        raise InputError(
            f"strategy.target={target}: there are {len(people)} contributors; lower it, or raise clients"
        )
    if keys.name == "quota" and keys.per == "label":
        _check_quota(config, dataset.labels(people))


def _check_quota(config: Config, examples: Examples) -> None:
    """Raises InputError when the rarest value of a task has fewer examples than the quota."""
    found = []
    for task in config.data.tasks or ():
        values, counts = np.unique(examples.attributes[task], return_counts=True)
        found += [(count, f"{task}={value}") for value, count in zip(values, counts.tolist(), strict=True)]
    count, rarest = min(found, default=(config.strategy.quota, ""))
    if count < config.strategy.quota:
        raise InputError(
            f"strategy.quota={config.strategy.quota}: of the rarest value, {rarest}, the contributors have {count} "
            "examples; lower it, or raise clients"
        )


def unused_keys(config: Config) -> list[str]:
    """Keys of the sections strategy, devices and partition that were changed and change nothing here."""
    keys = config.strategy
    used = {"name", "patience", "timeout", "attempts", *USED[keys.name]}
    found = [f"strategy.{name}" for name, value in vars(keys).items() if name not in used]
    found += [
        f"devices.{name}" for name in vars(config.devices) if config.devices.name is None and name != "name"
    ]
    if config.devices.correlated_with is None:
        found.append("devices.correlation")
    shares = config.partition.name
    found += [
        f"partition.{name}" for name in vars(config.partition) if name not in ("name", *SETTINGS[shares])
    ]
    default = flatten(Config())
    changed = flatten(config)
    return [name for name in dict.fromkeys(found) if changed[name] != default[name]]
