"""Section: the extractor's training, epoch by epoch."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tiprdc_fl.report.html.cards import Entry, Plot, Section
from tiprdc_fl.report.html.looks import chance
from tiprdc_fl.report.html.svg import INKS, SERIES

_LOSSES = {
    "adversary_loss": ("adversary's cross-entropy", "c2", "o"),
    "extractor_loss": ("what the extractor minimises", "c1", "s"),
    "mutual_information_bound": ("information kept (bound of Eq. 9)", "c3", "^"),
}
MARKED = 25  # epochs up to which each has its marker


def training(report: dict[str, Any]) -> Section | None:
    """Curves over epochs; None where nothing was trained."""
    epochs = report["training"]
    if not epochs:
        return None
    origin = report["training_from"]
    where = f" It was trained before and comes from {origin['path']}." if origin else ""
    intro = "The collector's training of the extractor (Algorithm 1); the pale band is pretraining." + where
    return Section("training", "Training", intro, [_adversary(report, epochs), _losses(epochs)])


def _adversary(report: dict[str, Any], epochs: Sequence[dict[str, Any]]) -> Plot:
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch["adversary_balanced_accuracy"]))
    looks = {name: SERIES[number % len(SERIES)] for number, name in enumerate(names)}
    blind = chance(report, names[0]) if names else 50.0

    def paint(axes: Axes) -> None:
        _pretraining(axes, epochs)
        for name, (colour, marker, line) in looks.items():
            values = [epoch["adversary_balanced_accuracy"].get(name) for epoch in epochs]
            known = [(e["epoch"], 100 * v) for e, v in zip(epochs, values, strict=True) if v is not None]
            if known:
                sign = marker if len(epochs) <= MARKED else ""
                axes.plot(*zip(*known, strict=True), color=colour, marker=sign, linestyle=line)
        axes.axhline(blind, color=INKS["quiet"], linestyle=":", linewidth=1.3)
        _epochs(axes, epochs, "balanced accuracy in %")

    return Plot(
        "The adversary trained with the extractor",
        "On held-out people of the collector. It looks beaten when fresh adversaries are not: this is no leakage "
        "figure.",
        210,
        paint,
        ("epoch", "phase", *names),
        [(str(epoch["epoch"]), epoch["phase"], *(_share(epoch, name) for name in names)) for epoch in epochs],
        [Entry(name, colour, marker) for name, (colour, marker, _) in looks.items()],
    )


def _share(epoch: dict[str, Any], name: str) -> str:
    value = epoch["adversary_balanced_accuracy"].get(name)
    return "n/a" if value is None else f"{100 * value:.1f}"


def _losses(epochs: Sequence[dict[str, Any]]) -> Plot:
    def paint(axes: Axes) -> None:
        _pretraining(axes, epochs)
        for name, (_, ink, marker) in _LOSSES.items():
            sign = marker if len(epochs) <= MARKED else ""
            axes.plot([e["epoch"] for e in epochs], [e[name] for e in epochs], color=INKS[ink], marker=sign)
        _epochs(axes, epochs, "nats")

    return Plot(
        "Losses",
        "The adversary's loss should rise while the bound on the information kept rises towards 0.",
        210,
        paint,
        ("epoch", "phase", *(title for title, _, _ in _LOSSES.values()), "examples/s"),
        [
            (
                *(str(epoch["epoch"]), epoch["phase"], *(f"{epoch[name]:.3f}" for name in _LOSSES)),
                f"{epoch['examples_per_second']:,.0f}",
            )
            for epoch in epochs
        ],
        [Entry(title, INKS[ink], marker) for title, ink, marker in _LOSSES.values()],
    )


def _pretraining(axes: Axes, epochs: Sequence[dict[str, Any]]) -> None:
    """A pale band over the epochs of pretraining."""
    count = sum(epoch["phase"] == "pretrain" for epoch in epochs)
    if count:
        axes.axvspan(0.5, count + 0.5, color=INKS["line"], alpha=0.45, linewidth=0)


def _epochs(axes: Axes, epochs: Sequence[dict[str, Any]], name: str) -> None:
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch")
    axes.set_ylabel(name)
