"""The picture of the study ``instrument``."""

from matplotlib.figure import Figure

from simulations.benchmarks.instrument.outcome import Outcome
from simulations.common.pictures import CHANCE, COLOURS, INK, QUIET, above, below, label
from simulations.common.sweeps import as_span
from tiprdc_fl.report.drawing import LIGHT, MARKERS


def draw(figure: Figure, outcome: Outcome) -> None:
    """A bar from chance to the Bayes accuracy of each case, and each probe's figure on it."""
    axes, rows = figure.add_subplot(), outcome.rows
    places = range(len(rows))
    widths = [100 * (as_span(row["bayes"]).value or 0) - CHANCE for row in rows]
    axes.barh(places, widths, left=CHANCE, height=0.7, color=LIGHT["line"], label="Bayes accuracy")
    for number, probe in enumerate(outcome.probes):
        known = [(place, as_span(row.get(probe)).value) for place, row in zip(places, rows, strict=True)]
        dots = [(100 * value, place) for place, value in known if value is not None]
        marker, colour = MARKERS[number % len(MARKERS)], COLOURS[number % len(COLOURS)]
        axes.plot(*zip(*dots, strict=True), marker, color=colour, markersize=6, alpha=0.8, label=probe)
    best = [as_span(row["figure"]) for row in rows]
    axes.errorbar(
        [100 * (figure.value or 0) for figure in best],
        places,
        xerr=[below(best), above(best)],
        fmt="|",
        color=INK,
        markersize=16,
        capsize=3,
        label="strongest on validation people",
    )
    axes.axvline(CHANCE, color=QUIET, linestyle=":", linewidth=1)
    axes.set_yticks(places, [str(row["case"]) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False, axis="y")
    label(axes, f"balanced accuracy in %, {outcome.size.people:,} people to learn from", "")
    figure.legend(ncols=5, loc="outside lower center", frameon=False)
