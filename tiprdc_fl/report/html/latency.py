"""Pictures of the modelled time of a contribution by device class."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from tiprdc_fl.report.html.charts import Chart, Entry
from tiprdc_fl.report.html.svg import SERIES, log_times

MARKS = (10, 25, 50, 75, 90, 95, 99, 100)  # percentiles of the table


@dataclass(frozen=True)
class Classes:
    """Device classes that share a picture.

    Attributes:
        at: class, from the fastest on -> seconds at the percentiles MARKS.
        chart: of their distributions.
    """

    at: dict[str, list[float]]
    chart: Chart

    @property
    def medians(self) -> dict[str, float]:
        """Class -> seconds of its median contributor."""
        return {name: seconds[MARKS.index(50)] for name, seconds in self.at.items()}


def class_pictures(curves: dict[str, Sequence[float]]) -> list[Classes]:
    """A picture for every six classes, so that no two of its curves look alike.

    Args:
        curves: class -> seconds at 101 equally spaced quantiles.
    """
    order = sorted(curves, key=lambda name: curves[name][len(curves[name]) // 2])
    pictures = -(-len(order) // len(SERIES))
    size = -(-len(order) // max(1, pictures))  # about the same number in every picture
    span = (min(map(min, curves.values()), default=0), max(map(max, curves.values()), default=0))
    parts = [order[size * number : size * (number + 1)] for number in range(pictures)]
    return [_classes({name: curves[name] for name in part}, span) for part in parts]


def _classes(curves: dict[str, Sequence[float]], span: tuple[float, float]) -> Classes:
    """Classes with their picture; ``span`` is the range of the axis in seconds."""
    looks = dict(zip(curves, SERIES, strict=False))

    def paint(axes: Axes) -> None:
        for name, seconds in curves.items():
            colour, marker, line = looks[name]
            shares = [100 * number / (len(seconds) - 1) for number in range(len(seconds))]
            axes.plot(seconds, shares, color=colour, marker=marker, linestyle=line, markevery=25)
        logarithmic = log_times(axes, *span)
        axes.set_xlabel(f"modelled time of a contribution{'' if logarithmic else ' in seconds'}")
        axes.set_ylabel("contributors in %")
        axes.set_ylim(-2, 102)

    at = {
        name: [seconds[round((len(seconds) - 1) * mark / 100)] for mark in MARKS]
        for name, seconds in curves.items()
    }
    legend = [Entry(name, colour, marker) for name, (colour, marker, _) in looks.items()]
    return Classes(at, Chart(250, paint, legend))
