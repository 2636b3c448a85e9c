"""What TensorBoard shows of a run: scalars, the picture of reconstructions, settings to compare runs by."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.tensorboard.summary import hparams
from torch.utils.tensorboard.writer import SummaryWriter

from tiprdc_fl.config.keys import show
from tiprdc_fl.report.queries import answered_shares, headline, pooled_row
from tiprdc_fl.report.settings import PLACES, flat

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


def write_report(report: dict[str, Any], folder: Path, grid: Path | None = None) -> None:
    """The report's figures as scalars, its settings as hyper-parameters, its picture.

    ``tensorboard --logdir`` over several run folders then compares them under HPARAMS.

    Args:
        report: what report.json holds.
        folder: of the event files.
        grid: PNG of reconstructed faces, where there is one.
    """
    with SummaryWriter(str(folder)) as writer:
        for name, value in (_probes(report) | _groups(report) | _participation(report)).items():
            writer.add_scalar(name, value)
        metrics = headline_metrics(report)
        for name, value in metrics.items():
            writer.add_scalar(name, value)
        for summary in hparams(hyperparameters(report["configuration"]), metrics):
            writer._get_file_writer().add_summary(summary)  # add_hparams would make a second run of it
        if grid is not None and grid.is_file():
            with Image.open(grid) as picture:
                writer.add_image("reconstruction", np.array(picture.convert("RGB")), dataformats="HWC")


def hyperparameters(configuration: dict[str, Any]) -> dict[str, int | float | str]:
    """A report's configuration as TensorBoard takes it: dotted keys, numbers, and text for everything else."""
    return {
        # A bool is an int, too, and would stand as 1 or 0.
        name: value if isinstance(value, int | float) and not isinstance(value, bool) else show(value)
        for name, value in flat(configuration).items()
        if name not in PLACES
    }


def headline_metrics(report: dict[str, Any]) -> dict[str, float]:
    """What runs are compared by: leakage, also pooled, utility, bytes and modelled seconds."""
    found = {f"headline/{name}": value for name, value in headline(report).items()}
    for attribute in dict.fromkeys(row["attribute"] for row in report["results"] if row["role"] == "private"):
        pooled = pooled_row(report["results"], attribute)
        if pooled is not None:
            found[f"headline/leakage_pooled/{attribute}"] = pooled["per_person"]["value"]
    found["headline/sent_bytes_per_example"] = report["federation"]["sent_bytes_per_example"]
    if report["devices"]:
        found["headline/modelled_seconds"] = report["strategy"]["modelled"]["seconds"]
    return {name: value for name, value in found.items() if value is not None}


def _probes(report: dict[str, Any]) -> dict[str, float]:
    """A figure of each attribute, representation and probe."""
    found = {}
    for row in report["results"]:
        probe = row["probe"] + ("_auxiliary" if row["learned_from"] == "collector" else "")
        name = f"{row['role']}/{row['attribute']}/{row['representation']}/{probe}"
        for figure in ("accuracy", "balanced_accuracy", "roc_auc", "usable_bits"):
            if row[figure]["value"] is not None:
                found[f"{figure}/{name}"] = row[figure]["value"]
    return found


def _groups(report: dict[str, Any]) -> dict[str, float]:
    """Balanced accuracy of each group, and what the tenth of the people worst off have."""
    found = {}
    for row in report["groups"]:
        if row["balanced_accuracy"]["value"] is not None:
            name = f"groups/{row['role']}/{row['attribute']}/{row['group_by']}/{row['group']}"
            found[name] = row["balanced_accuracy"]["value"]
    for row in report["worst_off"]:
        if row["worst_tenth"]["value"] is not None:
            found[f"worst_off/{row['role']}/{row['attribute']}/tenth"] = row["worst_tenth"]["value"]
    return found


def _participation(report: dict[str, Any]) -> dict[str, float]:
    """The share of each group that answered."""
    shares = answered_shares(report)
    return {f"participation/{by}/{group}": value for (by, group), value in shares.items()}
