"""A figure of the page: picture, what to see in it, and its numbers as a table beneath."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes

from tiprdc_fl.report.html.elements import Html, Piece, details, join, table, tag
from tiprdc_fl.report.html.svg import INKS, draw

CHANGING = {colour: name for name, colour in INKS.items()}
_SHAPES = {
    "o": "M1 6a5 5 0 1 0 10 0a5 5 0 1 0-10 0z",
    "s": "M1.5 1.5h9v9h-9z",
    "^": "M6 1l5 9.5h-10z",
    "v": "M6 11l5-9.5h-10z",
    "D": "M6 0.5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
    "P": "M4 1h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
    "X": "M3 1l3 3l3-3l2 2l-3 3l3 3l-2 2l-3-3l-3 3l-2-2l3-3l-3-3z",
    "|": "M5 0h2v12h-2z",
    # Dotted lines, close and wide, as legends show them.
    ":": "M5 0h2v2h-2zM5 5h2v2h-2zM5 10h2v2h-2z",
    ". .": "M5 1h2v2h-2zM5 9h2v2h-2z",
}


@dataclass(frozen=True)
class Entry:
    """A line of a legend.

    Attributes:
        text: what the sign stands for.
        colour: one of INKS' stand-ins.
        marker: as matplotlib names it; ":" and ". ." are upright dotted lines.
        hollow: drawn as an outline.
    """

    text: str
    colour: str
    marker: str
    hollow: bool = False


@dataclass(frozen=True)
class Plot:
    """A figure.

    Attributes:
        title: of the figure.
        see: what to see in it, in a sentence.
        height: of the picture, in its units.
        paint: draws it.
        head: titles of the table's columns.
        rows: the figure's numbers.
        legend: what its signs stand for.
        note: what else has to be known to read it.
    """

    title: str
    see: str
    height: float
    paint: Callable[[Axes], None]
    head: Sequence[str]
    rows: Sequence[Sequence[Piece]]
    legend: Sequence[Entry] = ()
    note: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: where links lead to.
        title: its heading.
        intro: what it is about, in a sentence or two.
        body: figures, and whatever else is HTML.
        wide: its body is text over the whole breadth, no grid of cards.
    """

    anchor: str
    title: str
    intro: str
    body: Sequence[Plot | Html] = field(default_factory=tuple)
    wide: bool = False


def card(plot: Plot, prefix: str) -> Html:
    """A figure as a card of the page; ``prefix`` is another for every card."""
    picture = draw(plot.paint, plot.height, prefix, f"{plot.title}. {plot.see}")
    return boxed(
        plot.title,
        plot.see,
        *([legend(plot.legend)] if plot.legend else []),
        picture,
        *([tag("p", plot.note, class_="note")] if plot.note else []),
        details("The numbers", table(plot.head, plot.rows)),
        element="figure",
    )


def boxed(title: str, see: str, *inside: Piece, element: str = "div", across: bool = False) -> Html:
    """A card with a heading and a sentence; ``across`` the whole breadth, for broad tables."""
    name = "figcaption" if element == "figure" else "header"
    top = tag(name, tag("h3", title), *([tag("p", see)] if see else []))
    return tag(element, top, *inside, class_="card across" if across else "card")


def legend(entries: Sequence[Entry]) -> Html:
    """What signs stand for; it wraps where the names are long."""
    return tag("ul", *(tag("li", _sign(one), one.text) for one in entries), class_="legend")


def _sign(entry: Entry) -> Html:
    colour = f"var(--{CHANGING[entry.colour]})"
    paint = f"fill:{'none' if entry.hollow else colour};stroke:{colour}"
    shape = f'<path d="{_SHAPES[entry.marker]}" style="{paint}"/>'
    return Html(f'<svg viewBox="-1 -1 14 14" width="12" height="12" aria-hidden="true">{shape}</svg>')


def cards(body: Sequence[Plot | Html], anchor: str) -> Html:
    """Figures and other boxes of a section, in order."""
    return join(
        card(one, f"{anchor}{number}") if isinstance(one, Plot) else one for number, one in enumerate(body)
    )
