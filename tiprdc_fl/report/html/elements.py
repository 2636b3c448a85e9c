"""HTML from small pieces: text is escaped where it enters, and nowhere else."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from tiprdc_fl.report.words import readable

VOID = {"img", "meta"}
LONGEST_FIGURE = 18  # characters, such as "78.0 (75-81)"


@dataclass(frozen=True)
class Html:
    """HTML that is safe to put into a page as it is."""

    source: str


Piece = Html | str  # a str is text, to be escaped


def tag(name: str, /, *children: Piece, **attributes: str) -> Html:
    """An element; ``class_`` is the attribute class, ``aria_label`` is aria-label."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children).source}</{name}>")


def join(pieces: Iterable[Piece]) -> Html:
    """Pieces one after another."""
    return Html("".join(one.source if isinstance(one, Html) else _text(one) for one in pieces))


def _text(text: str) -> str:
    """Escaped, without characters that would hide or turn what stands beside them."""
    return escape(readable(text))


def table(head: Sequence[str], rows: Sequence[Sequence[Piece]], caption: str = "") -> Html:
    """A table that scrolls within itself where it is wider than the screen; the first column names the row."""
    top = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    lines = (tag("tr", tag("th", first, scope="row"), *map(_cell, rest)) for first, *rest in rows)
    title = (tag("caption", caption),) if caption else ()
    whole = tag("table", *title, top, tag("tbody", *lines))
    return tag(
        "div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption or ", ".join(head)
    )


def _cell(content: Piece) -> Html:
    """A cell; figures are not broken over lines, sentences are."""
    whole = isinstance(content, str) and len(content) <= LONGEST_FIGURE
    return tag("td", content, **({"class_": "whole"} if whole else {}))


def details(summary: str, *inside: Piece) -> Html:
    """Something folded away under a line that opens it."""
    return tag("details", tag("summary", summary), *inside)


def bullets(lines: Iterable[Piece]) -> Html:
    """A list of sentences."""
    return tag("ul", *(tag("li", line) for line in lines), class_="sentences")
