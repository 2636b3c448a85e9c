"""Sections: where the time of the run went, its configuration, its environment."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from tiprdc_fl.config.keys import show
from tiprdc_fl.report.html.cards import Plot, Section, boxed
from tiprdc_fl.report.html.elements import Html, details, table, tag
from tiprdc_fl.report.html.rows import FOOT, ROW
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.settings import Setting, changed, flat
from tiprdc_fl.report.words import clock, duration, shortened, size


def course(report: dict[str, Any]) -> Section:
    """The stages of the run one after another, and its memory."""
    intro = "Wall-clock seconds of this host, added up over the sessions of the run."
    return Section("course", "The run", intro, [_stages(report["seconds"]), _costs(report)])


def _stages(seconds: dict[str, float]) -> Plot:
    names, lengths = list(seconds), list(seconds.values())
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    total = sum(lengths)
    unit, name = clock(total)
    longest = max(seconds, key=seconds.__getitem__, default="")

    def paint(axes: Axes) -> None:
        for place, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            axes.barh(
                *(place, max(length, 0.004 * total) / unit, 0.6, start / unit),
                color=INKS["c1"] if names[place] == longest else INKS["c6"],
            )
            across = axes.get_yaxis_transform()
            axes.text(1.02, place, duration(length), transform=across, va="center", color=INKS["ink"])
        axes.set_yticks(range(len(names)), [shortened(name) for name in names])
        axes.tick_params(axis="y", labelcolor=INKS["ink"])
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlim(0, 1.01 * total / unit or 1)
        axes.set_xlabel(f"{name} of work, stages one after another")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)

    share = 100 * seconds[longest] / total if total else 0
    return Plot(
        "Timeline of the stages",
        f"{duration(total)} in all; {longest} took {share:.0f} % of it.",
        ROW * max(1, len(names)) + FOOT,
        paint,
        ("stage", "seconds", "share in %"),
        [(name, f"{one:,.2f}", f"{100 * one / total if total else 0:.1f}") for name, one in seconds.items()],
    )


def _costs(report: dict[str, Any]) -> Html:
    federation, memory = report["federation"], report["memory"]
    rate, worker = federation["examples_per_second"], memory["worker_peak_bytes"]
    rows = [
        ("contributors asked", f"{federation['asked']:,}"),
        *((name, f"{federation[name]:,}") for name in ("answered", "failed", "withdrawn")),
        ("messages sent again", f"{federation['asked_again']:,}"),
        ("examples stored", f"{federation['examples']:,}"),
        ("examples a second", "n/a" if rate is None else f"{rate:,.0f}"),
        ("sent", size(federation["sent_bytes"])),
        ("sent to raw", f"{federation['sent_to_raw_ratio']:.2f}"),
        ("memory of the collector, most", size(memory["collector_peak_bytes"])),
        ("memory of a worker, most", "n/a" if worker is None else size(worker)),
    ]
    failures = [(str(one["contributor"]), one["stage"], one["reason"]) for one in federation["failures"]]
    more = details("Failures", table(("contributor", "stage", "reason"), failures)) if failures else None
    return boxed(
        "The collection, measured on this host",
        f"Engine {federation['engine']}, mode {federation['mode']}.",
        table(("", "measured"), rows),
        *([more] if more else []),
    )


def configuration(report: dict[str, Any]) -> Section:
    """What differs from the defaults, the whole, and what it ran on."""
    settings = changed(report["configuration"])
    different = (
        table(
            ("key", "here", "default"),
            [(_key(one), show(one.value), show(one.default)) for one in settings],
        )
        if settings
        else tag("p", "Every key is at its default.")
    )
    names = [(key, name, label) for key, labels in report["names"].items() for name, label in labels.items()]
    whole = [(key, show(value)) for key, value in flat(report["configuration"]).items()]
    body = [
        boxed("What differs from the defaults", "", different),
        boxed("What the names stand for", "", table(("key", "name", ""), names)),
        details("The whole configuration", table(("key", "value"), whole)),
        details("Environment", table(("", ""), _environment(report))),
    ]
    intro = (
        "The same configuration gives a contributor's features to the bit, on the same machine and versions. Who "
        "comes first depends on measured times, unless devices.seconds_per_example gives them."
    )
    return Section("configuration", "Configuration", intro, body, wide=True)


def _key(setting: Setting) -> Html:
    """A key over what it is for."""
    meaning = [tag("div", setting.meaning, class_="note")] if setting.meaning else []
    return tag("div", setting.key, *meaning)


def _environment(report: dict[str, Any]) -> Sequence[tuple[str, str]]:
    found = report["environment"]
    people = report["people"]
    return [
        ("command", " ".join(found["command"])),
        ("run folder", report["run_dir"]),
        ("Python", found["python"]),
        ("system", found["platform"]),
        ("CPUs", str(found["cpus"])),
        ("CUDA", found["cuda"] or "none"),
        ("code", found["code"]),
        *found["packages"].items(),
        *(
            (f"people: {name}", f"{group['people']:,} with {group['examples']:,} examples")
            for name, group in people.items()
        ),
        ("version of the report", str(report["schema_version"])),
    ]
