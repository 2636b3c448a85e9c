"""What is certified, in words."""

from tests.report.report_example import example
from tiprdc_fl.report.certificate import certified
from tiprdc_fl.report.schema import Report


def report_with(*rows: dict[str, object]) -> Report:
    return Report.model_validate(example() | {"certificates": list(rows)})


def row(**changed: object) -> dict[str, object]:
    return {
        "representation": "features",
        "attribute": "Male",
        "covers": "code",
        "values": 64,
        "people": [400, 590],
        "measured": 0.5521,
        "certified": 0.6012,
        "delta": 0.05,
    } | changed


def test_without_codes_nothing_is_certified():
    assert list(certified(report_with(), "Male")) == []
    assert list(certified(report_with(row()), "Smiling")) == []


def test_a_bound_is_rounded_up():
    (line,) = certified(report_with(row(), row(covers="code+labels", certified=0.7)), "Male")
    assert "with 95 % certainty each" in line
    assert "from one code 60.2 % (55.3 on those measured)" in line
    assert "task labels and about how many examples there are 70.0 %" in line
    assert "990 contributors" in line


def test_a_bound_of_everything_says_nothing():
    (line,) = certified(report_with(row(certified=1.0)), "Male")
    assert "100 %, which says nothing" in line


def test_of_another_protection_it_is_said_which():
    own, other = certified(report_with(row(representation="codes"), row()), "Male")
    assert own.startswith("Male: with 95 %")
    assert other.startswith("Male, with codes instead: with 95 %")
