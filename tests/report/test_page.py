"""report.html as a reader's browser shows it, and as text: whole, safe, the same each time."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jinja2 import UndefinedError
from matplotlib.figure import Figure
from playwright.sync_api import sync_playwright

from tests.report.browser import chromium, visit
from tests.report.report_example import example, interval
from tiprdc_fl.errors import InputError
from tiprdc_fl.report.compare.comparison import compare
from tiprdc_fl.report.compare.page import comparison_page
from tiprdc_fl.report.html import document, groups, latency
from tiprdc_fl.report.html.attributes import attributes
from tiprdc_fl.report.html.charts import Chart
from tiprdc_fl.report.html.document import TEMPLATES, page
from tiprdc_fl.report.html.reconstruction import Pictures, pictures, png
from tiprdc_fl.report.html.svg import INKS, draw
from tiprdc_fl.report.html.training import losses
from tiprdc_fl.report.schema import SCHEMA_VERSION, Report
from tiprdc_fl.report.words import TITLES, clock, duration, readable, shortened, size

SCRIPT = "<script>alert('private')</script>"
HOSTILE = (SCRIPT, '"><img src=x onerror=alert(1)>', "$\\frac{a}{b}$ & \u202e\u65e5\u672c\n" + 60 * "long")
PHONE, DESK = (390, 844), (1280, 900)
LOOKS = [(*window, scheme) for window in (PHONE, DESK) for scheme in ("light", "dark")]


def faces(count: int = 3) -> Pictures:
    images = np.arange(count * 3 * 32 * 32, dtype=np.uint8).reshape(count, 3, 32, 32)
    return Pictures(*[tuple(map(png, images))] * 3)


def least() -> dict[str, Any]:
    """A report of a run that asked for as little as it could."""
    report = without_devices() | {
        "reconstruction": None,
        "reconstruction_bound": None,
        "co_trained_adversary": {},
    }
    report |= {
        key: []
        for key in (
            "curve",
            "reidentification",
            "training",
            "groups",
            "worst_off",
            "beyond_floor",
            "certificates",
        )
    }
    report["strategy"] |= {"timeline": [], "participation": {"device": [], "attribute": {}}}
    report["partition"]["private_share"] = {}
    return report


def without_devices() -> dict[str, Any]:
    report = example() | {"devices": None}
    report["latency"] |= {"modelled": {}, "cdf": {}}
    report["strategy"]["participation"]["device"] = [
        {
            "group": "no device modelled",
            "contributors": 1000,
            "asked": 910,
            "answered": 702,
            "examples": 13900,
        }
    ]
    return report


def other_runs() -> list[dict[str, Any]]:
    """Three runs: leakage of the second is higher, the third was measured on other people."""
    runs = [example() for _ in range(3)]
    runs[1]["configuration"]["training"]["budget"] = 0.5
    for row in runs[1]["results"]:
        value = row["balanced_accuracy"]["value"]
        if row["role"] == "private" and row["representation"] == "features" and value is not None:
            row["balanced_accuracy"] = interval(value + 0.06)
    runs[2]["configuration"]["seed"] = 1
    return runs


def page_of(report: dict[str, Any], faces: Pictures | None = None) -> str:
    return page(Report.model_validate(report), faces)


PAGES = {
    "example": lambda: page_of(example(), faces()),
    "hostile": lambda: page_of(example(HOSTILE[0], HOSTILE[1:])),
    "least": lambda: page_of(least()),
    "comparison": lambda: comparison_page(
        compare([Path(name) for name in "xyz"], [Report.model_validate(run) for run in other_runs()])
    ),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, make in PAGES.items():
        (folder / f"{name}.html").write_text(make(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def undrawn(monkeypatch):
    """Pages without their pictures, for tests of what is written: drawing is what takes the time."""
    monkeypatch.setattr(document, "draw", lambda *given: "")


def elements(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Tags of a page with their attributes; fails where one is not closed."""
    found, inside = [], []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))
            if tag not in ("meta", "img"):
                inside.append(tag)

        def handle_startendtag(self, tag, attrs):
            found.append((tag, dict(attrs)))

        def handle_endtag(self, tag):
            assert inside.pop() == tag

    Reader().feed(text)
    assert inside == []
    return found


# --- in the browser ---


@pytest.mark.browser
@pytest.mark.parametrize(
    ("name", "look"),
    [
        *(("example", look) for look in LOOKS),
        *(("hostile", look) for look in (LOOKS[0], LOOKS[3])),
        *(("comparison", look) for look in (LOOKS[1], LOOKS[2])),
        ("least", LOOKS[0]),
    ],
)
def test_the_page_can_be_read_on_phone_and_desk_in_light_and_dark(browser, written, name, look):
    found, wrong = visit(browser, written[name], *look)
    width = look[0]
    assert wrong == []
    assert (found["broken"], found["scripts"]) == (0, 0)
    assert found["width"] <= width  # nothing to scroll sideways
    assert len(found["plots"]) >= {"example": 20, "hostile": 15, "comparison": 3, "least": 4}[name]
    for box in found["plots"]:
        assert box["width"] > 60 and box["height"] > 40
        assert box["left"] >= 0 and box["right"] <= width
    assert min(found["marks"]) > 5  # an empty frame has fewer
    assert found["crowded"] == []  # words that lie upon one another
    drawn = [one for one in found["texts"] if one["drawn"]]
    assert len(drawn) > 20
    for one in drawn:
        assert one["size"] >= 9, one
        assert one["card"]["left"] <= one["box"]["left"] and one["box"]["right"] <= one["card"]["right"], one
    assert min(one["size"] for one in found["texts"] if not one["drawn"]) >= 13
    assert [one for one in found["texts"] if one["contrast"] < 4.5] == []
    texts = "\n".join(one["text"] for one in found["texts"])
    assert "\u202e" not in texts
    assert name != "hostile" or all(readable(one) in texts for one in HOSTILE)


# --- as text ---


def test_the_made_up_report_is_one_that_a_run_can_write():
    for report in (example(), example(HOSTILE[0], HOSTILE[1:])):
        assert Report.model_validate(report).model_dump(mode="json") == report
        assert report["schema_version"] == SCHEMA_VERSION


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_one_file_that_needs_nothing_else(written, name):
    text = written[name].read_text(encoding="utf-8")
    found = elements(text)
    assert Counter(tag for tag, _ in found)["script"] == 0
    links = [
        value for _, given in found for key, value in given.items() if key in ("src", "href", "xlink:href")
    ]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert not re.search(r"url\((?!#)", text)
    ids = [given["id"] for _, given in found if "id" in given]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert not any(key.startswith("on") for _, given in found for key in given)


def test_the_page_is_the_same_each_time(written):
    for name in ("least", "comparison"):
        assert PAGES[name]() == written[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_figure_has_a_name_numbers_and_the_readers_colours(written, name):
    text = written[name].read_text(encoding="utf-8")
    plots = re.findall(r'<svg class="plot".*?</svg>', text, flags=re.DOTALL)
    assert plots
    for plot in plots:
        assert re.match(r'<svg class="plot" role="img" aria-label="[^"]{6,}"', plot)
        assert not re.search(r'(fill|stroke): #|font-family|"#[0-9a-f]{6}"', plot)
    figures = re.findall(r"<figure.*?</figure>", text, flags=re.DOTALL)
    drawn = [figure for figure in figures if "<svg class=" in figure]
    assert len(drawn) == len(plots)
    assert all("<figcaption><h3>" in one and "The numbers</summary>" in one for one in drawn)
    assert all(re.search(r"<tbody>\s*<tr>", one) for one in drawn)


def test_sections_stand_in_order_and_leave_out_what_the_report_has_not(undrawn):
    full = re.findall(r'<section id="([a-z]+)"', page_of(example(), faces()))
    assert full == [
        "meaning",
        "inferred",
        "groups",
        "latency",
        "participation",
        "partition",
        "reconstruction",
        "training",
        "course",
        "configuration",
    ]
    shown = re.findall(r'<section id="([a-z]+)"', page_of(least()))
    assert shown == [name for name in full if name not in ("groups", "reconstruction", "training")]


def test_where_no_device_is_modelled_nothing_is_called_modelled(undrawn):
    text = visible(page_of(without_devices()))
    assert "No device is modelled: everybody answers at once" in text
    assert "Modelled" not in text
    before_the_keys = text.split("What differs from the defaults")[0]
    assert "modelled" not in re.sub("[Nn]o device (is|was) modelled", "", before_the_keys)


def test_no_two_curves_of_a_picture_look_alike(undrawn):
    report = example()
    curve = report["latency"]["cdf"].pop("Tablet")
    for number in range(9):
        report["latency"]["cdf"][f"Class {number}"] = [seconds * (1 + number) for seconds in curve]
    found = latency.class_pictures(report["latency"]["cdf"])
    legends = [classes.chart.legend for classes in found]
    assert [len(legend) for legend in legends] == [6, 6]
    assert all(len({(sign.colour, sign.marker) for sign in legend}) == 6 for legend in legends)
    assert sorted(sign.text for legend in legends for sign in legend) == sorted(report["latency"]["cdf"])
    assert max(found[0].medians.values()) <= min(found[1].medians.values())
    assert "picture 2 of 2, from fast to slow" in visible(page_of(report))


def test_filled_and_hollow_marks_have_a_line_of_their_own():
    report = example()
    names = [entry.text for entry in first_chart(report).legend]
    assert names == ["filled: balanced", "everybody, balanced", "hollow: plain", "everybody, plain"]
    for row in report["groups"]:
        row["balanced_accuracy"] = interval(None)
    chart = first_chart(report)
    assert [entry.text for entry in chart.legend] == ["hollow: plain", "everybody, plain"]
    axes = Figure().subplots()
    chart.paint(axes)
    best = attributes(Report.model_validate(report))[0].best
    upright = [line for line in axes.lines if line.is_dashed()]
    assert best is not None and best.accuracy.value is not None and len(upright) == 1
    assert np.asarray(upright[0].get_xdata())[0] == pytest.approx(100 * best.accuracy.value)
    assert axes.get_xlabel() == "accuracy in %"


def first_chart(report: dict[str, Any]) -> Chart:
    typed = Report.model_validate(report)
    first = attributes(typed)[0]
    return groups.chart(first, [row for row in typed.groups if row.attribute == first.name])


def test_groups_beyond_chance_are_named_and_only_those(undrawn):
    report = example()
    for row in report["groups"]:
        row |= {"chance_low": 0.0, "chance_high": 1.0, "beyond_chance": False}
    text = visible(page_of(report))
    assert (
        "no group differs by more than chance gives." in text and "beyond what chance gives (in" not in text
    )
    row = next(row for row in report["groups"] if row["group_by"] == "device")
    row |= {"chance_low": 0.6, "chance_high": 0.655, "beyond_chance": True}
    value = 100 * row["balanced_accuracy"]["value"]
    text = visible(page_of(report))
    assert f"beyond what chance gives (in brackets): {row['group']} {value:.1f} (60-66)." in text


NO_CHANCE: dict[str, Any] = {"chance_low": None, "chance_high": None, "beyond_chance": None}


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_epochs_are_whole_numbers(count):
    report = example()
    report["training"] = [report["training"][0] | {"epoch": number} for number in range(1, count + 1)]
    axes = Figure().subplots()
    losses(Report.model_validate(report).training).paint(axes)
    low, high = axes.get_xlim()
    ticks = [one for one in axes.get_xticks() if low <= one <= high]
    assert ticks and all(one == round(one) for one in ticks)


def test_controls_that_were_not_measured_are_not_spoken_of(undrawn):
    report = example()
    everything = (
        "Beside it: what travels with the features alone (the label floor), the features together with that, an "
        "extractor that was never trained, the raw data, a blind guess."
    )
    assert everything in visible(page_of(report))
    report["results"] = [
        row for row in report["results"] if row["representation"] in ("features", "majority")
    ]
    text = visible(page_of(report))
    assert "Beside it: a blind guess." in text and "upright stroke" not in text
    assert "label floor" not in text.lower() and "add" not in text.split("What the numbers show")[0]


def test_a_strategy_shows_its_own_settings(undrawn):
    report = example()
    report["strategy"]["settings"] |= {"quota": 300, "deadline": 99.0, "patience": 3600.0}
    text = page_of(report).split("Its settings", 1)[1].split("</table>")[0]
    assert re.findall(r"target|factor|quota|deadline|patience", text) == ["target", "factor", "patience"]
    assert "The table has one in 5 of 120 points, and the last." in visible(page_of(report))


def test_parts_may_be_empty(undrawn):
    """As where nobody of a device class answered, or too few people are there to be measured."""
    report = example()
    for part in ("cdf", "modelled"):
        del report["latency"][part]["Tablet"]
    report["partition"]["private_share"] = {}
    report["strategy"]["timeline"] = []
    nothing = interval(None)
    for row in report["worst_off"]:
        row |= dict.fromkeys(("mean", "p50", "worst_quarter", "worst_tenth", "share_past_chance"), nothing)
        row |= {"people": 3, "expected_worst_tenth": None, **NO_CHANCE}
    for row in report["groups"]:
        row |= {"people": 3, "accuracy": nothing, "balanced_accuracy": nothing, **NO_CHANCE}
    text = visible(page_of(report))
    assert "None" not in text
    assert "no two groups have people enough to be compared" in text and "The people worst off" not in text


def visible(text: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", text, flags=re.DOTALL).split())


def test_figures_that_are_not_defined_are_said_to_be_so():
    report = example()
    for row in report["results"]:
        if row["attribute"] == "Male":
            for figure in ("balanced_accuracy", "roc_auc", "usable_bits", "per_person"):
                row[figure] = interval(None)
    text = visible(page_of(report))
    assert "Not defined: one of its values has fewer than 10 of the people measured." in text
    assert "None" not in text and "nan" not in text


def test_the_headline_says_what_is_kept_and_what_is_left(undrawn):
    text = visible(page_of(example()))
    for part in (
        "Male: leakage left 88.0 % 95 %: 85\u201391",
        "From one example, by the table1 probe (both). Label floor 58.0 (55-61). Untrained extractor 93.0",
        "Per person, from up to 30 examples: 96.0 (94-98) by the table1 probe (both); label floor 66.0",
        "Male: 88.0 from features; 58.0 from what travels with them; 90.0 from both together: the features add "
        "32.0 points (±3.5).",
        "Smiling: utility kept 72.0 % 95 %: 69\u201375",
        # (72 - 50) / (86 - 50)
        "Raw data 86.0 (83-89): 61 % of its gain is left. Chance 50.",
        "Sent by contributors 81.7 MB 4,147 bytes an example, 1.35 times the raw data.",
        "On the virtual clock, strategy over_select: 702 of 1,000 answered.",
        "Time on this host 5 min 9 s 702 of 910 contributors asked sent; the collection took 19.4 s of it.",
    ):
        assert part in text


def test_every_probe_stands_in_the_numbers_strongest_first(undrawn):
    report = example()
    late = report["results"][0] | {
        "probe": "slow",
        "validation": 0.5,
        "last_doubling": 0.016,
        "converged": False,
    }
    report["results"].append(late)
    text = page_of(report)
    tables = re.findall(r"<table>.*?</table>", text, flags=re.DOTALL)
    numbers = next(table for table in tables if "last doubling, in points" in table)
    kinds = re.findall(r'<th scope="rowgroup" colspan="13">([^<]+)', numbers)
    assert kinds == list(TITLES.values())
    first = numbers.split('scope="rowgroup"')[1]
    rows = [re.findall(r"<t[hd][^>]*>([^<]*)<", row) for row in first.split("<tr>")[1:]]
    rows = [row for row in rows if len(row) == 13]
    scores = [float(row[2]) for row in rows if row[2] != "n/a"]
    assert len(scores) == 13 and scores == sorted(scores, reverse=True)
    assert [row[0] for row in rows[13:]] == 3 * ["set-linear"] + 3 * ["set-lda"]
    assert rows[0][:3] == ["table1", "both", "89.0"]
    assert {row[1] for row in rows} == {"insider", "auxiliary", "both"}
    assert next(row for row in rows if row[0] == "slow")[-3:] == ["2,048", "1.6", "no"]


def test_the_page_explains_its_words(undrawn):
    text = visible(page_of(example())).split("What the words mean")[1].split("Every figure in a sentence")[0]
    for word in (
        "label floor",
        "insider",
        "auxiliary",
        "both",
        "set adversary",
        "validation people",
        "converged",
    ):
        assert word in text
    assert "TPR at 1 % FPR" in text and "95 % interval" in text
    assert "bootstrap" not in visible(page_of(example())).split("What the chosen names")[0]


def test_the_page_warns_of_a_strongest_probe_that_had_not_converged(undrawn):
    report = example()
    assert "probe (both) had not converged" not in visible(page_of(report))
    report["results"][2] |= {"converged": False, "last_doubling": 0.016, "validation": 0.95}
    assert (
        "Male, sent features: the table1 probe (both) had not converged after 2,048 steps: its last doubling "
        in (visible(page_of(report)))
    )


def test_the_sentences_say_whether_a_difference_exceeds_its_intervals(undrawn):
    report = example()
    text = visible(page_of(report))
    # half-widths of 2.5 points each: their squares' root is 3.5
    assert "against the untrained extractor 5.0 points less, beyond the intervals (±3.5)" in text
    assert "Photographs: generated faces are drawings." in text
    for row in report["results"]:
        if (row["attribute"], row["representation"]) == ("Male", "random"):
            row["balanced_accuracy"] = interval(row["balanced_accuracy"]["value"] - 0.04, 0.025)
    text = visible(page_of(report))
    assert "against the untrained extractor no difference beyond the intervals (-1.0 ±3.5 points)" in text


def test_what_is_modelled_and_what_is_measured_never_share_a_table(undrawn):
    text = page_of(example())
    tables = [visible(table) for table in re.findall(r"<table>.*?</table>", text, flags=re.DOTALL)]
    assert sum("modelled" in one for one in tables) >= 4 and sum("measured" in one for one in tables) >= 2
    meant = [one for one in tables if not one.startswith("key here") and not one.startswith("key value")]
    assert not any("modelled" in one and "measured" in one for one in meant)


def test_only_settings_off_their_defaults_stand_first(undrawn):
    text = page_of(example())
    first = visible(text[text.index("What differs from the defaults") :].split("</table>")[0])
    assert "strategy.name" in first and "strategy.target" in first
    assert "federation.codec" not in first and "data.private" not in first
    assert "federation.codec" in visible(text)


def test_a_picture_says_names_as_they_are():
    label = f'{SCRIPT} $x$ id="a" 1.23456 #010101'
    source = draw(lambda axes: axes.set_xlabel(label), 100, "f", "a label")
    assert "&lt;script&gt;" in source and "$x$" in source and 'id="a" 1.23456 #010101' in source
    assert f"{INKS['ink']};" not in source


def test_text_is_escaped_where_it_enters():
    template = TEMPLATES.from_string('<p title="{{ title }}">{{ text }}</p>')
    written = template.render(title='"', text="<b>\u202e")
    assert written == '<p title="&#34;">&lt;b&gt;\\u202e</p>'
    table = TEMPLATES.from_string(
        '{% from "parts.html" import row, table with context %}'
        '{% call table(["x", "y"]) %}{{ row("1", cell) }}{% endcall %}'
    )
    assert '<td class="whole">a&amp;b</td>' in table.render(cell="a&b", draw=None)


def test_a_template_shows_nothing_that_it_was_not_given():
    with pytest.raises(UndefinedError, match="'text' is undefined"):
        TEMPLATES.from_string("{{ text }}").render()


def test_rebuilt_faces_are_shown_with_what_made_them_and_whether_it_had_converged(undrawn):
    report = example()
    shown = page_of(report, faces())
    for part in (
        "what the inversion found",
        "Converged after 2,048 steps, whose last doubling lowered the error by",
        "Not converged after 4,000 steps",
        "Warning: the inversion of images had not converged after 4,000 steps: the last doubling lowered its error "
        "by 7.1 %; raise evaluation.reconstruction_steps.",
        "Does a rebuilt face show who it is?",
        "78.0 (76-80)",
    ):
        assert part in " ".join(shown.split())
    assert shown.count('inverted"') == 3 and "the decoder of images had not" not in shown
    report["reconstruction"] |= {"inversion": None, "verification": None}
    without = page_of(report, faces())
    assert "Warning: " not in without and "show who it is" not in without
    assert "Without learning" not in without


def test_pictures_of_a_run_folder(tmp_path):
    assert pictures(tmp_path) is None
    images = np.zeros((2, 3, 8, 8), np.uint8)
    np.savez_compressed(tmp_path / "reconstruction.npz", original=images, reconstructed=images)
    found = pictures(tmp_path)
    assert found is not None and len(found.originals) == len(found.rebuilt) == 2
    assert found.originals[0].startswith(b"\x89PNG") and len(found.inverted) == 0
    arrays: dict[str, Any] = {"original": images, "reconstructed": images, "inverted": images[:1]}
    np.savez_compressed(tmp_path / "reconstruction.npz", **arrays)
    inverted = pictures(tmp_path)
    assert inverted is not None and len(inverted.inverted) == 1
    (tmp_path / "reconstruction.npz").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"reconstruction\.npz: is damaged"):
        pictures(tmp_path)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.0023, "2.3 ms"),
        (0.64, "640 ms"),
        (3.42, "3.4 s"),
        (252, "4 min 12 s"),
        (119.8, "2 min"),
        (11_100, "3 h 5 min"),
        (216_000, "2.5 days"),
        (None, "n/a"),
    ],
)
def test_seconds_in_words(seconds, words):
    assert duration(seconds) == words


def test_sizes_names_and_units_in_words():
    assert [size(n) for n in (12, 1500, 7.9e6, 3e9, 2e12)] == [
        "12 bytes",
        "1.5 kB",
        "7.9 MB",
        "3.0 GB",
        "2.0 TB",
    ]
    assert (shortened("a" * 30), readable("a\nb")) == ("a" * 19 + "…", "a\\nb")
    assert [clock(last)[1] for last in (10, 400, 9000, 1e6)] == ["seconds", "minutes", "hours", "days"]
