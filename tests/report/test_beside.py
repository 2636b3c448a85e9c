"""Other protections beside the run's own, on the terminal and on the page."""

import io
from typing import Any

from rich.console import Console

from tests.report.report_example import example, result
from tiprdc_fl.report.beside import instead
from tiprdc_fl.report.html.document import page
from tiprdc_fl.report.queries import beside, strongest
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.terminal import show
from tiprdc_fl.report.words import TITLES, in_order

VALUES = {"aligned": {"Male": 0.61, "Smiling": 0.7}, "codes": {"Male": 0.53, "Smiling": 0.66}}


def report_with(**others: dict[str, float]) -> Report:
    """The made-up report with other protections, whose figures are given by attribute."""
    rows: list[dict[str, Any]] = [
        result(name, name, kind, "linear", "both", value)
        for kind, values in others.items()
        for name, value in values.items()
    ]
    made = example()
    names = made["names"] | (
        {"evaluation.controls": dict.fromkeys(others, "a made-up one")} if others else {}
    )
    return Report.model_validate(made | {"results": [*made["results"], *rows], "names": names})


def shown(report: Report, full: bool) -> str:
    console = Console(width=80, file=io.StringIO())
    show(report, console, full)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_other_protections_stand_between_what_was_sent_and_the_controls():
    shuffled = ["raw", "codes", "majority", "features", "aligned", "random", "codes", "metadata"]
    order = ["features", "metadata", "codes", "aligned", "random", "raw", "majority"]
    assert in_order(shuffled) == order
    assert in_order(TITLES) == list(TITLES)
    assert beside(report_with(**VALUES).results) == ["aligned", "codes"]
    assert beside(report_with().results) == []


def test_the_headline_has_a_line_for_each_and_the_floor_once():
    text = shown(report_with(**VALUES), full=False)
    lines = [line.split() for line in text.splitlines()]
    assert ["with", "aligned", "61.0", "(58-64)"] in lines
    assert ["with", "codes", "66.0", "(63-69)"] in lines
    assert ["per", "person", "69.0", "(67-71)"] in lines
    assert sum("floor" in line for line in lines) == 1
    assert "with aligned" not in shown(report_with(), full=False)


def test_sentences_say_by_which_probe():
    (line,) = instead(report_with(aligned=VALUES["aligned"]), "Male")
    assert line == "With aligned instead: 61.0 (58-64) by the linear probe (both), per person 69.0 (67-71)."
    assert list(instead(report_with(), "Male")) == []


def test_every_probe_and_name_is_in_the_full_text():
    text = shown(report_with(**VALUES), full=True)
    assert "evaluation.controls=aligned: a made-up one" in text
    probes = text.partition("Every probe")[2]
    assert probes.index("label floor") < probes.index("aligned") < probes.index("untrained extractor")


def test_the_page_shows_them_with_their_own_marks():
    text = page(report_with(**VALUES))
    assert text.count("With aligned instead: 61.0 (58-64)") >= 1
    assert "aligned, per person" in text
    assert "aligned (a made-up one)" in text
    assert page(report_with(**{f"other{n}": VALUES["codes"] for n in range(12)}))


def test_the_leakage_figure_stays_that_of_what_was_sent():
    alone, together = (
        strongest(report.results, "Male", "features") for report in (report_with(), report_with(**VALUES))
    )
    assert alone == together
