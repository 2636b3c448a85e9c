"""Figures and names in words, the same on the terminal, on the page and in comparisons."""

from collections.abc import Iterable
from math import ceil, floor
from typing import Any

from tiprdc_fl.report.schema import Interval, ProbeResult, StrongestProbe

TITLES = {  # of the representations, in the order in which they are shown
    "features": "sent features",
    "metadata": "label floor",
    "features+metadata": "features + metadata",
    "random": "untrained extractor",
    "raw": "raw data",
    "majority": "blind guess",
}
AFTER_OTHERS = ("random", "raw", "majority")  # other protections, which TITLES lacks, are shown before these
# Whose labels a probe has, and whether it knows the protection.
SOURCES = {"contributors": "insider", "collector": "auxiliary", "both": "both", "informed": "informed"}

_UNITS = ((172_800, 86_400, "days"), (7_200, 3_600, "hours"), (300, 60, "minutes"), (0, 1, "seconds"))


def title_of(representation: str) -> str:
    """A representation in words; another protection by its name."""
    return TITLES.get(representation) or readable(representation)


def in_order(representations: Iterable[str]) -> list[str]:
    """Each representation once, in the order in which they are shown."""
    given = list(dict.fromkeys(representations))
    others = [name for name in given if name not in TITLES]
    first = [name for name in TITLES if name not in AFTER_OTHERS]
    return [name for name in (*first, *others, *AFTER_OTHERS) if name in given]


def share(figure: Interval[float]) -> str:
    """A share with its interval, in %, such as "63.7 (59-68)"; "n/a" where it is not defined."""
    if figure.value is None or figure.low is None or figure.high is None:
        return "n/a"
    value = f"{100 * figure.value:.1f}"
    return value if figure.low == figure.high else f"{value} ({whole_range(figure.low, figure.high)})"


def whole_range(low: float, high: float) -> str:
    """A range of shares in whole %, such as "59-68", rounded outwards: it is never narrower than it is."""
    return f"{floor(round(100 * low, 6))}-{ceil(round(100 * high, 6))}"


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many digits after the point; "n/a" where it is not defined."""
    return "n/a" if value is None else f"{value:.{digits}f}"


def probe_name(row: ProbeResult | StrongestProbe) -> str:
    """A probe and whose labels it learned from, such as "linear probe (auxiliary)"."""
    return f"{row.probe} probe ({SOURCES[row.learned_from]})"


def points(share: float | None) -> str:
    """A difference of shares in points, such as "1.6"; "n/a" where it is not defined."""
    return "n/a" if share is None else f"{100 * share:.1f}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 12 ms, 3.4 s, 4 min 12 s, 3 h 5 min, 2.5 days."""
    if seconds is None:
        return "n/a"
    if seconds < 1:
        return f"{1000 * seconds:,.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:,.2g} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{seconds / 86400:,.1f} days"


def clock(last: float) -> tuple[float, str]:
    """Seconds of a unit, and its name, for an axis of times up to ``last`` seconds."""
    return next((unit, name) for least, unit, name in _UNITS if last >= least)


def size(count: float) -> str:
    """Bytes as people say them, such as 7.9 MB; a thousand bytes are a kB."""
    for power, unit in ((12, "TB"), (9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def readable(name: Any) -> str:
    """A name from somebody's data on one line, with what cannot be printed escaped."""
    letters = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(name))
    return "".join(letters)


def shortened(name: Any, length: int = 20) -> str:
    """A name for a picture; the whole one stands in the table beneath it."""
    text = readable(name)
    return text if len(text) <= length else f"{text[: length - 1]}…"
