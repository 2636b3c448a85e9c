"""Tables, files and picture: what was measured and what was modelled, apart."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from simulations.benchmarks.latency.measured import MODELLED, SOURCE, Cell, Size
from simulations.benchmarks.latency.modelled import EVERYONE, Modelled, Population, basis_of
from simulations.benchmarks.latency.percentiles import cells, titles
from simulations.common.pictures import COLOURS, INK, TEXT, label, save_picture, shared_legend
from tiprdc_fl.devices.sets import describe
from tiprdc_fl.disk import write_json, write_text

WIDE = 180  # columns
MILLI = 1000.0
COLUMNS = 2  # of panels in the picture


@dataclass(frozen=True)
class Results:
    """The study's results.

    Attributes:
        machine: what was measured on.
        load: processes that wanted a CPU over the minute before; 0 where that is not known.
        codec: of the contributions.
        measured: on this host.
        population: whose devices are modelled.
        modelled: from it.
    """

    machine: str
    load: float
    codec: str
    measured: Sequence[Cell]
    population: Population
    modelled: Sequence[Modelled]

    @property
    def sizes(self) -> list[Size]:
        """That were measured."""
        return list(dict.fromkeys(cell.size for cell in self.measured))


def show(results: Results, console: Console) -> None:
    """Prints both tables."""
    wide = Console(file=console.file, width=max(WIDE, console.width))
    wide.print(f"\nMEASURED on {results.machine}", highlight=False, markup=False, style="bold")
    wide.print(_measured_note(results), highlight=False, markup=False)
    stages = list(results.measured[0].seconds)
    table = _table(["images", "runtime"], ["batch", "contri-\nbutors", *titles(stages, "ms")])
    for cell in results.measured:
        count = str(len(cell.seconds["total"]))
        table.add_row(str(cell.size), cell.runtime, str(cell.batch), count, *cells(cell.figures, MILLI))
    wide.print(table)
    title = results.population.devices.set.title
    wide.print(f"\nMODELLED: {title}", highlight=False, markup=False, style="bold")
    wide.print(_modelled_note(results), highlight=False, markup=False)
    table = _table(["images", "device class"], ["people", *titles(list(results.modelled[0].seconds), "s")])
    for modelled in results.modelled:
        table.add_row(
            str(modelled.size), modelled.kind, f"{len(modelled.seconds['total']):,}", *cells(modelled.figures)
        )
    wide.print(table)
    wide.print("")


def _table(words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for word in words:
        table.add_column(word, vertical="bottom")
    for title in numbers:
        table.add_column(title, justify="right", vertical="bottom")
    return table


def _measured_note(results: Results) -> str:
    return (
        f"One contributor at a time, one thread, after a warm-up; all its images are one batch. load: {SOURCE[0]}x"
        f"{SOURCE[1]} JPEG files decoded, cropped and resized; encode: {results.codec}. Columns are of "
        "contributors, not of images; medians of stages do not add up to that of the total; p99 of fewer than "
        "100 is near the largest. Small images are computed in passes of up to 24, zeros where there are fewer: "
        "one takes as long as 24. "
        f"Load when it began: {results.load:.1f} processes on {os.cpu_count()} CPUs; a busy machine takes "
        "longer.\n"
    )


def _modelled_note(results: Results) -> str:
    devices = results.population.devices.set
    batches = " or ".join(
        dict.fromkeys(str(basis_of(results.measured, size).batch) for size in results.sizes)
    )
    return (
        f"Only one number for each size is measured: compute is the median of an image above, {MODELLED}, "
        f"batches of {batches}, x images x slowdown. {len(results.population.examples):,} people have "
        f"{results.population.examples.mean():.0f} images on average. Slowdowns and links are of the device set "
        f"{devices.name}, relative to {devices.reference}. Each device is alone: no waiting, no queue.\n"
    )


def publish(results: Results, out: Path) -> list[Path]:
    """Writes tables, picture and JSON into a folder; returns their paths.

    Raises:
        InputError: a file cannot be written.
    """
    paths = [out / f"latency{rest}" for rest in ("-measured.csv", "-modelled.csv", "-modelled.png", ".json")]
    measured, modelled = list(_measured_rows(results)), list(_modelled_rows(results))
    write_text(paths[0], _csv(measured))
    write_text(paths[1], _csv(modelled))
    _save_picture(results, paths[2])
    write_json(
        paths[3],
        {
            "machine": results.machine,
            "load": results.load,
            "measured": {"note": _measured_note(results).strip(), "unit": "seconds", "rows": measured},
            "modelled": {
                "note": _modelled_note(results).strip(),
                "unit": "seconds",
                "people": len(results.population.examples),
                "examples": int(results.population.examples.sum()),
                "basis": [_basis(results, size) for size in results.sizes],
                "rows": modelled,
                "classes": describe(results.population.devices.set),
            },
        },
    )
    return paths


def _measured_rows(results: Results) -> Iterator[dict[str, Any]]:
    for cell in results.measured:
        for stage, figures in cell.figures.items():
            sizes = _size_columns(cell.size)
            counts = {"batch": cell.batch, "runtime": cell.runtime, "contributors": len(cell.seconds[stage])}
            yield {**sizes, **counts, "stage": stage, **figures}


def _modelled_rows(results: Results) -> Iterator[dict[str, Any]]:
    for modelled in results.modelled:
        for stage, figures in modelled.figures.items():
            named = {"device_class": modelled.kind, "people": len(modelled.seconds[stage]), "stage": stage}
            yield {**_size_columns(modelled.size), **named, **figures}


def _size_columns(size: Size) -> dict[str, int]:
    return {"height": size.image_size[0], "breadth": size.image_size[1], "width": size.width}


def _basis(results: Results, size: Size) -> dict[str, Any]:
    """What was measured that the modelled figures of a size stand on."""
    cell = basis_of(results.measured, size)
    return {
        **_size_columns(size),
        "runtime": cell.runtime,
        "batch": cell.batch,
        "seconds_per_image": cell.figures["total"]["p50"] / cell.batch,
        "download_bytes": cell.file_bytes,
        "upload_bytes_per_image": cell.sent_bytes / cell.batch,
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _save_picture(results: Results, path: Path) -> None:
    people = f"{len(results.population.examples):,} contributors"
    title = f"Modelled: {results.population.devices.set.title} ({people})"
    subtitle = f"download of the extractor, compute, upload of {results.codec} features"
    rows = -(-len(results.sizes) // COLUMNS)
    save_picture(path, (12, 1.5 + 4 * rows), f"{title}\n{subtitle}", lambda figure: _draw(figure, results))


def _draw(figure: Figure, results: Results) -> None:
    """The share of each class's devices that would be done by a moment, for each size."""
    columns = min(COLUMNS, len(results.sizes))
    rows = -(-len(results.sizes) // columns)
    grid = np.ravel(figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True))
    for axes, size in zip(grid, results.sizes, strict=False):
        _panel(axes, [modelled for modelled in results.modelled if modelled.size == size])
        axes.set_title(f"images of {size}", fontsize=TEXT)
    for axes in grid[len(results.sizes) :]:
        axes.remove()
    shared_legend(figure)


def _panel(axes: Axes, classes: Sequence[Modelled]) -> None:
    for number, modelled in enumerate(classes):
        seconds = np.sort(modelled.seconds["total"])
        everyone = modelled.kind == EVERYONE
        axes.step(
            seconds,
            100 * np.arange(1, len(seconds) + 1) / len(seconds),
            where="post",
            color=INK if everyone else COLOURS[number % len(COLOURS)],
            linestyle="--" if everyone else "-",
            label=modelled.kind,
        )
    axes.set_xscale("log")
    axes.set_ylim(0, 100)
    label(axes, "seconds, modelled", "devices that are done, %")
    axes.label_outer()
