"""The report as mappings, for sections of the page that read it by key."""

import json
from typing import Any

from tiprdc_fl.report.schema import Report, ShareFigure
from tiprdc_fl.report.words import share


class Plain(dict):
    """A JSON object whose fields are attributes, too."""

    def __getattribute__(self, name: str) -> Any:
        """The field of a name, else the method."""
        return self[name] if name in self else super().__getattribute__(name)

    def __or__(self, other: Any) -> "Plain":
        return Plain({**self, **other})


def plain(value: Report | ShareFigure) -> Any:
    """A part of a report as mappings."""
    return json.loads(value.model_dump_json(), object_hook=Plain)


def percent(row: Any, name: str = "balanced_accuracy") -> str:
    """A share of a row with its interval, in %."""
    return share(row[name])
