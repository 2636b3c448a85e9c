"""Pictures of the extractor's training, epoch by epoch."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tiprdc_fl.report.html.charts import Chart, Entry
from tiprdc_fl.report.html.svg import INKS, SERIES
from tiprdc_fl.report.schema import Epoch

MARKED = 25  # epochs up to which each has its marker
_LOSSES = {
    "adversary_loss": Entry("adversary's cross-entropy", INKS["c2"], "o"),
    "extractor_loss": Entry("the extractor's loss", INKS["c1"], "s"),
    "mutual_information_bound": Entry("information kept", INKS["c3"], "^"),
}


def adversary(epochs: Sequence[Epoch], chance: float) -> Chart:
    """Balanced accuracy of the adversary in training by epoch; ``chance`` in %."""
    names = dict.fromkeys(name for epoch in epochs for name in epoch.adversary_balanced_accuracy)
    looks = {name: SERIES[number % len(SERIES)] for number, name in enumerate(names)}

    def paint(axes: Axes) -> None:
        for name, (colour, marker, line) in looks.items():
            values = [(epoch.epoch, epoch.adversary_balanced_accuracy.get(name)) for epoch in epochs]
            known = [(number, 100 * value) for number, value in values if value is not None]
            if known:
                sign = marker if len(epochs) <= MARKED else ""
                axes.plot(*zip(*known, strict=True), color=colour, marker=sign, linestyle=line)
        axes.axhline(chance, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        _mark_epochs(axes, epochs, "balanced accuracy in %")

    return Chart(210, paint, [Entry(name, colour, marker) for name, (colour, marker, _) in looks.items()])


def losses(epochs: Sequence[Epoch]) -> Chart:
    """Losses by epoch, in nats."""

    def paint(axes: Axes) -> None:
        for name, entry in _LOSSES.items():
            sign = entry.marker if len(epochs) <= MARKED else ""
            known = [
                (epoch.epoch, getattr(epoch, name)) for epoch in epochs if getattr(epoch, name) is not None
            ]
            if known:
                axes.plot(*zip(*known, strict=True), color=entry.colour, marker=sign)
        _mark_epochs(axes, epochs, "nats")

    return Chart(210, paint, list(_LOSSES.values()))


def _mark_epochs(axes: Axes, epochs: Sequence[Epoch], name: str) -> None:
    """Whole epochs along the axis, with a pale band over those of pretraining."""
    pretraining = sum(epoch.phase == "pretrain" for epoch in epochs)
    if pretraining:
        axes.axvspan(0.5, pretraining + 0.5, color=INKS["line"], alpha=0.45, linewidth=0)
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
