"""``python -m simulations.benchmarks.latency``: what extraction takes, measured here and modelled on devices."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from simulations.benchmarks.command import number_of, parse_keys
from simulations.benchmarks.machine import machine
from simulations.common.arguments import OUT
from simulations.common.datasets import expanded
from simulations.common.files import open_out
from tiprdc_fl.errors import InputError, exit_status, leave

if TYPE_CHECKING:
    from simulations.benchmarks.latency.measured import Setting

ABOUT = """How long does a contributor's device take, stage by stage?

  measured   on this host, one contributor at a time, one thread: load (a JPEG file of 218x178), prepare, forward,
             encode; for each image size, batch and runtime, after a warm-up
  modelled   for the devices of a population: download of the extractor, compute (what was measured with
             onnxruntime in float32, times the device's slowdown), upload of the contribution

keys, with their defaults:
  devices=phones           set of device classes, as devices.name of a run
  people=1000              whose devices are modelled
  sizes=32,64,128,paper    image sizes; paper: 218x178 at width 64
  width=16                 of the other sizes' extractors
  batches=1,4,16,64        images of a contributor
  codec=float16            as federation.codec of a run
  seed=0                   of people and devices
  out=runs/studies         folder of tables and picture

Measured and modelled stand in tables and files of their own (CSV); both are in latency.json. The picture shows how
many of a class's devices would be done after how long."""
QUICK = {"sizes": "32,64", "batches": "1,16"}
DEFAULTS = {
    "devices": "phones",
    "people": "1000",
    "sizes": "32,64,128,paper",
    "width": "16",
    "batches": "1,4,16,64",
    "codec": "float16",
    "seed": "0",
    "out": str(OUT),
}
SECONDS, QUICK_SECONDS = 8.0, 2.0  # for the contributors of one size and batch
MOST = 4096
PACKAGES = ("torch", "onnxruntime")


@dataclass(frozen=True)
class Options:
    """The user's arguments.

    Attributes:
        setting: what is measured.
        devices: name of a device set.
        people: how many devices are modelled.
        seed: of people and devices.
        out: folder of the files.
    """

    setting: "Setting"
    devices: str
    people: int
    seed: int
    out: Path


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    given = sys.argv[1:] if arguments is None else arguments
    return exit_status(lambda: conduct(parse(given), console or Console()), "interrupted")


def parse(arguments: Sequence[str]) -> Options:
    """The command line.

    Raises:
        InputError: a key or its value is wrong.
        SystemExit: after ``--help``.
    """
    quick, given = parse_keys("latency", ABOUT, arguments, DEFAULTS)
    values = DEFAULTS | (QUICK if quick else {}) | given
    return _options(values, QUICK_SECONDS if quick else SECONDS)


def _options(values: dict[str, str], seconds: float) -> Options:
    from simulations.benchmarks.latency.measured import Setting, Size  # late: --help needs no torch
    from tiprdc_fl.store.codec import CODECS

    if values["codec"] not in CODECS:
        raise InputError(f"codec={values['codec']}: one of {', '.join(CODECS)} is expected")
    width = number_of("width", values["width"], 1, MOST)
    paper = Size((218, 178), 64)

    def size(text: str) -> Size:
        return paper if text == "paper" else Size((side := number_of("sizes", text, 32, MOST), side), width)

    sizes = tuple(dict.fromkeys(size(text) for text in values["sizes"].split(",")))
    batches = tuple(sorted({number_of("batches", text, 1, 64) for text in values["batches"].split(",")}))
    return Options(
        setting=Setting(sizes, batches, values["codec"], seconds),
        devices=values["devices"],
        people=number_of("people", values["people"], 1, 1_000_000),
        seed=number_of("seed", values["seed"], 0, 2**32),
        out=expanded(values["out"]),
    )


def conduct(options: Options, console: Console) -> None:
    """Measures, models, shows both and writes the files."""
    from simulations.benchmarks.latency import measured, modelled, output  # late, as above
    from tiprdc_fl.models.onnx import check_packages

    check_packages("simulations.benchmarks.latency")
    open_out(options.out)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    population = modelled.population_of(options.devices, options.people, options.seed)
    cells = list(
        measured.measure(options.setting, lambda line: console.print(line, style="dim", highlight=False))
    )
    if not cells:
        raise InputError("nothing was measured: every batch takes too long; name smaller sizes or batches")
    results = output.Results(
        machine=machine(PACKAGES),
        load=load,
        codec=options.setting.codec,
        measured=cells,
        population=population,
        modelled=list(modelled.model(cells, population)),
    )
    output.show(results, console)
    for path in output.publish(results, options.out):
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    leave(main())
