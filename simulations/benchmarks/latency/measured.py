"""Measured on this host: one contributor at a time, one thread, stage by stage, in every runtime."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from simulations.benchmarks.latency.percentiles import percentiles, with_total
from tiprdc_fl import seeding
from tiprdc_fl.data.examples import Dataset, Examples, People
from tiprdc_fl.data.images import fit
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.federation.contribution import Contributions, sent_bytes
from tiprdc_fl.federation.contributor import contribute, layout_of
from tiprdc_fl.models.architecture import Architecture, Precision, build_extractor
from tiprdc_fl.models.extractor import Extractor, from_bytes, preprocess, to_bytes
from tiprdc_fl.models.onnx import to_int8, to_onnx
from tiprdc_fl.models.runtime import RUNTIMES, Runner
from tiprdc_fl.store.layout import STAGES, Layout

TASK = "Smiling"
SOURCE = (218, 178)  # pixels of the files that are decoded: those of CelebA (Liu et al. 2015)
QUALITY = 90  # of these JPEG files
PICTURES = 128  # different ones; who has more has some twice
CALIBRATED_ON = 64
WARM_UP = 3  # contributors
LEAST, MOST = 5, 200  # contributors measured
MODELLED = "onnxruntime, float32"  # what the devices are modelled by: their slowdowns are of float32


@dataclass(frozen=True)
class Size:
    """Of images and network.

    Attributes:
        image_size: height and width in pixels.
        width: of the extractor.
    """

    image_size: tuple[int, int]
    width: int

    def __str__(self) -> str:
        return f"{self.image_size[0]}x{self.image_size[1]}, width {self.width}"


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        sizes: of images and networks.
        batches: examples of a contributor, which are one batch.
        codec: key of CODECS.
        seconds: for the contributors of one size and batch; no turn begins later, but for the first LEAST.
    """

    sizes: tuple[Size, ...]
    batches: tuple[int, ...]
    codec: str
    seconds: float


@dataclass(frozen=True)
class Cell:
    """Times of one size, batch and runtime.

    Attributes:
        size: of images and network.
        batch: examples of each contributor.
        runtime: what ran the network.
        seconds: stage -> of each contributor, float [n]; with ``total``.
        sent_bytes: of a contribution.
        file_bytes: of what the device runs.
    """

    size: Size
    batch: int
    runtime: str
    seconds: Mapping[str, np.ndarray]
    sent_bytes: int
    file_bytes: int

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        """Stage -> its percentiles in seconds."""
        return {stage: percentiles(values) for stage, values in self.seconds.items()}


@dataclass(frozen=True)
class Way:
    """How a network is run.

    Attributes:
        extractor: in its precision.
        run: runs it.
        file_bytes: of what runs.
    """

    extractor: Extractor
    run: Runner
    file_bytes: int


def measure(setting: Setting, say: Callable[[str], None]) -> Iterator[Cell]:
    """Every size, batch and runtime; a batch that would take too long for percentiles is left out, and said."""
    pictures = draw_pictures()
    for size in setting.sizes:
        ways = ways_of(size, pictures)
        for batch in setting.batches:
            yield from _measured(setting, size, batch, ways, album(pictures, size.image_size, batch), say)


def _measured(
    setting: Setting,
    size: Size,
    batch: int,
    ways: Mapping[str, Way],
    dataset: Dataset,
    say: Callable[[str], None],
) -> list[Cell]:
    """One size and batch: a contributor works in every runtime, then the next one does."""
    layouts = {name: layout_of(way.extractor, setting.codec, (TASK,)) for name, way in ways.items()}
    contributions: dict[str, list[Contributions]] = {name: [] for name in ways}
    start = perf_counter()
    for person in range(WARM_UP + MOST):
        turn = perf_counter()
        for name, way in ways.items():
            made = contribute(way.extractor, dataset, [person], layouts[name], run=way.run)[0]
            if person >= WARM_UP:
                contributions[name].append(made)
        taken = perf_counter() - turn
        if not person and taken > setting.seconds / 2:
            say(f"{size}, {batch} images: left out, {taken:.1f} s for one contributor in every runtime")
            return []
        if person == WARM_UP - 1:
            start = perf_counter()
        if person >= WARM_UP - 1 + LEAST and perf_counter() - start > setting.seconds:
            break
    say(f"{size}, {batch} images: {len(contributions[MODELLED])} contributors in each runtime")
    return [
        _cell(size, batch, name, contributions[name], layouts[name], way.file_bytes)
        for name, way in ways.items()
    ]


def _cell(
    size: Size,
    batch: int,
    runtime: str,
    contributions: Sequence[Contributions],
    layout: Layout,
    file_bytes: int,
) -> Cell:
    seconds = np.array([made.seconds[0] for made in contributions])
    stages = with_total(dict(zip(STAGES, seconds.T, strict=True)))
    return Cell(size, batch, runtime, stages, int(sent_bytes(contributions[0], layout)[0]), file_bytes)


def ways_of(size: Size, pictures: Sequence[bytes]) -> dict[str, Way]:
    """One extractor of fresh weights in every runtime; int8 is calibrated on some of the pictures."""
    seeding.seed_torch(0, "latency")
    architecture = Architecture("image", size.width, image_size=size.image_size)
    network = build_extractor(architecture)

    def extractor(precision: Precision) -> Extractor:
        return from_bytes(to_bytes(network, replace(architecture, precision=precision)))

    plain, data = extractor("float32"), len(to_bytes(network, architecture))
    ways = {
        f"torch, {frozen.architecture.precision}": Way(frozen, RUNTIMES["torch"].start(frozen, b""), data)
        for frozen in (extractor("bfloat16"), plain)
    }
    model = to_onnx(plain)
    images = torch.stack([decoded(picture, size.image_size) for picture in pictures[:CALIBRATED_ON]])
    small = to_int8(plain, model, preprocess(architecture, images))
    for title, file in ((MODELLED, model), ("onnxruntime, int8", small)):
        ways[title] = Way(plain, RUNTIMES["onnxruntime"].start(plain, file), len(file))
    return ways


def draw_pictures() -> list[bytes]:
    """PICTURES faces as JPEG files."""
    faces = open_dataset(DataSource("faces", None, SOURCE, 0))
    jpegs: list[bytes] = []
    for person in range(PICTURES):
        for pixels in faces.load([person]).loaded[:].permute(0, 2, 3, 1).numpy():  # pyright: ignore
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "jpeg", quality=QUALITY)
            jpegs.append(file.getvalue())
        if len(jpegs) >= PICTURES:
            break
    return jpegs[:PICTURES]


def decoded(picture: bytes, image_size: tuple[int, int]) -> torch.Tensor:
    """Pixels of a JPEG file as every dataset of image files delivers them, uint8 [3, height, width]."""
    with Image.open(io.BytesIO(picture)) as opened:
        pixels = np.array(opened.convert("RGB"))
    return fit(torch.from_numpy(pixels).permute(2, 0, 1), image_size)


def album(pictures: Sequence[bytes], image_size: tuple[int, int], batch: int) -> Dataset:
    """People with ``batch`` pictures each, which are decoded every time they are loaded, as on a device."""
    height, width = image_size

    def load(people: People) -> Examples:
        owners = np.repeat(np.asarray(people, np.int64), batch)
        chosen = (owners * batch + np.tile(np.arange(batch), len(people))) % len(pictures)
        rows = np.tile(np.arange(batch, dtype=np.int32), len(people))
        inputs = torch.stack([decoded(pictures[number], image_size) for number in chosen])
        raw = np.full(len(owners), 3 * height * width, np.int64)
        return Examples(inputs, {TASK: np.zeros(len(owners), np.int8)}, owners, rows, raw)

    return Dataset("album", "image", range(2**31), (TASK,), load, load)
