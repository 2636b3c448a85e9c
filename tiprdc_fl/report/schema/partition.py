"""Section of the report on the partition: how many examples and which labels the contributors have."""

from typing import Annotated

from pydantic import Field

from tiprdc_fl.report.schema.values import Count, Model, Setting, Share

Positive = Annotated[int, Field(ge=1)]
AtLeastOne = Annotated[float, Field(ge=1)]


class ExamplesPerContributor(Model):
    """Examples of a contributor, over those who have any."""

    min: Positive
    """The contributor with fewest."""
    p10: AtLeastOne
    """10 % of the contributors are at or below."""
    p50: AtLeastOne
    """The median contributor."""
    mean: AtLeastOne
    """Mean over contributors."""
    p90: AtLeastOne
    """90 % are at or below."""
    max: Positive
    """The contributor with most."""


class Histogram(Model):
    """How many contributors have how many examples."""

    edges: Annotated[tuple[Positive, ...], Field(min_length=2)]
    """Whole numbers, ascending, one more than counts: the first count is of contributors with edges[0] to
    edges[1] - 1 examples, and so on."""
    counts: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Contributors."""


class LabelSkew(Model):
    """Total variation distance of a contributor's label shares to those of all examples, over contributors."""

    p10: Share
    """10 % of the contributors are at or below."""
    p50: Share
    """The median contributor."""
    mean: Share
    """Mean over contributors."""
    p90: Share
    """90 % are at or below."""
    max: Share
    """The contributor furthest from all."""


class PrivateShare(Model):
    """Share of label 1 of a private attribute."""

    values: Annotated[tuple[Share, ...], Field(min_length=11, max_length=11)]
    """Its deciles over contributors: the least, that below which 10 % of them are, and so on to the largest."""
    whole: Share
    """In all contributors' examples."""


class PartitionFigures(Model):
    """The contributors' examples: their numbers and labels, without contributors who have withdrawn.

    The attributes are the private ones, the tasks and those of partition_by.
    """

    name: str
    """Name of the partition, see the configuration's partition.name."""
    label: str
    """What the partition is, in a few words."""
    persons: bool
    """Whether a contributor is a person, with examples of that person only."""
    settings: dict[str, Setting]
    """The keys of the configuration's section partition that this partition depends on."""
    contributors: Positive
    """Contributors with at least one example."""
    examples: Positive
    """Their examples."""
    empty: Count
    """Contributors without an example; they are not asked."""
    examples_per_contributor: ExamplesPerContributor
    histogram: Histogram
    label_skew: dict[str, LabelSkew]
    """By attribute: total variation distance of a contributor's label shares to those of all examples; 0 where
    they are the same."""
    label_skew_expected: dict[str, Share]
    """By attribute: the mean of that distance if the same examples were divided at random, each contributor
    keeping its number: the part of the skew that is chance."""
    private_share: dict[str, PrivateShare]
    """By private attribute: the share of label 1."""
    topped_up: Count
    """Contributors who got examples of others because they had fewer than min_partition_size."""
