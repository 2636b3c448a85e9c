"""What report.json says of a collection's course, by hand."""

import numpy as np
import pyarrow as pa
import pytest

from tests.report.course_example import GROUPS, STAGES_TAKE, TITLES, requests
from tiprdc_fl.report.figures.latency import latency_cdf, modelled_latency, percentiles
from tiprdc_fl.report.figures.strategy import (
    POINTS,
    attribute_participation,
    cost_figures,
    device_participation,
    outcome_figures,
    timeline,
)


def test_outcomes_count_people_and_requests():
    assert outcome_figures(requests(), contributors=6, given_up=1, never_came=3).model_dump() == {
        **{"contributors": 6, "asked": 3, "answered": 2, "given_up": 1, "never_came": 3, "not_asked": 3},
        **{"requests": 5, "lost": 2, "late": 0, "cut": 1, "duplicates": 1},
    }


def test_costs_are_all_bytes_and_those_in_vain():
    assert cost_figures(requests(), 19.0).model_dump() == {
        "seconds": 19.0,
        "seconds_to_share": {"p50": 4.0, "p90": 18.0, "p95": 18.0, "p99": 18.0},
        "downlink_bytes": 34,
        "uplink_bytes": 100 + 200 + 50 + 200,  # one of 200 came twice
        "wasted_bytes": 200 + 14 + 50,  # the second copy; all of who did not answer. 12 used its one download
        "device_seconds": 2.0 + 0.5 + 9 + 8,
    }
    nobody = cost_figures(requests().slice(3), 19.0)
    assert (nobody.wasted_bytes, nobody.seconds_to_share.p50) == (64, None)


def test_the_timeline_grows_with_every_answer():
    assert [moment.model_dump() for moment in timeline(requests())] == [
        {"seconds": 4.0, "answered": 1, "examples": 2},
        {"seconds": 18.0, "answered": 2, "examples": 5},
    ]
    assert timeline(requests().slice(3)) == ()


def test_a_long_timeline_is_thinned_but_keeps_its_ends():
    table = requests().slice(0, 1)
    many = pa.concat_tables([table] * 1000).set_column(7, "ended", pa.array(np.arange(1000.0)))
    points = timeline(many)
    assert len(points) <= POINTS
    assert (points[0].answered, points[-1].answered, points[-1].examples) == (1, 1000, 2000)


def test_participation_is_counted_against_the_population():
    assert [row.model_dump() for row in device_participation(requests(), GROUPS, TITLES)] == [
        {"group": "fast", "contributors": 3, "asked": 1, "answered": 1, "examples": 2},
        {"group": "slow", "contributors": 3, "asked": 2, "answered": 1, "examples": 3},
        {"group": "nobody's", "contributors": 0, "asked": 0, "answered": 0, "examples": 0},
    ]
    people, labels = np.array([11, 11, 12, 13]), {"Male": np.array([0, 1, 1, 0])}
    rows = attribute_participation(people, labels, {11, 12})["Male"]
    assert [row.model_dump() for row in rows] == [
        {"group": "Male=0", "examples": 2, "answered": 1},
        {"group": "Male=1", "examples": 2, "answered": 2},
    ]


def test_modelled_latency_is_of_everybody_who_has_such_a_device():
    found = modelled_latency(STAGES_TAKE, GROUPS, TITLES)
    assert list(found) == ["fast", "slow"]
    assert {stage: seconds.p50 for stage, seconds in found["slow"]} == {
        **{"download": 2.0, "compute": 9.0, "upload": 1.0, "total": 12.0}
    }
    cdf = latency_cdf(np.array([1.0, 4.0, 2.0, 1.0, 1.0, 3.0]), GROUPS, TITLES)
    assert (cdf["slow"][0], cdf["slow"][50], cdf["slow"][100], len(cdf)) == (2.0, 3.0, 4.0, 2)


def test_percentiles_are_ordered():
    found = percentiles(np.arange(101.0))
    assert dict(found) == {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "max": pytest.approx(100)}
