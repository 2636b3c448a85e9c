"""The first thing on the page: utility kept, leakage left, what it cost."""

from collections.abc import Iterator
from typing import Any

from tiprdc_fl.report.html.elements import Html, tag
from tiprdc_fl.report.html.looks import chance, names
from tiprdc_fl.report.html.plain import percent
from tiprdc_fl.report.queries import pooled_row, strongest
from tiprdc_fl.report.words import duration, size

KEY = (
    "Balanced accuracy of the strongest fresh probe on what was sent, measured on people nobody learned from. The "
    "bar begins at chance and could end at 100 %"
)
RAW = "; the upright stroke is the same on raw data"
NOT_ENOUGH = ", which was not enough for it"
LEAST = 1.0  # points by which raw data must beat chance for a share of that to mean anything


def headline_tiles(report: dict[str, Any]) -> tuple[Html, ...]:
    """A tile for each private attribute and each task, and beneath them the costs."""
    figures = tag("div", *_leaks(report), *_uses(report), class_="tiles")
    costs = tag("div", *_costs(report), class_="tiles")
    raw = any(row["representation"] == "raw" for row in report["results"])
    return figures, tag("p", f"{KEY}{RAW if raw else ''}.", class_="note key"), costs


def _leaks(report: dict[str, Any]) -> Iterator[Html]:
    most = report["configuration"]["evaluation"]["max_per_person"]
    for attribute in names(report, "private"):
        pooled = pooled_row(report["results"], attribute)
        more = (
            f"{percent(pooled, 'per_person')} from up to {most} examples of a person. "
            if pooled
            else "From one example. "
        )
        yield _figure(report, attribute, "leak", f"{attribute}: leakage left", more)


def _uses(report: dict[str, Any]) -> Iterator[Html]:
    for attribute in names(report, "task"):
        yield _figure(report, attribute, "use", f"{attribute}: utility kept", "")


def _figure(report: dict[str, Any], attribute: str, kind: str, title: str, more: str) -> Html:
    """A tile of one attribute: figure, gauge from chance to certainty, controls."""
    best, raw = (strongest(report["results"], attribute, one) for one in ("features", "raw"))
    if best is None:
        return _tile(kind, title, "n/a", "Not defined: the people measured have one value of it.")
    blind, value = chance(report, attribute), percent(best)
    number, _, interval = value.partition(" ")
    text = f"{more}{_kept(best, raw, blind)}Chance {blind:.0f}."
    return _tile(
        kind,
        title,
        f"{number} %",
        text,
        interval.strip("()").replace("-", "\u2013"),
        _gauge(best["balanced_accuracy"], raw, blind),
    )


def _kept(best: dict[str, Any], raw: dict[str, Any] | None, blind: float) -> str:
    """What is left of what raw data tells beyond chance."""
    if raw is None:
        return ""
    whole = 100 * raw["balanced_accuracy"]["value"] - blind
    text = f"Raw data {percent(raw)}"
    if whole < LEAST:
        return f"{text}: no better than chance. "
    left = 100 * (100 * best["balanced_accuracy"]["value"] - blind) / whole
    return (
        f"{text}: {left:.0f} % of its gain is left. "
        if left < 100
        else f"{text}: nothing of its gain is lost. "
    )


def _gauge(figure: dict[str, Any], raw: dict[str, Any] | None, blind: float) -> Html:
    """Where the figure lies between chance and 100 %; a stroke where raw data lies. Below chance is chance."""

    def at(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - blind) / max(1e-9, 100 - blind))), 2)

    low, value, high = (at(100 * figure[part]) for part in ("low", "value", "high"))
    parts = [
        tag("i", class_="fill", style=f"right:{100 - value}%"),
        tag("i", class_="range", style=f"left:{low}%;right:{100 - high}%"),
        tag("i", class_="dot", style=f"left:{value}%"),
    ]
    if raw is not None:
        parts.insert(0, tag("i", class_="mark", style=f"left:{at(100 * raw['balanced_accuracy']['value'])}%"))
    return tag("div", *parts, class_="gauge", aria_hidden="true")


def _costs(report: dict[str, Any]) -> Iterator[Html]:
    federation, strategy = report["federation"], report["strategy"]
    each, ratio = federation["sent_bytes_per_example"], federation["sent_to_raw_ratio"]
    text = f"{each:,.0f} bytes an example, {ratio:.2f} times the raw data."
    yield _tile("cost", "Sent by contributors", size(federation["sent_bytes"]), text)
    if strategy and report["devices"]:
        outcome, modelled = strategy["outcome"], strategy["modelled"]
        yield _tile(
            "cost",
            "Modelled time",
            duration(modelled["seconds"]),
            f"On the virtual clock, strategy {strategy['name']}: {outcome['answered']:,} of "
            f"{outcome['contributors']:,} answered{NOT_ENOUGH if strategy['enough'] is False else ''}. "
            f"{_shares(modelled['seconds_to_share'])}",
        )
    total, collection = sum(report["seconds"].values()), report["seconds"].get("collection")
    asked = f"{federation['answered']:,} of {federation['asked']:,} contributors asked sent; "
    yield _tile(
        "cost",
        "Time on this host",
        duration(total),
        f"{asked}the collection took {duration(collection)} of it.",
    )


def _tile(kind: str, title: str, number: str, text: str, interval: str = "", *more: Html) -> Html:
    extra = (tag("span", f"95 %: {interval}"),) if interval else ()
    return tag(
        "div",
        tag("h3", title),
        tag("p", tag("strong", number), *extra, class_="number"),
        *more,
        tag("p", text, class_="note"),
        class_=f"tile {kind}",
    )


def _shares(seconds: dict[str, float | None]) -> str:
    """When half and 95 % of the answers had come."""
    half, most = seconds["p50"], seconds["p95"]
    if half is None or most is None:
        return ""
    return f"Half of these answers came within {duration(half)}, 95 % within {duration(most)}."
