"""Sections of the report on the collection of features: people, bytes, seconds on this host."""

from typing import Annotated, Literal

from pydantic import Field

from tiprdc_fl.report.schema.values import Count, Model, NotNegative, Quantiles


class Failure(Model):
    """A contributor whose work failed."""

    contributor: Count
    """Its id."""
    stage: str
    """Where it failed: load, prepare, forward, encode, validate or message."""
    reason: str
    """Why, in one line."""


class Percentiles(Model):
    """Percentiles over contributors, in seconds."""

    p50: NotNegative
    """Median, in seconds."""
    p95: NotNegative
    """95th percentile, in seconds."""
    p99: NotNegative
    """99th percentile, in seconds."""
    max: NotNegative
    """Slowest contributor, in seconds."""


class SecondsPerContributor(Model):
    """Wall-clock time of a contributor's work on the simulating host, by stage."""

    load: Percentiles
    """Reading or generating the examples; stands for data that a device has at hand."""
    prepare: Percentiles
    """Examples to the extractor's input."""
    forward: Percentiles
    """Inputs to features."""
    encode: Percentiles
    """Features to the bytes that are sent."""
    extraction: Percentiles
    """prepare, forward and encode together, summed for each contributor."""


class FederationFigures(Model):
    """What collecting the features took, over all sessions of the run."""

    engine: Literal["flower", "inline"]
    """What carried out the collection."""
    mode: Literal["throughput", "latency"]
    """throughput: contributors shared batches, and a contributor's seconds are its share of theirs by examples;
    latency: contributors worked one after another on one worker, and a contributor's seconds are its own."""
    asked: Count
    """Contributors asked on the virtual clock, by the strategy, and those who have withdrawn."""
    answered: Count
    """Contributors whose answers counted on the virtual clock and whose features were accepted or who had no
    example, without those who have withdrawn."""
    failed: Count
    """Contributors whose work failed in this run, or whose contribution could not be accepted."""
    unanswered: Count
    """Contributors who were asked and whose answer did not count on the virtual clock: they broke off as often
    as they were asked, or came too late."""
    withdrawn: Count
    """Contributors who have withdrawn: what they sent is removed, and they are not asked again."""
    failures: Annotated[tuple[Failure, ...], Field(max_length=100)]
    """The first 100 failures."""
    examples: Count
    """Examples that the stored features are of."""
    sent_bytes: Count
    """Size of all accepted contributions as sent, with labels and measurements, in bytes."""
    sent_bytes_per_example: NotNegative
    """sent_bytes divided by examples, in bytes."""
    raw_bytes_per_example: NotNegative
    """Mean size of the raw inputs that the features stand for, in bytes an example."""
    sent_to_raw_ratio: NotNegative
    """Bytes sent divided by bytes of the raw inputs; above 1, sending features costs more than sending raw
    data."""
    examples_per_second: NotNegative | None
    """Examples, or items where a contributor sends one for all, a second of the last session that collected
    anything, from its first request to its last commit; null where that is not known."""
    asked_again: Count
    """Messages that were sent again because they had failed, in the last session of the collection."""
    seconds_per_contributor: SecondsPerContributor


class MeasuredLatency(Model):
    """Seconds of a contributor's work on this host, over stored contributors."""

    load: Quantiles
    """Reading or generating the examples; a device has its own at hand."""
    prepare: Quantiles
    """Examples to the extractor's input."""
    forward: Quantiles
    """Inputs to features."""
    encode: Quantiles
    """Features to the bytes that are sent."""


class ModelledLatency(Model):
    """Modelled seconds over all contributors with a device of one class, asked or not, without queueing."""

    download: Quantiles
    """Of the extractor."""
    compute: Quantiles
    """Features of all examples."""
    upload: Quantiles
    """Of the contribution."""
    total: Quantiles
    """All three."""


Curve = Annotated[tuple[float, ...], Field(min_length=101, max_length=101)]


class LatencyFigures(Model):
    """Seconds of a contributor's work: measured on this host, and modelled for its device."""

    measured: MeasuredLatency
    """Measured on this host, over stored contributors."""
    measured_note: str
    """How it was measured."""
    modelled: dict[str, ModelledLatency]
    """Device class -> seconds of each stage. Empty where no device is modelled."""
    cdf: dict[str, Curve]
    """Device class -> the total at the quantiles 0, 1, ..., 100 %."""
