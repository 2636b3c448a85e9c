"""Real extraction: photographs' worth of pixels from files, through the whole engine, beside the bare network."""

import csv
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from tiprdc_fl import seeding
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.federation.collection import Collection, Request
from tiprdc_fl.federation.engine import run_flower
from tiprdc_fl.models.architecture import Architecture, Precision, build_extractor
from tiprdc_fl.models.extractor import Extractor, forward, load_extractor, preprocess, to_bytes

EXAMPLES = 20  # of each contributor
DRAWN = 20  # people whose pictures all contributors share: what is in a picture costs nothing
BARE_BATCHES = (64, 256)
TURNS = 3  # of the bare network, before and after the collection


@dataclass(frozen=True)
class Size:
    """What is extracted.

    Attributes:
        contributors: how many, with EXAMPLES images each.
        image_size: height and width in pixels.
        width: of the extractor.
        bare: images the bare network is timed on.
    """

    contributors: int
    image_size: tuple[int, int]
    width: int
    bare: int


def write_album(folder: Path, size: Size) -> DataSource:
    """Image files with their metadata, decoded once into the cache; as a user's own folder would be."""
    height, width = size.image_size
    faces = open_dataset(DataSource("faces", None, size.image_size, 0, most=EXAMPLES)).load(range(DRAWN))
    pictures = faces.loaded[:].permute(0, 2, 3, 1).numpy()  # pyright: ignore[reportAttributeAccessIssue]
    folder.mkdir(parents=True)
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file_name", "contributor", "Smiling"])
        for number in range(size.contributors * EXAMPLES):
            name = f"{number:07d}.jpg"
            Image.fromarray(pictures[number % len(pictures)]).save(folder / name, quality=90)
            rows.writerow([name, number // EXAMPLES, number % 2])
    source = DataSource("folder", str(folder), (height, width), 0)
    open_dataset(source).load([0])
    return source


def extract(folder: Path, size: Size, precision: Precision, workers: int) -> dict[str, float]:
    """Images a second of a collection and of the bare network, in one process and in turns.

    The bare network has as many threads as there are workers, and batches that were prepared before.

    Returns:
        "engine", and "bare_N" for batches of N, in images/s.
    """
    source = write_album(folder / "album", size)
    architecture = Architecture("image", size.width, image_size=size.image_size, precision=precision)
    seeding.seed_torch(0, "scaling")
    path = folder / "extractor.safetensors"
    path.write_bytes(to_bytes(build_extractor(architecture), architecture))
    extractor, dataset = load_extractor(path), open_dataset(source)
    images = dataset.load(np.asarray(dataset.people)[: -(-size.bare // EXAMPLES)]).loaded
    prepared = preprocess(architecture, images)
    before = [bare_rates(extractor, prepared, workers) for _ in range(TURNS)]
    people = tuple(int(person) for person in dataset.people)
    request = Request(str(path), source, ("Smiling",), "float16")
    collected = run_flower(Collection(str(folder), request, people, workers, 2), lambda asked, examples: None)
    if collected.examples != size.contributors * EXAMPLES:
        raise RuntimeError(f"{collected.examples} examples were stored, {collected.failures[:1]}")
    after = [bare_rates(extractor, prepared, workers) for _ in range(TURNS)]
    bare = np.median(before + after, axis=0).tolist()
    rates = {f"bare_{batch}": rate for batch, rate in zip(BARE_BATCHES, bare, strict=True)}
    return {"engine": collected.examples / collected.seconds, **rates}


def bare_rates(extractor: Extractor, prepared: torch.Tensor, threads: int) -> list[float]:
    """Images a second of the network alone, on prepared images in batches of each of BARE_BATCHES."""
    earlier, rates = torch.get_num_threads(), []
    torch.set_num_threads(threads)
    for batch in BARE_BATCHES:
        start = perf_counter()
        for part in prepared.split(batch):
            forward(extractor, part)
        rates.append(len(prepared) / (perf_counter() - start))
    torch.set_num_threads(earlier)
    return rates
