"""report.html: one file without scripts and without the network, from a run's report."""

from collections.abc import Sequence
from importlib.resources import files

from tiprdc_fl.report.html.cards import Section, cards
from tiprdc_fl.report.html.elements import Html, Piece, join, tag
from tiprdc_fl.report.html.groups import groups
from tiprdc_fl.report.html.headline import headline_tiles
from tiprdc_fl.report.html.inference import inference
from tiprdc_fl.report.html.latency import latency
from tiprdc_fl.report.html.meaning import meaning
from tiprdc_fl.report.html.participation import participation
from tiprdc_fl.report.html.partition import partition
from tiprdc_fl.report.html.plain import plain
from tiprdc_fl.report.html.reconstruction import Pictures, reconstruction
from tiprdc_fl.report.html.run import configuration, course
from tiprdc_fl.report.html.training import training
from tiprdc_fl.report.schema import Report

# Whatever a page may hold, a browser fetches nothing for it and runs nothing in it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(of_run: Report | dict, pictures: Pictures | None = None) -> str:
    """The page of a run.

    Args:
        of_run: the report.
        pictures: of reconstructed faces, where there are any.
    """
    report = plain(Report.model_validate(of_run))
    people = report["people"]
    facts = (
        f"{people['contributors']['people']:,} contributors with {people['contributors']['examples']:,} examples; "
        f"extractor trained on {people['collector']['people']:,} people, measured on "
        f"{people['holdout']['people']:,} others; dataset {report['configuration']['data']['name']}, seed "
        f"{report['configuration']['seed']}"
    )
    top = (
        tag("p", "tiprdc_fl", class_="brand"),
        tag("h1", report["name"]),
        tag("p", f"Protection: {report['protection']}", class_="lead"),
        tag("p", f"{facts}.", class_="note"),
    )
    found = [
        *(meaning(report), inference(report), groups(report), latency(report), participation(report)),
        *(partition(report), reconstruction(report, pictures), training(report), course(report)),
        configuration(report),
    ]
    sections = [one for one in found if one is not None]
    return document(f"{report['name']}: report", top, headline_tiles(report), sections, report["caveat"])


def document(
    title: str, top: Sequence[Piece], first: Sequence[Html], sections: Sequence[Section], foot: str
) -> str:
    """A whole page.

    Args:
        title: of the browser's window.
        top: what stands in the header.
        first: what follows before the sections.
        sections: in their order; links at the top lead to them.
        foot: the last sentence.
    """
    links = (tag("a", one.title, href=f"#{one.anchor}") for one in sections)
    body = tag(
        "body",
        tag("header", *top, tag("nav", *links, aria_label="sections"), class_="top"),
        tag("main", *first, *(_section(one) for one in sections)),
        tag("footer", tag("p", foot)),
    )
    style = files("tiprdc_fl.report.html").joinpath("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        Html('<meta charset="utf-8">'),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style)),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en').source}\n"


def _section(section: Section) -> Html:
    """A heading with its sentence beside the figures, or above them on a narrow screen."""
    heading = tag("div", tag("h2", section.title), tag("p", section.intro), class_="heading")
    body = join(section.body) if section.wide else cards(section.body, section.anchor)  # pyright: ignore
    return tag(
        "section",
        heading,
        tag("div", body, class_="body" if section.wide else "body cards"),
        id=section.anchor,
    )
