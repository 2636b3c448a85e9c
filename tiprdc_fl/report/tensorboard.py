"""What TensorBoard shows of a run: curves of training, reconstructed faces, settings to compare runs by."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from tiprdc_fl.config.keys import Config, show
from tiprdc_fl.report.queries import attributes_of, headline, pooled_row, strongest
from tiprdc_fl.report.schema import Report
from tiprdc_fl.report.settings import PLACES, flat

EPOCH_FIGURES = ("adversary_loss", "extractor_loss", "mutual_information_bound", "examples_per_second")


@contextmanager
def epoch_writer(folder: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes an epoch's figures of training, in a block."""
    with SummaryWriter(str(folder)) as writer:

        def write(figures: dict[str, Any]) -> None:
            epoch = figures["epoch"]
            for name in EPOCH_FIGURES:
                if figures[name] is not None:
                    writer.add_scalar(f"training/{name}", figures[name], epoch)
            for attribute, value in figures["adversary_balanced_accuracy"].items():
                if value is None:
                    continue
                writer.add_scalar(f"training/adversary_balanced_accuracy/{attribute}", value, epoch)
            writer.flush()

        yield write


def write_report(report: Report, folder: Path, grid: Path | None = None) -> None:
    """The report's settings as hyper-parameters, its headline as their metrics, its picture.

    ``tensorboard --logdir`` over several run folders then compares them under HPARAMS.

    Args:
        report: of the run.
        folder: of the event files.
        grid: PNG of reconstructed faces, where there is one.
    """
    with SummaryWriter(str(folder)) as writer:
        metrics = headline_metrics(report)
        for name, value in metrics.items():
            writer.add_scalar(name, value)  # HPARAMS reads its metrics from scalars
        for summary in hparams(hyperparameters(report.configuration), metrics):
            writer._get_file_writer().add_summary(summary)  # add_hparams would make a second run of it
        if grid is not None and grid.is_file():
            with Image.open(grid) as picture:
                writer.add_image("reconstruction", np.array(picture.convert("RGB")), dataformats="HWC")


def hyperparameters(configuration: Config) -> dict[str, int | float | str]:
    """A report's configuration as TensorBoard takes it: dotted keys, numbers, and text for everything else."""
    return {
        # A bool is an int, too, and would stand as 1 or 0.
        name: value if isinstance(value, int | float) and not isinstance(value, bool) else show(value)
        for name, value in flat(configuration).items()
        if name not in PLACES
    }


def headline_metrics(report: Report) -> dict[str, float]:
    """What runs are compared by: leakage, also pooled and beside the floor, utility, bytes, modelled seconds."""
    metrics: dict[str, float | None] = {f"headline/{name}": value for name, value in headline(report).items()}
    for attribute in attributes_of(report.results, "private"):
        for kind, name in {"features": "leakage", "metadata": "label_floor"}.items():
            pooled = pooled_row(report.results, attribute, kind)
            if pooled is not None:
                metrics[f"headline/{name}_pooled/{attribute}"] = pooled.per_person.value
        for kind, name in {"metadata": "label_floor", "features+metadata": "leakage_with_metadata"}.items():
            best = strongest(report.results, attribute, kind)
            if best is not None:
                metrics[f"headline/{name}/{attribute}"] = best.balanced_accuracy.value
    metrics["headline/unconverged_probes"] = float(sum(not row.converged for row in report.results))
    metrics["headline/sent_bytes_per_example"] = report.federation.sent_bytes_per_example
    if report.devices is not None:
        metrics["headline/modelled_seconds"] = report.strategy.modelled.seconds
    return {name: value for name, value in metrics.items() if value is not None}
