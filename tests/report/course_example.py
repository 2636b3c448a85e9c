"""Requests of a made-up collection, and what report.json says of them."""

from typing import Any

import numpy as np
import pyarrow as pa

from tiprdc_fl.devices.sets import describe, load_devices
from tiprdc_fl.report.figures.latency import latency_cdf, measured_latency, modelled_latency
from tiprdc_fl.report.figures.strategy import (
    attribute_participation,
    cost_figures,
    device_participation,
    outcome_figures,
    timeline,
)

STAGES = ("load", "prepare", "forward", "encode")
PARTS = {"fixed": 0.5, "per_example": 0.25, "per_raw_byte": 0.0}
TITLES = ["fast", "slow", "nobody's"]
GROUPS = ["fast", "slow", "slow", "fast", "fast", "slow"]
STAGES_TAKE = {
    "download": np.array([1.0, 1.0, 2.0, 1.0, 1.0, 3.0]),
    "compute": np.array([2.0, 10.0, 8.0, 2.0, 2.0, 9.0]),
    "upload": np.ones(6),
}
ROWS = [
    (11, "fast", 0, 0.0, 0.0, 1.0, 3.0, 4.0, 2.0, "answered", False, 10, 100, 2),
    (12, "slow", 0, 0.0, 5.0, 6.0, None, None, 0.5, "dropped", False, 10, 0, 3),
    (12, "slow", 1, 0.0, 7.0, 7.0, 16.0, 18.0, 9.0, "answered", True, 0, 200, 3),
    (13, "slow", 0, 0.0, 0.0, None, None, None, 0.0, "silent", False, 4, 0, 4),
    (13, "slow", 1, 3.0, 3.0, 5.0, 13.0, None, 8.0, "cut", False, 10, 50, 4),
]
NAMES = (
    *("contributor", "device_class", "attempt", "wanted", "begun", "downloaded", "computed", "ended"),
    *("computing", "outcome", "twice", "down_bytes", "up_bytes", "examples"),
)


def requests() -> pa.Table:
    columns = dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))
    kinds = dict.fromkeys(("wanted", "begun", "downloaded", "computed", "ended"), pa.float64())
    return pa.table({name: pa.array(values, kinds.get(name)) for name, values in columns.items()})


def sections(contributions: pa.Table, private: str = "Male") -> dict[str, Any]:
    """Sections "devices", "strategy" and "latency" of a report."""
    table, devices = requests(), load_devices("phones")
    calibration = {
        "seconds_per_example": dict.fromkeys(("load", "prepare", "forward", "encode"), 0.25),
        "seconds": dict(zip(STAGES, [PARTS] * 4, strict=True)),
        "sent_bytes": {"fixed": 90.0, "per_example": 100.0, "per_raw_byte": 0.0},
        **{"memory_bytes": 4096, "contributors": 24, "examples": 480, "repeated": 3},
        "threads": 1,
        "rows": 24,
    }
    return {
        "devices": {
            **{"set": "phones", "title": devices.title, "reference": devices.reference, "start_hour": 12.0},
            **{"seconds_per_example": 0.75, "calibration": calibration},
            "classes": [one | {"people": 1} for one in describe(devices)],
            "correlated": {"attribute": private, "correlation": 0.5, "mean": {"fast": 0.25, "slow": None}},
        },
        "strategy": {
            "name": "over_select",
            "settings": {"target": 2},
            "enough": False,
            "outcome": outcome_figures(table, contributors=6, given_up=1, never_came=3),
            "modelled": cost_figures(table, 18.0),
            "timeline": timeline(table),
            "participation": {
                "device": device_participation(table, GROUPS, TITLES),
                "attribute": attribute_participation(
                    np.array([11, 11, 12, 13]), {private: np.array([0, 1, 1, 0])}, {11, 12}
                ),
            },
        },
        "latency": {
            "measured": measured_latency(contributions),
            "measured_note": "measured here",
            "modelled": modelled_latency(STAGES_TAKE, GROUPS, TITLES),
            "cdf": latency_cdf(sum(STAGES_TAKE.values()), GROUPS, TITLES),
        },
    }
