"""Pictures of the partition: who has how many examples, and with which labels."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from tiprdc_fl.report.html.charts import Chart, Entry
from tiprdc_fl.report.html.rows import FOOT, ROW, plain_rows
from tiprdc_fl.report.html.svg import INKS, SERIES, log_counts
from tiprdc_fl.report.schema import PartitionFigures, PrivateShare


def histogram(figures: PartitionFigures) -> Chart:
    """How many contributors have how many examples."""
    edges, counts = figures.histogram.edges, figures.histogram.counts
    widths = [right - left for left, right in pairwise(edges)]

    def paint(axes: Axes) -> None:
        axes.bar(
            edges[:-1],
            counts,
            widths,
            align="edge",
            color=INKS["c1"],
            edgecolor=INKS["card"],
            linewidth=1,
        )
        if max(widths) > 4 * min(widths):
            log_counts(axes, edges[0], edges[-1])
        median = figures.examples_per_contributor.p50
        axes.axvline(median, color=INKS["ink"], linestyle="--", linewidth=1.3)
        axes.set_xlabel("examples of a contributor (dashed: the median)")
        axes.set_ylabel("contributors")
        axes.grid(visible=False, axis="x")

    return Chart(220, paint)


def skew(figures: PartitionFigures) -> Chart:
    """Distance of contributors' label shares to those of all examples, and what chance alone would make it."""
    expected = figures.label_skew_expected

    def paint(axes: Axes) -> None:
        for place, (name, row) in enumerate(figures.label_skew.items()):
            band = {"linewidth": 5, "alpha": 0.3, "solid_capstyle": "butt"}
            axes.plot([row.p10, row.p90], [place, place], color=INKS["c2"], **band)
            axes.plot(row.mean, place, "s", color=INKS["c2"], markersize=8)
            outline = {"markerfacecolor": INKS["card"], "markeredgewidth": 1.6}
            axes.plot(expected[name], place, "D", color=INKS["c1"], **outline)
        plain_rows(axes, list(figures.label_skew))
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("total variation distance to all examples")

    legend = [
        Entry("mean; band: 10 to 90 % of contributors", INKS["c2"], "s"),
        Entry("by chance alone", INKS["c1"], "D", hollow=True),
    ]
    return Chart((ROW + 8) * len(figures.label_skew) + FOOT, paint, legend)


def private_share(shares: dict[str, PrivateShare]) -> Chart:
    """Share of value 1 within contributors, in order."""
    looks = {name: SERIES[number % len(SERIES)] for number, name in enumerate(shares)}

    def paint(axes: Axes) -> None:
        for name, (colour, marker, line) in looks.items():
            values = _percent(shares[name].values)
            places = [100 * number / (len(values) - 1) for number in range(len(values))]
            axes.plot(places, values, color=colour, marker=marker, linestyle=line)
            axes.axhline(100 * shares[name].whole, color=colour, linestyle=":", linewidth=1.3)
        axes.set_xlabel("contributors, from least to most, in %")
        axes.set_ylabel("share of value 1 in %")
        axes.set_ylim(-4, 104)

    return Chart(230, paint, [Entry(name, colour, marker) for name, (colour, marker, _) in looks.items()])


def _percent(values: Sequence[float]) -> list[float]:
    return [100 * value for value in values]
