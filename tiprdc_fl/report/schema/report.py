"""The report of a run: what report.json holds, as one typed value."""

from typing import Annotated, Any, Literal

from pydantic import Field

from tiprdc_fl.config.keys import Config, keys
from tiprdc_fl.report.schema.devices import DeviceFigures
from tiprdc_fl.report.schema.federation import FederationFigures, LatencyFigures
from tiprdc_fl.report.schema.partition import PartitionFigures
from tiprdc_fl.report.schema.results import Figures
from tiprdc_fl.report.schema.run import (
    Environment,
    Epoch,
    Memory,
    Origin,
    People,
    ReconstructionBound,
    ShareByAttribute,
)
from tiprdc_fl.report.schema.strategy import StrategyFigures
from tiprdc_fl.report.schema.values import NotNegative

SCHEMA_VERSION = 8

CAVEAT = (
    "Leakage is what the strongest adversary tried here could infer: a lower bound on what the features "
    "give away, never a guarantee. An adversary with another network, more labelled people or more time may "
    "do better."
)


class Report(Figures):
    """How useful the contributors' features are for tasks, how much they leak, and what collecting them cost.

    Shares lie in [0, 1]; time is in seconds, size in bytes.
    """

    schema_version: Literal[8]
    """Version of this schema; it grows when a field comes, goes or changes its meaning."""
    name: str
    """The run's name: the configuration's, or the dataset's where it has none."""
    run_dir: str
    """Path of the run folder, as the user gave it."""
    configuration: Config
    """Every key of the run's configuration, with the dataset's own defaults filled in; the same as config.yaml.
    The command line's --help has the meaning, unit and bounds of each key."""
    protection: Annotated[str, Field(min_length=1)]
    """What the devices did before they sent, such as "noisy, sigma 40"."""
    public: Annotated[str, Field(min_length=1)]
    """What an informed adversary knows of that, and uses."""
    reconstruction_bound: ReconstructionBound | None
    """How near to an image anyone can come from what is sent of it; null where the protection does not say."""
    names: dict[str, dict[str, str]]
    """By key that chooses extensions, such as data.name: each name chosen, with what it stands for."""
    environment: Environment
    """Machine, versions and code of the run's first session."""
    people: People
    """People and examples of the collector, the contributors and the holdout."""
    partition: PartitionFigures
    """The contributors' examples: their numbers and labels, without contributors who have withdrawn."""
    co_trained_adversary: ShareByAttribute
    """Balanced accuracy of the adversary that was trained with the extractor, on held-out people of the
    collector, in its last epoch, by private attribute; for comparison with the paper, not a leakage figure.
    Empty where nothing was trained."""
    training_from: Origin | None
    """Where the extractor comes from when this run did not train it; null otherwise."""
    training: tuple[Epoch, ...]
    """An entry for each epoch of the extractor's training, in order."""
    federation: FederationFigures
    """Contributors, bytes and seconds of the collection, over all sessions of the run."""
    latency: LatencyFigures
    """Seconds of a contribution: measured on this host, and modelled for each device class."""
    strategy: StrategyFigures
    """Modelled: outcome, cost and participation of the collection on the virtual clock."""
    devices: DeviceFigures | None
    """Modelled: the contributors' devices; null where no device is modelled."""
    seconds: dict[str, NotNegative]
    """Wall-clock seconds of each stage of the run, by its name, added up over the sessions of the run."""
    memory: Memory
    """Largest memory of the collector and of a worker."""
    caveat: Annotated[str, Field(min_length=1)]
    """What the leakage figures do not say."""


def json_schema() -> dict[str, Any]:
    """The JSON schema of report.json; the configuration's keys have the meanings that --help shows."""
    schema = Report.model_json_schema()
    for name, key in keys().items():
        section, _, field = name.rpartition(".")
        definition = schema["$defs"][(section or "config").capitalize()]
        definition["properties"][field]["description"] = key.meaning
    return schema
