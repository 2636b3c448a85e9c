"""What a report says of the bound on reconstructions."""

import io
from typing import Any

import pytest
from rich.console import Console

from tests.report.report_example import bound, example
from tiprdc_fl.report.bound import bound_lines
from tiprdc_fl.report.html.document import page
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.terminal import show


def report_with(changed: dict[str, Any] | None) -> Report:
    return Report.model_validate(
        example() | {"reconstruction_bound": None if changed is None else bound() | changed}
    )


def test_a_protection_without_a_bound_says_nothing():
    assert list(bound_lines(report_with(None))) == []


@pytest.mark.parametrize(
    ("unbiased", "text"),
    [
        (
            51_000.06,
            "at least 51,000.0 (Maeng et al. 2023), more than the mean image: to be unbiased is no sensible",
        ),
        (40.0, "at least 40.0 (Maeng et al. 2023); a biased one may come nearer."),
        (None, "No reconstruction is unbiased: at these images no component depends on the image."),
    ],
)
def test_a_bound_that_says_nothing_is_said_to_say_nothing(unbiased, text):
    *_, last = bound_lines(report_with({"unbiased": unbiased}))
    assert text in last
    assert ("says nothing" in last) == (unbiased == 51_000.06)


def test_a_lower_bound_is_rounded_down():
    lines = " ".join(bound_lines(report_with({"informed": 49.99, "mean_image": 52.31})))
    assert "errs by at least about 49.9 (van Trees" in lines
    assert "the mean image, which needs no component, errs by 52.3." in lines


def test_terminal_and_page_show_it():
    report, shown = report_with({}), io.StringIO()
    show(report, Console(file=shown, width=4000))
    for line in bound_lines(report):
        assert line in shown.getvalue()
        assert line.replace("'", "&#39;") in page(report)
