"""Pictures as SVG within the page: matplotlib draws, the page's style sheet colours.

Everything is drawn in the stand-in colours of ``INKS``; in the SVG they become custom properties such as
``var(--c1)``, so that one picture serves light and dark. Text stays text.
"""

import io
import re
import warnings
from collections.abc import Callable, Mapping
from html import escape

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tiprdc_fl.report import drawing
from tiprdc_fl.report.words import readable

WIDTH = 360.0  # units of the picture; a phone shows it at about this many pixels
TEXT = 11.0
# Stand-ins, each a colour that nothing else is drawn in: c1 to c6 are series, the rest is what it is called.
INKS = {
    **{"ink": "#010101", "quiet": "#020202", "line": "#030303", "card": "#fefefe"},
    **{f"c{number}": f"#0a0b{number:02x}" for number in range(1, 7)},
}
# Colour, marker and line of a series: readers who cannot tell two colours apart see two markers and lines.
SERIES = tuple(zip((INKS[name] for name in drawing.SERIES), drawing.MARKERS, drawing.LINES, strict=False))
TIMES = {
    **{0.001: "1 ms", 0.01: "10 ms", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min"},
    **{3600: "1 h", 36_000: "10 h", 172_800: "2 days", 864_000: "10 days"},
}
MORE_TIMES = {
    **{0.003: "3 ms", 0.03: "30 ms", 0.3: "0.3 s", 3: "3 s", 30: "30 s", 180: "3 min", 1800: "30 min"},
    **{10_800: "3 h", 86_400: "1 day", 432_000: "5 days"},
}


def log_times(axes: Axes, low: float, high: float) -> bool:
    """Makes the axis of seconds logarithmic where it is long enough, with marks such as 1 min; returns whether."""
    return _log(axes, low, high, TIMES, {**TIMES, **MORE_TIMES})


def log_counts(axes: Axes, low: float, high: float) -> bool:
    """Makes the axis of counts logarithmic where it is long enough; returns whether."""
    few, more = ([digit * 10**power for power in range(9) for digit in digits] for digits in ((1,), (1, 3)))
    return _log(axes, low, high, {n: f"{n:,}" for n in few}, {n: f"{n:,}" for n in more})


def _log(axes: Axes, low: float, high: float, few: Mapping[float, str], more: Mapping[float, str]) -> bool:
    """Marks an axis at few places, or at more where few are too few; a short axis stays linear."""
    for marks in (few, more):
        inside = {place: text for place, text in sorted(marks.items()) if low / 1.3 <= place <= 1.3 * high}
        if low > 0 and high > 3 * low and len(inside) > 2:
            axes.set_xscale("log")
            axes.set_xticks(list(inside), list(inside.values()))
            axes.minorticks_off()
            axes.set_xlim(low / 1.3, 1.3 * high)
            return True
    return False


def draw(paint: Callable[[Axes], None], height: float, prefix: str, label: str) -> Markup:
    """A picture of ``WIDTH`` by ``height`` units.

    Args:
        paint: draws into the axes.
        height: in units.
        prefix: of the ids within, another for every picture of a page.
        label: description for readers who cannot see the picture.
    """
    with drawing.styled(INKS, TEXT), warnings.catch_warnings():
        # The browser has the glyphs of a name that matplotlib's font lacks; only their width is a guess.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72, layout="constrained")
        paint(figure.subplots())
        written = io.StringIO()
        bare = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=bare)
    return Markup(_inline(written.getvalue(), height, prefix, label))


def _inline(source: str, height: float, prefix: str, label: str) -> str:
    """The SVG file of matplotlib as an element of the page; tags are rewritten, text stays as it is."""
    body = source[source.index(">", source.index("<svg")) + 1 :]
    body = re.sub(r"<style[^>]*>.*?</style>|<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', body))
    body = re.sub(r"<[^>]+>", lambda match: _rewritten(match[0], prefix, used), body)
    opening = (
        f'<svg class="plot" role="img" aria-label="{escape(readable(label))}" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}">'
    )
    return opening + re.sub(r">\s*\n\s*<", "><", body).strip()


def _rewritten(element: str, prefix: str, used: set[str]) -> str:
    """A tag of the picture: ids of its own, the page's font and colours, no more digits than pixels need."""
    element = re.sub(
        r' id="([^"]*)"', lambda match: f' id="{prefix}-{match[1]}"' if match[1] in used else "", element
    )
    element = re.sub(r'(url\(|href=")#', rf"\g<1>#{prefix}-", element)
    element = re.sub(r" font-family: [^;\"]*;|font-family: [^;\"]*", "", element)
    element = re.sub(r' transform="rotate\(-0 [^"]*"', "", element)
    element = re.sub(r"\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}", element)
    for name, colour in INKS.items():
        element = element.replace(colour, f"var(--{name})")
    return element
