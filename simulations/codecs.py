"""What a payload codec costs and saves: ``python -m simulations.codecs [key=value ...]``."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from simulations.common.arguments import Options
from simulations.common.command import start
from simulations.common.datasets import modality_of
from simulations.common.figures import UNDEFINED, Column, Report, Row, Span
from simulations.common.output import Outcome
from simulations.common.pictures import QUIET, TEXT, Series, label, points, shared_legend
from simulations.common.runs import Case
from simulations.common.study import Study
from simulations.common.sweeps import as_span, attribute_cells, attribute_columns, attributes_of, figure_key
from tiprdc_fl.config.keys import Config
from tiprdc_fl.store.paths import RunFolder

if TYPE_CHECKING:
    from torch import Tensor

BASE = "float32"  # the codec that the others are compared with
PEOPLE = 50  # holdout people whose examples are encoded for sizes and times
CALL = 20  # examples encoded by one call, about as many as a contributor has
TURNS = 5
QUALITY = 90  # of the JPEG files that images are compared with
GOAL = 20  # times below float32, a line in the picture
CHANGING = ("leakage_", "utility_")  # how the names of figures begin that depend on the codec


class Sample(NamedTuple):
    """Features of holdout people, as they are before they are encoded, and what they were made of.

    Attributes:
        rows: channels of all examples one after another, float32 [r, values].
        counts: rows of each example, int64 [n].
        raw_bytes: mean of an example.
        jpeg_bytes: mean of an example as a JPEG file; None for messages.
    """

    rows: "Tensor"
    counts: np.ndarray
    raw_bytes: float
    jpeg_bytes: float | None


def _cases(config: Config, options: Options) -> list[Case]:
    """A run for each number format: zstd changes bytes and times, and no value."""
    from tiprdc_fl.store.codec import CODECS  # late: it imports torch, which --help needs not

    names = [name for name, codec in CODECS.items() if not codec.zstd]
    return [Case(name, (f"federation.codec={name}",), {"codec": name}) for name in names]


def _columns(config: Config) -> list[Column]:
    image = modality_of(config.data.name, config.data.root) == "image"
    accuracies = attribute_columns(config, plain=False)
    return [
        Column("codec", "codec", "label"),
        Column("bytes", "bytes per\nexample", "count"),
        Column("times", f"times below\n{BASE}", "number", brief=True),
        Column("to_raw", "x raw\npixels" if image else "x UTF-8", "number", brief=True),
        *([Column("to_jpeg", f"x JPEG\n{QUALITY}", "number", brief=True)] if image else []),
        Column("encode_us", "encode\nus", "number", brief=True),
        Column("decode_us", "decode\nus", "number", brief=True),
        *(part for accuracy in accuracies for part in _with_change(accuracy)),
    ]


def _with_change(figure: Column) -> list[Column]:
    """A figure's column and that of its change; no codec changes the label floor."""
    if not figure.key.startswith(CHANGING):
        return [figure]
    return [figure, Column(f"change_{figure.key}", "change,\npoints", "number", brief=True)]


def _measure(case: Case, report: Report) -> list[Row]:
    """Two rows, without zstd and with it: bytes and times, and what probes find once the run's are decoded."""
    sample = sample_of(Path(report.run_dir))
    codec, accuracies = str(case.facts["codec"]), attribute_cells(report)
    return [_costs(sample, name) | accuracies for name in (codec, f"{codec}+zstd")]


def _costs(sample: Sample, codec: str) -> Row:
    size, encoding, decoding = cost(sample, codec)
    jpeg = {} if sample.jpeg_bytes is None else {"to_jpeg": Span(size / sample.jpeg_bytes)}
    times = {"encode_us": Span(encoding), "decode_us": Span(decoding)}
    return {"codec": codec, "bytes": size, "to_raw": Span(size / sample.raw_bytes), **jpeg, **times}


def sample_of(run: Path) -> Sample:
    """Features of the first PEOPLE holdout people of a run, by its own extractor."""
    from tiprdc_fl.models.extractor import forward, load_extractor, preprocess  # late: --help needs no torch
    from tiprdc_fl.models.text import valid_steps
    from tiprdc_fl.stages.prepare import open_data
    from tiprdc_fl.stages.registries import load_config

    extractor = load_extractor(RunFolder(run).extractor)
    _, dataset, people = open_data(load_config(str(RunFolder(run).config), []))
    examples = dataset.load(people.holdout[:PEOPLE])
    z = forward(extractor, preprocess(extractor.architecture, examples.loaded)).float()
    raw = float(examples.raw_bytes.mean())
    if isinstance(examples.loaded, list):
        valid = valid_steps(z)
        return Sample(z[valid], valid.sum(dim=1).numpy(), raw, None)
    rows = z.flatten(2) if z.ndim > 2 else z[:, None]
    jpegs = [jpeg_bytes(image) for image in examples.loaded[:].permute(0, 2, 3, 1).numpy()]
    return Sample(rows.flatten(0, 1), np.full(len(rows), rows.shape[1]), raw, float(np.mean(jpegs)))


def jpeg_bytes(image: np.ndarray) -> int:
    """Size of an image, uint8 [height, width, 3], as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "jpeg", quality=QUALITY)
    return file.tell()


def cost(sample: Sample, codec: str) -> tuple[float, float, float]:
    """Bytes, and microseconds of encoding and decoding, of an example; times are medians over calls of CALL."""
    from tiprdc_fl.store.codec import decode, encode  # late, as above

    values = sample.rows.shape[1]
    chunks = [sample.counts[start : start + CALL] for start in range(0, len(sample.counts), CALL)]
    batches = sample.rows.split([int(counts.sum()) for counts in chunks])
    with _one_thread():
        sent = [encode(rows, counts, codec) for rows, counts in zip(batches, chunks, strict=True)]
        encoding = _median(
            [
                lambda r=rows, c=counts: encode(r, c, codec)
                for rows, counts in zip(batches, chunks, strict=True)
            ],
            chunks,
        )
        decoding = _median([lambda p=p, s=s: decode(p, s, codec, values) for p, s in sent], chunks)
    return float(np.concatenate([sizes for _, sizes in sent]).mean()), encoding, decoding


def _median(calls: list[Callable[[], object]], chunks: list[np.ndarray]) -> float:
    """Microseconds of an example, the median over all calls in TURNS turns."""
    seconds = []
    for _ in range(TURNS):
        for call, counts in zip(calls, chunks, strict=True):
            start = perf_counter()
            call()
            seconds.append((perf_counter() - start) / len(counts))
    return 1e6 * float(np.median(seconds))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread, as on a contributor's device."""
    import torch  # late, as above

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _compare(rows: list[Row]) -> list[Row]:
    """The rows of one seed with what changes against BASE: times below its bytes, points of each accuracy."""
    base = next(row for row in rows if row["codec"] == BASE)
    accuracies = [key for key in base if key.startswith(CHANGING)]
    compared = []
    for row in rows:
        changes = {f"change_{key}": _points(as_span(row[key]), as_span(base[key])) for key in accuracies}
        compared.append({**row, "times": Span(float(base["bytes"]) / float(row["bytes"])), **changes})  # pyright: ignore
    return compared


def _points(accuracy: Span, base: Span) -> Span:
    if accuracy.value is None or base.value is None:
        return UNDEFINED
    return Span(100 * (accuracy.value - base.value))


def _draw(figure: Figure, outcome: Outcome) -> None:
    axes = figure.add_subplot()
    rows = sorted(outcome.rows, key=_size)
    for number, (role, name) in enumerate(attributes_of(outcome.config)):
        word = "leakage" if role == "private" else "utility"
        spans = [as_span(row.get(figure_key(role, name))) for row in rows]
        # Apart by 1 % of their place, so that intervals do not hide one another on the logarithmic axis.
        places = [_size(row) * 1.01 ** (number - 1) for row in rows]
        points(axes, places, Series(f"{word}: {name}", spans), number, "-")
    _bytes_axis(axes, rows)
    _name_codecs(axes, rows)
    label(axes, "bytes per example", "balanced accuracy in %")
    shared_legend(figure)


def _size(row: Row) -> float:
    return float(row["bytes"])  # pyright: ignore


def _name_codecs(axes: Axes, rows: list[Row]) -> None:
    """Codecs over their bytes, above the intervals; a line where bytes are GOAL times below float32's."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + (high - low) / 4)
    last = np.inf
    for row in reversed(rows):
        axes.axvline(_size(row), color=QUIET, linewidth=0.5, alpha=0.4)
        last = min(_size(row), last / 1.06)  # names of codecs with nearly as many bytes stand side by side
        place = {"rotation": 90, "ha": "center", "va": "top", "transform": axes.get_xaxis_transform()}
        axes.text(last, 0.985, str(row["codec"]), fontsize=TEXT - 1, **place)
    axes.axvline(_size(rows[-1]) / GOAL, color=QUIET, linestyle="--", label=f"{GOAL} times below {BASE}")


def _bytes_axis(axes: Axes, rows: list[Row]) -> None:
    """Logarithmic, from GOAL times below float32 on, with ticks that are halves of one another."""
    largest = _size(rows[-1])
    ticks = [tick for tick in 2 ** np.arange(3, 40) if largest / 1.5 / GOAL < tick < 1.5 * largest]
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])


STUDY = Study(
    name="codecs",
    question="What does a payload codec save, and what do probes lose by it?",
    about=(
        "Every codec sends the features of one extractor; the paper has no such figure. Bytes are those of the "
        "payload: labels, measurements and Arrow's framing come on top. Times are of one thread. zstd loses "
        "nothing, so its rows repeat the accuracies. Changes are against float32 with the same seed, by probes "
        "that are trained anew: a change within the intervals says nothing; seeds=3 tells more."
    ),
    paper=(),
    cases=_cases,
    columns=_columns,
    measure=_measure,
    draw=_draw,
    compare=_compare,
)


if __name__ == "__main__":
    start(STUDY)
