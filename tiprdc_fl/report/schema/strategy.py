"""Section of the report on the collection strategy: outcome, modelled cost, participation."""

from typing import Annotated

from pydantic import Field

from tiprdc_fl.report.schema.values import Count, Model, NotNegative, Setting


class Outcome(Model):
    """How many contributors were asked and answered, and what became of the requests."""

    contributors: Count
    """Contributors in the run."""
    asked: Count
    """Contributors asked at least once."""
    answered: Count
    """Contributors whose answer counted."""
    given_up: Count
    """Contributors asked in vain as often as allowed."""
    never_came: Count
    """Contributors wanted until the end who were not available in time."""
    not_asked: Count
    """Contributors who were not asked."""
    requests: Count
    """Requests made."""
    lost: Count
    """Requests whose device broke off, lacked memory, or whose work failed."""
    late: Count
    """Requests that had not been answered by their timeout; a later answer does not count."""
    cut: Count
    """Requests under way when the collection was over."""
    duplicates: Count
    """Answers that arrived twice; they count once."""


class SecondsToShare(Model):
    """Seconds until so many percent of the answers that counted had come; null without an answer."""

    p50: NotNegative | None
    """50 %."""
    p90: NotNegative | None
    """90 %."""
    p95: NotNegative | None
    """95 %."""
    p99: NotNegative | None
    """99 %."""


class ModelledCost(Model):
    """Modelled time and bytes of the collection."""

    seconds: NotNegative
    """Until it was over: it was enough, nobody was left to ask, or deadline or patience had ended."""
    seconds_to_share: SecondsToShare
    """Seconds until so many percent of the answers that counted had come."""
    downlink_bytes: Count
    """Sent to devices."""
    uplink_bytes: Count
    """Sent by devices; an answer that arrived twice counts twice."""
    wasted_bytes: Count
    """Both ways, all but the answers that counted and one extractor for each contributor who answered."""
    device_seconds: NotNegative
    """Seconds that all devices together computed until then, those that broke off included."""


class Moment(Model):
    """A moment of the collection."""

    seconds: NotNegative
    """Since the first request, modelled."""
    answered: Count
    """Answers that had come."""
    examples: Count
    """Examples that had come with them."""


class DeviceParticipation(Model):
    """Participation of the contributors with a device of one class."""

    group: str
    """Title of the class."""
    contributors: Count
    """Contributors that have such a device."""
    asked: Count
    """Of them, those who were asked."""
    answered: Count
    """Of them, those whose answer counted."""
    examples: Count
    """Their examples that came."""


class ValueParticipation(Model):
    """Participation of the examples with one value of an attribute."""

    group: str
    """NAME=VALUE."""
    examples: Count
    """Examples of all contributors."""
    answered: Count
    """Of them, those that were collected."""


class Participation(Model):
    """Who took part, by device class and by the values of each attribute."""

    device: tuple[DeviceParticipation, ...]
    """By device class."""
    attribute: dict[str, tuple[ValueParticipation, ...]]
    """Attribute -> its values."""


class StrategyFigures(Model):
    """Who was asked, what became of it on the virtual clock, and whom the strategy favours."""

    name: str
    """Name of the strategy."""
    settings: dict[str, Setting]
    """Its settings, those it does not use included."""
    enough: bool | None
    """Whether the strategy reached its goal; null for a strategy without one (everyone, deadline)."""
    outcome: Outcome
    """Contributors and requests."""
    modelled: ModelledCost
    timeline: Annotated[tuple[Moment, ...], Field(max_length=200)]
    """Answers over time, at most 200 points."""
    participation: Participation
