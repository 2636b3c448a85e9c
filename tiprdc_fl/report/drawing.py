"""How every picture is drawn, on the page and by a study: colours, markers, lines, and matplotlib's style."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib

# As html/style.css has them for a light page; c1 to c6 are series, the rest is what it is called.
LIGHT = {
    "ink": "#19212d",
    "quiet": "#525d6d",
    "line": "#dde2e9",
    "card": "#ffffff",
    "c1": "#0a66a8",
    "c2": "#bf4a06",
    "c3": "#007a58",
    "c4": "#a23f86",
    "c5": "#8f6000",
    "c6": "#5d7388",
}
SERIES = ("c1", "c2", "c3", "c4", "c5", "c6")
# What looks alike to one reader differs in marker and line.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES = ("-", (0, (6, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (8, 2, 1, 2, 1, 2)))


@contextmanager
def styled(inks: Mapping[str, str], text: float) -> Iterator[None]:
    """Draws within in the project's style, whatever the user's own matplotlibrc says.

    Args:
        inks: the colours, named as in LIGHT.
        text: size of letters, in points.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_style(inks, text))
        yield


def _style(inks: Mapping[str, str], text: float) -> dict[Any, Any]:
    """Settings of matplotlib."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "tiprdc_fl",  # the same picture is the same text
        "text.parse_math": False,  # names come from users' data: a dollar is a dollar
        "axes.unicode_minus": False,
        "font.size": text,
        "text.color": inks["ink"],
        "axes.labelcolor": inks["quiet"],
        "xtick.labelcolor": inks["quiet"],
        "ytick.labelcolor": inks["quiet"],
        "xtick.color": inks["line"],
        "ytick.color": inks["line"],
        "axes.edgecolor": inks["line"],
        "axes.linewidth": 1,
        "axes.labelsize": text,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.color": inks["line"],
        "grid.linewidth": 0.7,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "xtick.minor.size": 0,
        "ytick.minor.size": 0,
        "lines.linewidth": 2,
        "lines.markersize": 7,
    }
