"""Who is asked when, and what it costs: ``python -m simulations.strategies [key=value ...]``.

Every strategy is after about half of what there is, on the same contributors and devices. Devices go with an
attribute, so that whoever takes only fast answers takes other people. Times, bytes and losses are modelled on the
virtual clock; what probes find in what was collected is measured.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.figures import (
    UNDEFINED,
    Column,
    Report,
    Row,
    Span,
    of_people,
    private_of,
    tasks_of,
    worst_group,
)
from simulations.common.output import Outcome
from simulations.common.pictures import COLOURS, MARKERS, TEXT, Series, label, points, shared_legend
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import attribute_cells, attribute_columns, names_of
from tiprdc_fl.config.keys import Config
from tiprdc_fl.errors import InputError
from tiprdc_fl.report.read import read_report
from tiprdc_fl.report.schema import DeviceParticipation, ValueParticipation

GOAL = 0.5  # of the contributors' examples: when are they there?
AIM = (
    0.55  # of contributors or examples, what strategies are after: chance must not leave them just below GOAL
)
SHORTEST = 1.0  # seconds, on a logarithmic axis
OVER = 1.2  # how many times AIM a strategy asks that does not replace whom it loses


def _cases(config: Config, options: Options) -> list[Case]:
    """A case for each strategy, quota's two kinds apart."""
    if config.devices.name is None:
        raise InputError("devices.name=null: simulations.strategies compares times of devices; leave it out")
    target, window = max(1, round(AIM * config.clients)), max(1, config.clients // 4)
    wanted, under_way = f"strategy.target={target}", f"strategy.window={window}"
    bias = (
        ()
        if config.devices.correlated_with
        else (f"devices.correlated_with={(config.data.private or [''])[0]}",)
    )

    def case(name: str, setting: str, *keys: str) -> Case:
        facts = {"strategy": name, "setting": setting}
        return Case(", ".join(filter(None, facts.values())), (f"strategy.name={name}", *keys, *bias), facts)

    return [
        case("everyone", ""),
        case("uniform", f"{OVER * AIM:.0%}", f"strategy.fraction={OVER * AIM:g}"),
        case("over_select", f"{target}", wanted),
        case("deadline", f"{config.strategy.deadline / 3600:g} h"),
        case("quota", "label", "strategy.per=label", f"strategy.quota={_of_rarest(config)}", under_way),
        case("quota", "device", "strategy.per=device", f"strategy.quota={_of_device(config)}", under_way),
        case("fair", f"{target}", wanted),
        case("async_window", f"{window}", wanted, under_way),
    ]


def _of_rarest(config: Config) -> int:
    """AIM of the examples of the rarest value of any task: a random order has about AIM of all by then."""
    labels = examples_of(config)
    counts = [np.bincount(labels[name])[np.unique(labels[name])].min() for name in config.data.tasks or []]
    return max(1, int(AIM * min(counts)))


def _of_device(config: Config) -> int:
    """The same number of each device class, or all that a class has, which together are AIM of the examples."""
    whole = len(next(iter(examples_of(config).values())))
    return max(1, int(level(whole * shares_of(config), AIM * whole)))


def level(amounts: np.ndarray, total: float) -> float:
    """How much to take of each amount, or all of it where there is less, to have ``total`` of them together."""
    ascending = np.sort(amounts)
    for number, amount in enumerate(ascending):
        rest = total - ascending[:number].sum()
        if rest <= amount * (len(ascending) - number):
            return float(rest / (len(ascending) - number))
    return float(ascending[-1])


def examples_of(config: Config) -> dict[str, np.ndarray]:
    """The tasks' labels of all contributors' examples."""
    from tiprdc_fl.stages.prepare import open_data  # late: it imports torch, which --help needs not

    _, dataset, people = open_data(config)
    attributes = dataset.labels(people.contributors).attributes
    return {name: attributes[name] for name in config.data.tasks or []}


def shares_of(config: Config) -> np.ndarray:
    """The device classes' shares of the population."""
    from tiprdc_fl.devices.sets import load_devices

    return np.array([kind.share for kind in load_devices(config.devices.name or "").classes])


def _columns(config: Config) -> list[Column]:
    names, private = names_of(config), config.data.private or []
    return [
        Column("strategy", "strategy", "label"),
        Column("setting", "setting", "label"),
        Column("hours_to_goal", f"modelled h to\n{GOAL:.0%} of all", "number", brief=True),
        Column("hours", "until\nenough", "number", brief=True),
        Column("examples", "examples", "count"),
        *(
            Column(name, name, "count")
            for name in ("asked", "answered", "requests", "lost", "late", "duplicates")
        ),
        *(Column(f"{name}_mb", f"{name}\nMB", "number", brief=True) for name in ("down", "up", "wasted")),
        Column("slowest", "slowest\nclass", "note", terminal=False),
        Column("slowest_share", "slowest\nclass: share", brief=True),
        Column("slowest_answered", "of the\nanswers", brief=True),
        *(column for name in private for column in _collected_columns(name)),
        *attribute_columns(config, plain=False),
        *(column for name in names for column in _worst_columns(name)),
    ]


def _collected_columns(name: str) -> tuple[Column, Column]:
    return (
        Column(f"share_{name}", f"{name}:\nshare", brief=True),
        Column(f"collected_{name}", "of what\ncame", brief=True),
    )


def _worst_columns(name: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"group_{name}", f"worst group\n{name}", brief=True),
        Column(f"group_name_{name}", "which", "note", terminal=False),
        Column(f"tenth_{name}", f"worst tenth\n{name}", brief=True, terminal=False),
    )


Participants = Sequence[ValueParticipation] | Sequence[DeviceParticipation]


def _measure(case: Case, report: Report) -> list[Row]:
    strategy = report.strategy
    outcome, cost = strategy.outcome, strategy.modelled
    row: Row = {**case.facts, "examples": float(report.federation.examples)}
    row |= {"hours_to_goal": _hours(seconds_to_goal(report)), "hours": _hours(cost.seconds)}
    counted = ("asked", "answered", "requests", "lost", "late", "duplicates")
    row |= {name: float(getattr(outcome, name)) for name in counted}
    sizes = {"down": "downlink_bytes", "up": "uplink_bytes", "wasted": "wasted_bytes"}
    row |= {f"{name}_mb": Span(getattr(cost, key) / 1e6) for name, key in sizes.items()}
    row |= _slowest(report) | attribute_cells(report)
    for name in private_of(report):
        row |= _collected(strategy.participation.attribute[name], name)
    for name in [*private_of(report), *tasks_of(report)]:
        figure, group = worst_group(report, name)
        row |= {f"group_{name}": figure, f"group_name_{name}": group}
        row |= {f"tenth_{name}": of_people(report, name, "worst_tenth")}
    return [row]


def _hours(seconds: float | None) -> Span:
    return UNDEFINED if seconds is None else Span(seconds / 3600)


def seconds_to_goal(report: Report) -> float | None:
    """Modelled seconds until GOAL of the contributors' examples had come; None where they never had."""
    wanted = GOAL * report.people.contributors.examples
    times = [moment.seconds for moment in report.strategy.timeline if moment.examples >= wanted]
    return min(times, default=None)


def _slowest(report: Report) -> Row:
    """The slowest class that anybody has: its share of the contributors, and of the answers."""
    rows = {row.group: row for row in report.strategy.participation.device}
    classes = report.devices.classes if report.devices else ()
    titles = [kind.title for kind in sorted(classes, key=lambda kind: kind.slowdown)]
    slowest = next(title for title in reversed(titles) if rows[title].contributors)
    return {
        "slowest": slowest,
        "slowest_share": _part(list(rows.values()), slowest, "contributors"),
        "slowest_answered": _part(list(rows.values()), slowest, "answered"),
    }


def _collected(rows: Sequence[ValueParticipation], name: str) -> Row:
    """The share of the attribute's value 1 in what contributors have, and in what was collected."""
    return {
        f"share_{name}": _part(rows, f"{name}=1", "examples"),
        f"collected_{name}": _part(rows, f"{name}=1", "answered"),
    }


def _part(rows: Participants, group: str, count: str) -> Span:
    """A group's share of a count; not defined where the count is 0."""
    whole = sum(getattr(row, count) for row in rows)
    return (
        Span(sum(getattr(row, count) for row in rows if row.group == group) / whole) if whole else UNDEFINED
    )


def _draw(figure: Figure, outcome: Outcome) -> None:
    """The first seed's: examples against time, and the share of each device class that took part."""
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for number, name in enumerate(dict.fromkeys(name for name, _, _ in outcome.runs)):
        report = read_report(outcome.folder_of(name))
        _course(left, name, report, number)
        _participation(right, name, report, number)
    left.axhline(100 * GOAL, color="grey", linestyle=":", linewidth=1)
    left.set_xscale("log")
    left.xaxis.set_major_formatter("{x:g}")
    label(left, "modelled hours since the first request", "collected, % of the contributors' examples")
    label(right, "device class, from fast to slow", "% of its contributors who answered")
    shared_legend(figure)


def _course(axes: Axes, name: str, report: Report, number: int) -> None:
    whole, timeline = report.people.contributors.examples, report.strategy.timeline
    hours = [max(SHORTEST, moment.seconds) / 3600 for moment in timeline]
    share = [100 * moment.examples / whole for moment in timeline]
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    axes.step(hours, share, where="post", color=colour)
    axes.plot(hours[-1:], share[-1:], color=colour, marker=marker, markersize=10, linestyle="-", label=name)


def _participation(axes: Axes, name: str, report: Report, number: int) -> None:
    rows = [row for row in report.strategy.participation.device if row.contributors]
    shares = [Span(row.answered / row.contributors) for row in rows]
    points(axes, range(len(rows)), Series(name, shares), number, "-")
    titles = [textwrap.fill(row.group, 12) for row in rows]
    axes.set_xticks(range(len(rows)), titles, fontsize=TEXT - 2)


STUDY = Study(
    name="strategies",
    question="What does it cost to get half of the examples, and from whom do they come?",
    about=(
        f"The paper asks everybody and waits. Strategies are after {AIM:.0%} of contributors or examples; the "
        f"first hours are until {GOAL:.0%} of all examples are there, n/a where they never are. Devices go with "
        "the first private attribute unless devices.correlated_with names another: compare its share among the "
        "contributors and in what came. The worst group, of the holdout people's device classes and attributes, "
        "is the one with the lowest utility or the highest leakage."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    defaults=("strategy.deadline=14400", "devices.correlation=0.8", "devices.seconds_per_example=0.0003"),
    attributes={"faces": ("data.holdout_people=300",)},
    note="times, bytes and losses are modelled and accuracies measured",
)


if __name__ == "__main__":
    start(STUDY)
