"""Section: who has which examples: how contributors differ from one another."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from tiprdc_fl.report.html.cards import Entry, Plot, Section
from tiprdc_fl.report.html.rows import FOOT, ROW
from tiprdc_fl.report.html.svg import INKS, SERIES, log_counts
from tiprdc_fl.report.sentences import partition_lines
from tiprdc_fl.report.words import shortened

_SUMMARY = ("min", "p10", "p50", "mean", "p90", "max")
_SUMMARY_HEAD = ("the smallest", "10 %", "the median", "the mean", "90 %", "the largest")


def partition(report: dict[str, Any]) -> Section | None:
    """Examples a contributor, label skew and private share; None of an old report."""
    found = report["partition"]
    if not found:
        return None
    whose, sizes = list(partition_lines(report))[:2]
    body = [_histogram(found), _skew(found)]
    body += [_private(found["private_share"])] if found["private_share"] else []
    return Section("partition", "Who has what", f"Partition {whose} {sizes}", body)


def _histogram(found: dict[str, Any]) -> Plot:
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    summary = found["examples_per_contributor"]

    def paint(axes: Axes) -> None:
        widths = [right - left for left, right in pairwise(edges)]
        axes.bar(
            *(edges[:-1], counts, widths),
            **{"align": "edge", "color": INKS["c1"], "edgecolor": INKS["card"], "linewidth": 1},
        )
        if max(widths) > 4 * min(widths):
            log_counts(axes, edges[0], edges[-1])
        axes.axvline(summary["p50"], color=INKS["ink"], linestyle="--", linewidth=1.3)
        axes.set_xlabel("examples of a contributor (dashed: the median)")
        axes.set_ylabel("contributors")
        axes.grid(visible=False, axis="x")

    values = [f"{summary[name]:,.1f}".removesuffix(".0") for name in _SUMMARY]
    bins = zip(pairwise(edges), counts, strict=True)
    return Plot(
        "Examples of a contributor",
        f"The median contributor has {values[2]}; one in ten at most {values[1]}, one in ten at least {values[4]}.",
        220,
        paint,
        ("examples", "contributors"),
        [
            *((_range(first, after - 1), f"{count:,}") for (first, after), count in bins),
            *((f"{name} contributor's", value) for name, value in zip(_SUMMARY_HEAD, values, strict=True)),
        ],
    )


def _range(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _skew(found: dict[str, Any]) -> Plot:
    skew, expected = found["label_skew"], found["label_skew_expected"]

    def paint(axes: Axes) -> None:
        for place, (name, row) in enumerate(skew.items()):
            axes.plot(
                *([row["p10"], row["p90"]], [place, place]),
                **{"color": INKS["c2"], "linewidth": 5, "alpha": 0.3, "solid_capstyle": "butt"},
            )
            axes.plot(row["mean"], place, "s", color=INKS["c2"], markersize=8)
            axes.plot(
                *(expected[name], place, "D"),
                **{"color": INKS["c1"], "markerfacecolor": INKS["card"], "markeredgewidth": 1.6},
            )
        axes.set_yticks(range(len(skew)), [shortened(name) for name in skew])
        axes.tick_params(axis="y", labelcolor=INKS["ink"])
        axes.set_ylim(len(skew) - 0.5, -0.5)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("total variation distance to the whole")
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)

    return Plot(
        "Label skew",
        "How far contributors' label shares lie from those of the whole; where square and diamond meet there is no "
        "skew beyond that of small samples.",
        (ROW + 8) * len(skew) + FOOT,
        paint,
        ("attribute", "10 %", "median", "mean", "90 %", "most", "mean without skew"),
        [
            (
                *(name, *(f"{row[one]:.3f}" for one in ("p10", "p50", "mean", "p90", "max"))),
                f"{expected[name]:.3f}",
            )
            for name, row in skew.items()
        ],
        [
            Entry("mean; band: 10 to 90 % of contributors", INKS["c2"], "s"),
            Entry("if chance had dealt", INKS["c1"], "D", True),
        ],
    )


def _private(shares: dict[str, dict[str, Any]]) -> Plot:
    looks = list(zip(shares.items(), _looks(len(shares)), strict=True))

    def paint(axes: Axes) -> None:
        for (_, one), (colour, marker, line) in looks:
            places = [100 * number / (len(one["values"]) - 1) for number in range(len(one["values"]))]
            axes.plot(places, _percent(one["values"]), color=colour, marker=marker, linestyle=line)
            axes.axhline(100 * one["whole"], color=colour, linestyle=":", linewidth=1.3)
        axes.set_xlabel("contributors, from least to most, in %")
        axes.set_ylabel("share of value 1 in %")
        axes.set_ylim(-4, 104)

    deciles = [f"{10 * number} %" for number in range(11)]
    return Plot(
        "Private attribute within contributors",
        "A step from 0 to 100 is a trait of the person; a flat line at the dotted whole says that contributors are "
        "alike.",
        230,
        paint,
        ("attribute", *deciles, "whole"),
        [
            (name, *(f"{value:.0f}" for value in _percent(one["values"])), f"{100 * one['whole']:.0f}")
            for name, one in shares.items()
        ],
        [Entry(name, colour, marker) for (name, _), (colour, marker, _) in looks],
    )


def _looks(count: int) -> Iterator[tuple]:
    return (SERIES[number % len(SERIES)] for number in range(count))


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]
