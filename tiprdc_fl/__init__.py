"""tiprdc_fl: federated simulation of privacy-respecting feature collection (TIPRDC).

The public interface, without the command line::

    config = tiprdc_fl.load_config("quick", ["clients=200", "training.budget=0.5"])
    report = tiprdc_fl.run(config)
    features, labels, contributors = tiprdc_fl.open_run(config.run_dir).tensors()
    results = tiprdc_fl.attack(features, labels, contributors)

Names are imported when they are first used: ``import tiprdc_fl`` alone costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strategies import STRATEGIES
    from tiprdc_fl.attacks.suite import ATTACKS
    from tiprdc_fl.config.keys import Config
    from tiprdc_fl.data import DATASETS
    from tiprdc_fl.data.partition.partitioners import PARTITIONERS
    from tiprdc_fl.devices.clock import follow
    from tiprdc_fl.devices.fleet import simulate_course
    from tiprdc_fl.errors import InputError
    from tiprdc_fl.evaluation.arrays import attack
    from tiprdc_fl.models.apply import extract
    from tiprdc_fl.models.extractor import load_extractor
    from tiprdc_fl.protections import PROTECTIONS
    from tiprdc_fl.simulate import run
    from tiprdc_fl.stages.callbacks import Callback
    from tiprdc_fl.stages.opened import open_run
    from tiprdc_fl.stages.registries import load_config
    from tiprdc_fl.store.codec import CODECS

_ROOMS = {
    "ATTACKS": "tiprdc_fl.attacks.suite",
    "CODECS": "tiprdc_fl.store.codec",
    "Callback": "tiprdc_fl.stages.callbacks",
    "Config": "tiprdc_fl.config.keys",
    "DATASETS": "tiprdc_fl.data",
    "InputError": "tiprdc_fl.errors",
    "PARTITIONERS": "tiprdc_fl.data.partition.partitioners",
    "PROTECTIONS": "tiprdc_fl.protections",
    "STRATEGIES": "strategies",
    "attack": "tiprdc_fl.evaluation.arrays",
    "extract": "tiprdc_fl.models.apply",
    "follow": "tiprdc_fl.devices.clock",
    "simulate_course": "tiprdc_fl.devices.fleet",
    "load_config": "tiprdc_fl.stages.registries",
    "load_extractor": "tiprdc_fl.models.extractor",
    "open_run": "tiprdc_fl.stages.opened",
    "run": "tiprdc_fl.simulate",
}

__all__ = [
    "ATTACKS",
    "CODECS",
    "DATASETS",
    "PARTITIONERS",
    "PROTECTIONS",
    "STRATEGIES",
    "Callback",
    "Config",
    "InputError",
    "attack",
    "extract",
    "follow",
    "load_config",
    "load_extractor",
    "open_run",
    "run",
    "simulate_course",
]


def __getattr__(name: str) -> Any:
    """A name of the public interface, imported when it is first asked for."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
