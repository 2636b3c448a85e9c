"""``python -m tiprdc_fl.export``: a run's extractor as files for a device, each with what it costs."""

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.data.source import first_rows
from tiprdc_fl.disk import write_bytes
from tiprdc_fl.errors import InputError, exit_status
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.cost import Cost, measure
from tiprdc_fl.models.extractor import Extractor, autocast, load_extractor, preprocess
from tiprdc_fl.models.onnx import (
    check_exportable,
    check_packages,
    example_input,
    to_int8,
    to_onnx,
    to_program,
    tolerance_of,
)
from tiprdc_fl.models.runtime import RUNTIMES, Runner
from tiprdc_fl.stages.registries import load_config
from tiprdc_fl.stages.runtime import calibration
from tiprdc_fl.store.paths import EXTRACTOR, RunFolder

COMPARED_ON = 64  # examples
OF_A_PERSON = 2
WIDE = 160  # columns
_ABOUT = """Write a frozen extractor as extractor.onnx, extractor.int8.onnx and extractor.pt2 (torch.export) and say
of each how far its features are from the extractor's own, how much memory it takes and how long one example takes.
They take preprocessed examples, in batches of any size; the preprocessing is in the files, in words. Of a run, real
examples are compared (of people held out), and int8 is calibrated on the collector's; of a file alone, random ones,
and int8 is left out. Noise that a protection adds is no part of a file."""
_EXAMPLES = """examples:
  python -m tiprdc_fl.export runs/faces
  python -m tiprdc_fl.export extractor.safetensors --format onnx --out phone
"""


@dataclass(frozen=True)
class Subject:
    """What is exported.

    Attributes:
        path: of the extractor's file.
        extractor: the extractor.
        inputs: preprocessed examples that features are compared on.
        calibration: preprocessed examples for int8; None of a file alone.
    """

    path: Path
    extractor: Extractor
    inputs: Tensor
    calibration: Tensor | None


@dataclass(frozen=True)
class Way:
    """A file, and how it is run.

    Attributes:
        path: of the file.
        title: what it is.
        features: of the subject's inputs, float32.
        precision: that torch runs it in.
    """

    path: Path
    title: str
    features: np.ndarray
    precision: str = "float32"


def main(arguments: Sequence[str] | None = None, console: Console | None = None) -> int:
    """The command line; returns the exit status: 0, 2 after a user's mistake, 130 after an interrupt."""
    parsed = _parser().parse_args(arguments)
    return exit_status(
        lambda: export(parsed.run, parsed.format, parsed.precision, parsed.out, console or Console()),
        interrupted="interrupted; what was written is whole",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tiprdc_fl.export",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder, or an extractor.safetensors")
    formats, precisions = ("onnx", "torch"), ("float32", "int8")
    parser.add_argument(
        "--format", nargs="+", choices=formats, default=formats, help="both, where nothing is said"
    )
    parser.add_argument(
        "--precision", nargs="+", choices=precisions, help="of ONNX; both, where nothing is said"
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help="folder of the files; else beside the extractor"
    )
    return parser


def export(
    run: Path, formats: Sequence[str], precisions: Sequence[str] | None, out: Path | None, console: Console
) -> None:
    """Writes the files of an extractor and shows what they cost.

    Args:
        run: a run folder, or an extractor's file.
        formats: of "onnx" and "torch".
        precisions: of "float32" and "int8"; None: both, or what is possible.
        out: folder; None: the extractor's.
        console: where the table is shown.

    Raises:
        InputError: there is no extractor or no network in it, a package is missing, a file cannot be written, or
            its features are not the extractor's.
    """
    if "onnx" in formats:
        check_packages("--format onnx")
    subject = open_subject(run)
    check_exportable(subject.extractor.architecture)
    if precisions and "int8" in precisions and ("onnx" not in formats or subject.calibration is None):
        fix = (
            "add --format onnx" if "onnx" not in formats else "name a run folder, whose examples calibrate it"
        )
        raise InputError(f"--precision int8: it is made of an ONNX file and examples; {fix}")
    folder = out or subject.path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be made ({error.strerror}); name another folder") from error
    ways = [*own_ways(subject), *written(subject, folder, formats, precisions or ("float32", "int8"))]
    show(subject, ways, console)


def open_subject(run: Path) -> Subject:
    """A run's extractor with examples of its people, or an extractor's file with random inputs.

    Raises:
        InputError: there is no extractor, or the run's data cannot be opened.
    """
    if run.is_file():
        extractor = load_extractor(run)
        return Subject(run, extractor, random_inputs(extractor.architecture), None)
    folder = RunFolder(run)
    if not folder.extractor.is_file():
        raise InputError(
            f"{run}: there is no {EXTRACTOR} there; name a run folder of tiprdc_fl.simulate whose training has "
            "ended, or an extractor's file"
        )
    from tiprdc_fl.stages.prepare import open_data  # late: --help does not wait for Flower

    extractor, config = load_extractor(folder.extractor), load_config(str(folder.config), [])
    _, dataset, people = open_data(config)
    shown = first_rows(dataset.load(people.holdout[: COMPARED_ON // OF_A_PERSON]), OF_A_PERSON)
    inputs = preprocess(extractor.architecture, shown.loaded)
    return Subject(
        folder.extractor,
        extractor,
        inputs,
        calibration(extractor.architecture, dataset, people.collector, config.seed),
    )


def random_inputs(architecture: Architecture) -> Tensor:
    """Random images or tokens, shaped as the network takes them; the same ones every time."""
    generator, empty = seeding.torch_generator(0, "export"), example_input(architecture, COMPARED_ON)
    if architecture.modality == "text":
        return torch.randint(1, len(architecture.vocabulary), empty.shape, generator=generator)
    return torch.rand(empty.shape, generator=generator).contiguous(memory_format=torch.channels_last)


def own_ways(subject: Subject) -> Iterator[Way]:
    """The extractor itself: in float32, which the others are compared with, and in its own precision."""
    for precision in dict.fromkeys(("float32", subject.extractor.architecture.precision)):
        yield Way(subject.path, f"torch, {precision}", in_torch(subject, precision), precision)


@torch.inference_mode()
def in_torch(subject: Subject, precision: str) -> np.ndarray:
    """The extractor's features of the subject's inputs, computed by torch."""
    with autocast(precision, "cpu"):
        return subject.extractor.network(subject.inputs).float().numpy()


def written(
    subject: Subject, folder: Path, formats: Sequence[str], precisions: Sequence[str]
) -> Iterator[Way]:
    """Writes the files, once their features are the extractor's."""
    extractor = subject.extractor
    if "onnx" in formats:
        model = to_onnx(extractor)
        if "float32" in precisions:
            run = RUNTIMES["onnxruntime"].start(extractor, model)
            yield _checked(subject, folder / "extractor.onnx", "onnxruntime, float32", model, run)
        if "int8" in precisions and subject.calibration is not None:
            small = to_int8(extractor, model, subject.calibration)
            features = RUNTIMES["onnxruntime"].start(extractor, small)(subject.inputs).numpy()
            yield _write(folder / "extractor.int8.onnx", "onnxruntime, int8", small, features)
    if "torch" in formats:
        program = to_program(extractor)
        run = torch.export.load(io.BytesIO(program)).module()
        yield _checked(subject, folder / "extractor.pt2", "torch.export, float32", program, run)


def _checked(subject: Subject, path: Path, title: str, data: bytes, run: Runner) -> Way:
    """Writes a float32 file, unless its features are further than ``tolerance_of`` allows from the extractor's."""
    features, own = run(subject.inputs).detach().numpy(), in_torch(subject, "float32")
    share = float(np.abs(features - own).max() / max(np.abs(own).max(), 1e-30))
    allowed = tolerance_of(subject.extractor.architecture)
    if not share <= allowed:
        raise InputError(
            f"{path} is not written: its features differ from the extractor's by {share:.1e} of the largest one, "
            f"{allowed:.0e} is allowed; other versions of torch and onnxruntime may do better"
        )
    return _write(path, title, data, features)


def _write(path: Path, title: str, data: bytes, features: np.ndarray) -> Way:
    write_bytes(path, data)
    return Way(path, title, features)


def show(subject: Subject, ways: Sequence[Way], console: Console) -> None:
    """Measures each file in a process of its own and prints the table.

    Args:
        subject: what was exported.
        ways: the first is what the others are compared with.
        console: where.
    """
    own, inputs = ways[0].features, subject.inputs.contiguous().numpy()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for title in ("file", "run by"):
        table.add_column(title, vertical="bottom")
    for title in (
        *("bytes", "difference\nlargest", "\nmean", "\nrelative", "peak\nMB", "of it\nidle MB"),
        *("p50\nms", "p95\nms"),
    ):
        table.add_column(title, justify="right", vertical="bottom")
    for way in ways:
        table.add_row(*_row(way, own, measure(way.path, inputs, way.precision)))
    Console(file=console.file, width=max(WIDE, console.width)).print(table)
    for line in _notes(subject, own):
        console.print(line, style="dim", highlight=False, markup=False)
    for path in dict.fromkeys(way.path for way in ways if way.path != subject.path):
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


def _row(way: Way, own: np.ndarray, cost: Cost) -> Iterator[str]:
    away = np.abs(way.features - own)
    relative = np.linalg.norm(way.features - own) / max(float(np.linalg.norm(own)), 1e-30)
    yield from (way.path.name, way.title, f"{way.path.stat().st_size:,}")
    yield from (f"{away.max():.2g}", f"{away.mean():.2g}", f"{relative:.2g}")
    yield from (f"{size / 1e6:.0f}" for size in (cost.peak_bytes, cost.idle_bytes))
    yield from (f"{1e3 * value:.3g}" for value in np.percentile(cost.seconds, [50, 95]))


def _notes(subject: Subject, own: np.ndarray) -> Iterator[str]:
    allowed = tolerance_of(subject.extractor.architecture)
    examples = "random inputs" if subject.calibration is None else "examples of people held out"
    yield (
        f"Differences are absolute, from torch's float32 features of {len(own)} {examples}; the largest of these "
        f"features is {np.abs(own).max():.3g}, and float32 files are within {allowed:.0e} of it. Relative is the "
        "root mean square difference as a share of the features' own."
    )
    if subject.extractor.architecture.per == "person":
        yield (
            "A device runs the file on each of its examples and sends the mean of the outputs, which is not in the "
            "file."
        )
    yield (
        "Measured on this host, each file in a process of its own, one thread, one example at a time, warm-up left "
        "out. Idle is that process before it reads the file."
    )


if __name__ == "__main__":
    sys.exit(main())
