"""Section: how long contributors take: modelled by device class, and measured on this host."""

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from tiprdc_fl.report.html.cards import Entry, Plot, Section, boxed
from tiprdc_fl.report.html.elements import Html, bullets, details, table, tag
from tiprdc_fl.report.html.svg import SERIES, log_times
from tiprdc_fl.report.words import duration

PERCENTILES = ("p50", "p90", "p95", "p99", "max")
_HEAD = {"p50": "median", "p90": "90 %", "p95": "95 %", "p99": "99 %", "max": "most"}
INTRO = (
    "Modelled: device classes on a virtual clock, from published speeds and bandwidths. Measured: this host's "
    "own seconds. The two are never in one table."
)
MEASURED_ONLY = "Seconds of this host for a contributor's work. No device was modelled in this run."
_SHARED = (
    "Contributors shared the network's batches: their seconds are a share of the cost, not a latency "
    "(federation.mode=latency has them work one after another)."
)


def latency(report: dict[str, Any]) -> Section:
    """Distribution of the modelled time by device class beside the measured stages."""
    found = report["latency"]
    body: list[Plot | Html] = [_measured(report, found)]
    if found and found["cdf"]:
        body[:0] = _cdfs(found["cdf"])
        body.append(_modelled(found["modelled"]))
    if report["devices"]:
        body.append(_devices(report["devices"]))
    return Section("latency", "Latency", INTRO if report["devices"] else MEASURED_ONLY, body)


def _cdfs(curves: dict[str, Sequence[float]]) -> Iterator[Plot]:
    """A picture for every six classes, from the fastest on, so that no two of its curves look alike."""
    order = sorted(curves, key=lambda name: curves[name][len(curves[name]) // 2])
    most = len(SERIES)
    several = -(-len(order) // most)
    each = -(-len(order) // several)  # as many in every picture, rather than a last one with a single curve
    shown = (min(map(min, curves.values())), max(map(max, curves.values())))
    for number in range(several):
        kept = set(order[number * each : (number + 1) * each])
        part = f", picture {number + 1} of {several}, from fast to slow" if several > 1 else ""
        yield _cdf({name: seconds for name, seconds in curves.items() if name in kept}, part, shown)


def _cdf(curves: dict[str, Sequence[float]], part: str, shown: tuple[float, float]) -> Plot:
    """The curves of at most six classes; ``part`` says which, ``shown`` is the time from and to."""
    looks = dict(zip(curves, SERIES, strict=False))

    def paint(axes: Axes) -> None:
        for name, seconds in curves.items():
            colour, marker, line = looks[name]
            shares = [100 * number / (len(seconds) - 1) for number in range(len(seconds))]
            axes.plot(seconds, shares, color=colour, marker=marker, linestyle=line, markevery=25)
        log = log_times(axes, *shown)
        axes.set_xlabel(f"modelled time from begin to answer{'' if log else ' in seconds'}")
        axes.set_ylabel("contributors in %")
        axes.set_ylim(-2, 102)

    marks = (10, 25, 50, 75, 90, 95, 99, 100)
    at = {
        name: [seconds[round((len(seconds) - 1) * mark / 100)] for mark in marks]
        for name, seconds in curves.items()
    }
    slowest = max(at, key=lambda name: at[name][2])
    fastest = min(at, key=lambda name: at[name][2])
    return Plot(
        f"Modelled: time of a contribution by device class{part}",
        f"Once a device has begun. The further right, the slower: the median contributor takes "
        f"{duration(at[fastest][2])} on {fastest}, {duration(at[slowest][2])} on {slowest}.",
        250,
        paint,
        ("device class, modelled", *(f"{mark} %" for mark in marks)),
        [(name, *(duration(one) for one in seconds)) for name, seconds in at.items()],
        [Entry(name, colour, marker) for name, (colour, marker, _) in looks.items()],
    )


def _measured(report: dict[str, Any], found: dict[str, Any] | None) -> Html:
    """Of an old report, which has no section "latency", the seconds of the section "federation"."""
    federation = report["federation"]
    stages = found["measured"] if found else federation["seconds_per_contributor"]
    known = [name for name in PERCENTILES if any(name in seconds for seconds in stages.values())]
    rows = [
        (stage, *(duration(seconds[name]) for name in known)) for stage, seconds in stages.items() if seconds
    ]
    note = found["measured_note"] if found else _SHARED * (federation["mode"] == "throughput")
    return boxed(
        "Measured on this host, by stage",
        "Seconds of one contributor's work, over contributors.",
        table(("stage, measured", *(_HEAD[name] for name in known)), rows),
        *([tag("p", f"{note[0].upper()}{note[1:]}", class_="note")] if note else []),
    )


def _modelled(classes: dict[str, dict[str, dict[str, float]]]) -> Html:
    rows = [
        (f"{name}: {stage}", *(duration(seconds[one]) for one in PERCENTILES))
        for name, stages in classes.items()
        for stage, seconds in stages.items()
    ]
    typical = [
        (name, *(duration(seconds["p50"]) for seconds in stages.values())) for name, stages in classes.items()
    ]
    return boxed(
        "Modelled: where the time goes",
        "Median of each stage; medians of stages do not add up to the median of the whole.",
        table(("device class, modelled", *next(iter(classes.values()))), typical),
        details("Every percentile", table(("modelled", *_HEAD.values()), rows)),
        across=True,
    )


def _devices(devices: dict[str, Any]) -> Html:
    rows = [
        (
            one["title"],
            f"{100 * one['share']:.0f} %",
            f"{one['people']:,}",
            f"{one['slowdown']:.3g}",
            f"{one['downlink_mbps']:.3g}, {one['uplink_mbps']:.3g}",
            f"{one['memory_mb']:,.0f}",
            f"{100 * one['failure_rate']:.1f} %",
        )
        for one in devices["classes"]
    ]
    sources = [
        f"{one['title']}, {field}: {text}"
        for one in devices["classes"]
        for field, text in one["sources"].items()
    ]
    head = ("class", "share", "contributors", "slowdown", "Mbit/s down, up", "memory MB", "drops out")
    calibration = devices["calibration"]
    return boxed(
        f"The devices: {devices['title']}",
        f"An example takes {duration(devices['seconds_per_example'])} of one core of this host, and as many times "
        f"that on a device as its slowdown. The collection starts at {devices['start_hour']:g} o'clock.",
        table(head, rows),
        tag(
            "p",
            f"This host stands for the reference, {devices['reference']}. Calibrated on "
            f"{calibration['examples']:,} examples of {calibration['contributors']:,} contributors, one at a time.",
            class_="note",
        ),
        details("Where these numbers come from", bullets(sources)),
        across=True,
    )
