"""TensorBoard scalars of a run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch.utils.tensorboard.writer import SummaryWriter

from tiprdc_fl.report.schema import headline

EPOCH_FIGURES = ("adversary_loss", "extractor_loss", "mutual_information_bound", "examples_per_second")


@contextmanager
def epoch_writer(folder: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes an epoch's figures of training, in a block."""
    with SummaryWriter(str(folder)) as writer:

        def write(figures: dict[str, Any]) -> None:
            epoch = figures["epoch"]
            for name in EPOCH_FIGURES:
                writer.add_scalar(f"training/{name}", figures[name], epoch)
            for attribute, value in figures["adversary_balanced_accuracy"].items():
                if value is None:
                    continue
                writer.add_scalar(f"training/adversary_balanced_accuracy/{attribute}", value, epoch)
            writer.flush()

        yield write


def write_report(report: dict[str, Any], folder: Path) -> None:
    """The report's figures as scalars: a point for each attribute, representation and probe."""
    with SummaryWriter(str(folder)) as writer:
        for row in report["results"]:
            probe = row["probe"] + ("_auxiliary" if row["learned_from"] == "collector" else "")
            name = f"{row['role']}/{row['attribute']}/{row['representation']}/{probe}"
            for figure in ("accuracy", "balanced_accuracy", "roc_auc", "usable_bits"):
                if row[figure]["value"] is not None:
                    writer.add_scalar(f"{figure}/{name}", row[figure]["value"])
        for name, value in headline(report).items():
            writer.add_scalar(f"headline/{name}", value)
