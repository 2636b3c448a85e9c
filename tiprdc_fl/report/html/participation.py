"""Section: who was asked, who answered, and how the collection went on the virtual clock."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from strategies import USED
from tiprdc_fl.config.keys import show
from tiprdc_fl.report.html.cards import Plot, Section, boxed
from tiprdc_fl.report.html.elements import Html, details, table
from tiprdc_fl.report.html.rows import Row, height_of, paint_rows
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.words import clock, duration, size

INTRO = (
    "Who was asked and who answered, against the population. A group that answers less is heard less in "
    "whatever is learned from the collection."
)
MOST_ROWS = 25  # of a table of points in time
_PEOPLE = {
    "contributors": "contributors",
    "asked": "asked",
    "answered": "answered",
    "given_up": "given up",
    "not_asked": "never asked",
}
_REQUESTS = {
    "requests": "requests",
    "lost": "requests lost: broke off or failed",
    "late": "requests answered too late",
    "cut": "requests under way at the end",
    "duplicates": "answers that came twice",
}


def participation(report: dict[str, Any]) -> Section | None:
    """Shares of every group that answered, answers against virtual time, what it cost; None of an old report."""
    strategy = report["strategy"]
    if not strategy:
        return None
    found = strategy["participation"]
    body: list[Plot | Html] = []
    if report["devices"] and found["device"]:
        body.append(_devices(found["device"]))
    if found["attribute"]:
        body.append(_labels(found["attribute"]))
    if report["devices"] and strategy["timeline"]:
        body.append(_timeline(strategy))
    body.append(_outcome(strategy, report["devices"] is not None))
    return Section("participation", "Participation", INTRO, body)


def _devices(groups: Sequence[dict[str, Any]]) -> Plot:
    everybody = _rate(groups, "answered", "contributors")
    rows = [
        Row(
            one["group"],
            *(100 * one["answered"] / max(1, one["contributors"]), None, None),
            colour=INKS["c1"],
            others=(100 * one["asked"] / max(1, one["contributors"]),),
        )
        for one in groups
    ]
    return Plot(
        "Who answered, by device class",
        f"{everybody:.0f} % of all contributors answered (dotted); a class left of that is heard too little.",
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "contributors who answered, in %", 0, everybody, (-2, 103)),
        ("device class", "contributors", "asked", "answered", "answered, in %"),
        [
            (
                one["group"],
                *(f"{one[name]:,}" for name in ("contributors", "asked", "answered")),
                f"{100 * one['answered'] / max(1, one['contributors']):.1f}",
            )
            for one in groups
        ],
        note="Small strokes: how many were asked.",
    )


def _labels(groups: dict[str, Sequence[dict[str, Any]]]) -> Plot:
    rows, numbers = list(_label_rows(groups)), [one for found in groups.values() for one in found]
    everybody = max((_rate(found, "answered", "examples") for found in groups.values()), default=0.0)
    return Plot(
        "What was collected, by attribute",
        f"{everybody:.0f} % of the examples there are were collected (dotted); a value to the left of that is "
        "too rare in the collection.",
        height_of(rows),
        lambda axes: paint_rows(axes, rows, "examples collected, in %", 0, everybody, (-2, 103)),
        ("value", "examples", "collected", "collected, in %"),
        [
            (
                *(one["group"], f"{one['examples']:,}", f"{one['answered']:,}"),
                f"{100 * one['answered'] / max(1, one['examples']):.1f}",
            )
            for one in numbers
        ],
        note="Private attributes are the simulator's knowledge: the collector does not see them.",
    )


def _label_rows(groups: dict[str, Sequence[dict[str, Any]]]) -> Iterator[Row]:
    for name, found in groups.items():
        yield Row(name, heading=True)
        for one in found:
            value = 100 * one["answered"] / max(1, one["examples"])
            yield Row(one["group"], value, colour=INKS["c3"], marker="s")


def _rate(groups: Sequence[dict[str, Any]], part: str, whole: str) -> float:
    return 100 * sum(one[part] for one in groups) / max(1, sum(one[whole] for one in groups))


def _timeline(strategy: dict[str, Any]) -> Plot:
    points, total = strategy["timeline"], strategy["outcome"]["contributors"]
    last = max(points[-1]["seconds"], strategy["modelled"]["seconds"])
    unit, name = clock(last)

    def paint(axes: Axes) -> None:
        times = [0.0, *(point["seconds"] / unit for point in points)]
        answered = [0, *(point["answered"] for point in points)]
        axes.fill_between(times, answered, color=INKS["c1"], alpha=0.18, step="post", linewidth=0)
        axes.plot(times, answered, color=INKS["c1"], drawstyle="steps-post")
        axes.plot(times[-1], answered[-1], "o", color=INKS["c1"])
        axes.axhline(total, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        axes.set_xlabel(f"modelled time in {name}")
        axes.set_ylabel("contributors that answered")
        axes.set_ylim(0, 1.06 * total)

    step = max(1, -(-len(points) // MOST_ROWS))
    shown = [*points[::step], *([points[-1]] if (len(points) - 1) % step else [])]
    half = next((one["seconds"] for one in points if 2 * one["answered"] >= points[-1]["answered"]), last)
    return Plot(
        "Modelled: answers over time",
        f"{points[-1]['answered']:,} of {total:,} (dotted) by {duration(points[-1]['seconds'])} of the virtual "
        f"clock; half of them by {duration(half)}.",
        230,
        paint,
        ("modelled time", "answered", "examples"),
        [(duration(one["seconds"]), f"{one['answered']:,}", f"{one['examples']:,}") for one in shown],
        note="" if step == 1 else f"The table has one in {step} of {len(points):,} points, and the last.",
    )


def _outcome(strategy: dict[str, Any], modelled: bool) -> Html:
    """Counts, and what they cost; without devices everybody answers at once, and nothing is modelled."""
    counts = [(title, f"{strategy['outcome'][name]:,}") for name, title in {**_PEOPLE, **_REQUESTS}.items()]
    cost = strategy["modelled"]
    costs = [
        ("until it was over", duration(cost["seconds"])),
        ("sent to contributors", size(cost["downlink_bytes"])),
        ("sent by contributors", size(cost["uplink_bytes"])),
        ("of both in vain", size(cost["wasted_bytes"])),
        ("devices computed, in all", duration(cost["device_seconds"])),
    ]
    enough = {True: "It had what it wants. ", False: "It did not get what it wants. ", None: ""}
    clock = (
        "What became of it on the virtual clock"
        if modelled
        else "No device is modelled: everybody answers at once"
    )
    return boxed(
        f"The strategy: {strategy['name']}",
        f"{enough[strategy['enough']]}{clock}.",
        table(("", "modelled" if modelled else "count"), [*counts, *(costs if modelled else [])]),
        details("Its settings", table(("setting", "value"), list(_settings(strategy)))),
    )


def _settings(strategy: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What was set of the keys that this strategy reads; every key of a strategy that is not known here."""
    own = USED.get(strategy["name"])
    others = {name for names in USED.values() for name in names if own is not None and name not in own}
    for name, value in strategy["settings"].items():
        if name not in others:
            yield name, show(value)
