"""Picture of where the time of the run went."""

from itertools import accumulate

from matplotlib.axes import Axes

from tiprdc_fl.report.html.charts import Chart
from tiprdc_fl.report.html.rows import FOOT, ROW, plain_rows
from tiprdc_fl.report.html.svg import INKS
from tiprdc_fl.report.words import clock, duration


def stages(seconds: dict[str, float]) -> Chart:
    """The stages of the run one after another; the longest stands out."""
    starts = [0.0, *accumulate(seconds.values())]
    total, longest = starts[-1], max(seconds.values(), default=0.0)
    unit, name = clock(total)

    def paint(axes: Axes) -> None:
        for place, length in enumerate(seconds.values()):
            width = max(length, 0.004 * total) / unit  # so that a short stage is seen
            colour = INKS["c1"] if length == longest else INKS["c6"]
            axes.barh(place, width, 0.6, starts[place] / unit, color=colour)
            across = axes.get_yaxis_transform()
            axes.text(1.02, place, duration(length), transform=across, va="center", color=INKS["ink"])
        plain_rows(axes, list(seconds))
        axes.set_xlim(0, 1.01 * total / unit or 1)
        axes.set_xlabel(f"{name} of work, stages one after another")

    return Chart(ROW * max(1, len(seconds)) + FOOT, paint)
