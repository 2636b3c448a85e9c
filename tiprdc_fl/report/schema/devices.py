"""Section of the report on the contributors' devices, all of it modelled but the calibration."""

from typing import Annotated

from pydantic import Field

from tiprdc_fl.report.schema.values import Count, Model, NotNegative


class Parts(Model):
    """A contributor's seconds or bytes as a sum of three parts."""

    fixed: NotNegative
    """For a contributor."""
    per_example: NotNegative
    """For each example."""
    per_raw_byte: NotNegative
    """For each byte of raw examples."""


class PartsByStage(Model):
    """Seconds of a contributor at each stage."""

    load: Parts
    """Reading or generating the examples; a device has its own at hand."""
    prepare: Parts
    """Examples to the extractor's input."""
    forward: Parts
    """Inputs to features."""
    encode: Parts
    """Features to the bytes that are sent."""


class SecondsPerExample(Model):
    """Seconds an example of each stage, mean over the examples measured."""

    load: NotNegative
    """Reading or generating the examples; a device has its own at hand."""
    prepare: NotNegative
    """Examples to the extractor's input."""
    forward: NotNegative
    """Inputs to features."""
    encode: NotNegative
    """Features to the bytes that are sent."""


class CalibrationFigures(Model):
    """Measured on this host before the collection, one contributor at a time."""

    seconds: PartsByStage
    """Seconds of a contributor at each stage, the network in float32."""
    sent_bytes: Parts
    """Bytes of a contribution."""
    seconds_per_example: SecondsPerExample
    memory_bytes: Count
    """Bytes that the extractor needs for one example: weights, and the largest input and output of a layer, in
    float32. Counted, not measured."""
    contributors: Count
    """Contributors measured."""
    examples: Count
    """Their examples."""
    repeated: Count
    """Measurements of each contributor; the median counts."""
    threads: Count
    """Threads of the measurement."""
    rows: Count
    """Rows of every pass of the extractor; a pass with fewer examples is padded."""


class DeviceClassFigures(Model):
    """A class of devices; numbers are medians of the class, with their sources."""

    name: str
    """Short name."""
    title: str
    """In words."""
    share: NotNegative
    """Of the population."""
    slowdown: NotNegative
    """Seconds that one core needs for what takes one core of the reference host one second."""
    downlink_mbps: NotNegative
    """Megabits a second, to the device."""
    uplink_mbps: NotNegative
    """Megabits a second, from the device."""
    latency_ms: NotNegative
    """Of a round trip, in milliseconds."""
    memory_mb: NotNegative
    """Megabytes that an app may use."""
    failure_rate: NotNegative
    """Share of requests that break off once they have begun."""
    availability: Annotated[tuple[float, ...], Field(min_length=24, max_length=24)]
    """Probability that a device is available, in each hour of its day."""
    availability_between: NotNegative
    """Share of the variance of being available that lies between devices."""
    slowdown_sigma: NotNegative
    """Standard deviation of the slowdown's logarithm within the class."""
    network_sigma: NotNegative
    """Standard deviation of the links' logarithm within the class."""
    latency_sigma: NotNegative
    """Standard deviation of the latency's logarithm within the class."""
    sources: dict[str, str]
    """Field -> where its number is from."""
    people: Count
    """Contributors of this run that have such a device."""


class Correlated(Model):
    """What came of devices.correlated_with."""

    attribute: str
    """Name of the attribute."""
    correlation: float
    """Parameter of the copula."""
    mean: dict[str, float | None]
    """Device class -> mean over its contributors of the attribute's mean in their examples; null where nobody
    has such a device."""


class DeviceFigures(Model):
    """Modelled: the contributors' devices."""

    set: str
    """Name of the device set."""
    title: str
    """Of the set, in words."""
    reference: str
    """The host whose core has the slowdown 1."""
    start_hour: NotNegative
    """Local time at which the collection starts."""
    seconds_per_example: NotNegative
    """Seconds an example on one core of this host that the slowdowns multiply: measured (prepare, forward and
    encode of the calibration) unless devices.seconds_per_example gives them."""
    calibration: CalibrationFigures
    classes: tuple[DeviceClassFigures, ...]
    """From the fastest to the slowest."""
    correlated: Correlated | None
    """What came of devices.correlated_with; null without it."""
