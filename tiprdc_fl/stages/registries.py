"""All extensions: the one module that knows every dictionary, and tells the configuration the names in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from strategies import STRATEGIES
from tiprdc_fl.attacks.suite import ATTACKS
from tiprdc_fl.config.choices import Choice, Choices, chosen
from tiprdc_fl.config.keys import Config, flatten
from tiprdc_fl.config.load import read_config
from tiprdc_fl.data import DATASETS
from tiprdc_fl.data.partition.partitioners import PARTITIONERS
from tiprdc_fl.federation.engine import ENGINES
from tiprdc_fl.models.runtime import RUNTIMES
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.store.codec import CODECS
from tiprdc_fl.training.information import OBJECTIVES


def load_config(config: str | None, overrides: Sequence[str]) -> Config:
    """The configuration: defaults, then a file or preset, then ``key=value`` arguments; see ``read_config``."""
    return read_config(config, overrides, choices)


def choices() -> Choices:
    """Key -> the names that it can have, from the extensions' dictionaries as they are now."""
    return {
        "data.name": {
            name: Choice(dataset.label, own=dataset.own, defaults=dataset.defaults, needs=dataset.needs)
            for name, dataset in DATASETS.items()
        },
        "partition.name": _reading(PARTITIONERS),
        "training.objective": _reading(OBJECTIVES),
        "protection.name": {
            name: Choice(record.label, reads=record.reads, defaults=record.defaults)
            for name, record in PROTECTIONS.items()
        },
        "strategy.name": _reading(STRATEGIES),
        "federation.codec": {name: Choice(codec.label) for name, codec in CODECS.items()},
        "federation.engine": {name: Choice() for name in ENGINES},
        "federation.runtime": {name: Choice() for name in RUNTIMES},
        "evaluation.attacks": _reading(ATTACKS),
        "evaluation.controls": {name: Choice() for name in PROTECTIONS},
    }


def chosen_labels(config: Config, probes: Sequence[str]) -> dict[str, dict[str, str]]:
    """Key -> the names chosen, each with its label; names without one are left out.

    Args:
        config: of a run.
        probes: keys of ATTACKS that the run measures with.
    """
    offered, values = choices(), flatten(config)
    named = {key: {name: choice.label} for key, name, choice in chosen(values, offered) if choice.label}
    return named | {"probe": {name: ATTACKS[name].label for name in probes}}


def _reading(records: Mapping[str, Any]) -> dict[str, Choice]:
    """Records that carry a label and the keys they read."""
    return {name: Choice(record.label, reads=record.reads) for name, record in records.items()}
