"""What the sections of a report are made of: counts, shares, seconds, figures with intervals."""

from typing import Annotated, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Model(BaseModel):
    """A part of the report: immutable, without unknown fields, without NaN; docstrings become descriptions.

    A field whose own model is documented needs no docstring.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        from_attributes=True,
        use_attribute_docstrings=True,
    )


Number = TypeVar("Number", bound=float)
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Setting = bool | int | float | str | tuple[str, ...] | None  # value of one key


class Interval(Model, Generic[Number]):
    """A figure with its 95 % interval over people; all three null where it is not defined.

    It holds the choice of the people measured. The variance of training is not in it.
    """

    value: Number | None
    """On all holdout people."""
    low: Number | None
    """Lower limit of the interval."""
    high: Number | None
    """Upper limit of the interval."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuses an interval of which a part is missing."""
        missing = [part is None for part in (self.value, self.low, self.high)]
        if any(missing) and not all(missing):
            raise ValueError("value, low and high are all numbers or all null")
        return self


class Figure(Interval[float]):
    """A figure of any size, such as decibels, with its 95 % interval over people (Student's)."""


class ShareFigure(Interval[Share]):
    """A share in [0, 1] with its 95 % interval over people; null where it is not defined.

    Wilson's interval, with as many trials as the people are worth: a person's examples are not independent.
    """


class BitsFigure(Interval[NotNegative]):
    """Bits an example with their 95 % interval over people; null where they are not defined."""


class Quantiles(Model):
    """Seconds at quantiles over contributors."""

    p50: NotNegative
    """Median, in seconds."""
    p90: NotNegative
    """90th percentile, in seconds."""
    p95: NotNegative
    """95th percentile, in seconds."""
    p99: NotNegative
    """99th percentile, in seconds."""
    max: NotNegative
    """Largest, in seconds."""
