"""The collection's speed and memory: no-op contributors beside plain Flower, images beside the bare network."""

from collections.abc import Callable

import numpy as np

from simulations.benchmarks.scaling.child import measure_apart
from simulations.benchmarks.scaling.figures import Measured

Say = Callable[[str], None]
Apart = Callable[..., dict[str, float]]

PART = "collection"
FEW, MANY = 10_000, 1_000_000  # the rate is to stay the same between them
SMALL, LARGE = 1_000, 100_000  # and memory between these
MOST_GROWTH = 300e6  # bytes
TIMES_FLOWER = 30  # as fast as plain Flower
OF_BARE = 0.85  # the bare network's rate
FLOWER = ((SMALL, 1), (4_000, 1), (4_000, 20))  # contributors, and how many of them a node stands for
QUICK_FLOWER = ((SMALL, 1), (4_000, 20))
HEAVY_BYTES = 2 * 64 * 16 * 16  # a payload of noop.HEAVY
RATE = "contributors/s"
COUNTS = (SMALL, 4_000, FEW, LARGE, MANY)
QUICK_COUNTS = (SMALL, 4_000, FEW)
REPEATED = 3  # collections that are over in a second
SIZES = (
    {"contributors": 1000, "image_size": (64, 64), "width": 16, "bare": 4000},
    {"contributors": 40, "image_size": (218, 178), "width": 64, "bare": 64},
)
QUICK_SIZE = {"contributors": 200, "image_size": (64, 64), "width": 16, "bare": 1000}


def measure_contributors(quick: bool, workers: int, say: Say, apart: Apart = measure_apart) -> list[Measured]:
    """Contributors a second and the collector's memory, with contributors that do nothing.

    Args:
        quick: up to 4,000 contributors, plain Flower up to 1,000.
        workers: processes that do their work.
        say: shows a line of progress.
        apart: measures in a process of its own.
    """
    rates = {}
    for count in QUICK_COUNTS if quick else COUNTS:
        say(f"{count:,} no-op contributors")
        turns = 1 if quick or count >= LARGE else REPEATED
        seconds = [apart("engine", contributors=count, workers=workers)["seconds"] for _ in range(turns)]
        rates[count] = count / float(np.median(seconds))
    plain = {}
    for count, hosted in QUICK_FLOWER if quick else FLOWER:
        say(f"{count:,} no-op contributors of plain Flower, {hosted} a node")
        plain[count, hosted] = count / apart("plain", nodes=count // hosted, workers=workers)["seconds"]
    return [*_rates(rates, plain), *_memory(quick, workers, say, apart)]


def _rates(rates: dict[int, float], plain: dict[tuple[int, int], float]) -> list[Measured]:
    """Each rate, beside plain Flower's where it was asked as many, and that of a million beside that of few."""
    figures = []
    for (count, hosted), rate in plain.items():
        goal = TIMES_FLOWER if (count, hosted) == (4_000, 1) else None
        against = f"plain Flower, {count:,}, {hosted} a node"
        figures.append(Measured(PART, _noop(count), rates[count], RATE, against, rate, goal))
    for count, rate in rates.items():
        if count not in {some for some, _ in plain} or count == FEW:
            goal = 0.8 if count == MANY else None
            figures.append(Measured(PART, _noop(count), rate, RATE, _noop(FEW), rates[FEW], goal))
    return figures


def _noop(count: int) -> str:
    return f"{count:,} no-op contributors"


def _memory(quick: bool, workers: int, say: Say, apart: Apart) -> list[Measured]:
    """Peak resident memory of the collector at HEAVY_BYTES from each contributor, and how it grows.

    All that the larger number sends is more than ten times what it may grow by.
    """
    memory = {}
    for count in (SMALL,) if quick else (SMALL, LARGE):
        say(f"{count:,} no-op contributors with {HEAVY_BYTES // 1024} KB each")
        memory[count] = apart("engine", contributors=count, workers=workers, heavy=True)["peak_bytes"]
    figures = []
    for count, size in memory.items():
        what, sent = f"collector's memory, {count:,} of {HEAVY_BYTES // 1024} KB", count * HEAVY_BYTES
        figures.append(Measured(PART, what, size / 1e6, "MB", "all that they send", sent / 1e6, None))
    if not quick:
        growth, what = max(1e5, memory[LARGE] - memory[SMALL]), f"its growth from {SMALL:,} to {LARGE:,}"
        limit = MOST_GROWTH / 1e6
        figures.append(Measured(PART, what, growth / 1e6, "MB", "the most it may", limit, 1.0, at_most=True))
    return figures


def measure_extraction(quick: bool, workers: int, say: Say, apart: Apart = measure_apart) -> list[Measured]:
    """Images a second from the first request to the last committed row, beside the bare network on large batches.

    Args:
        quick: fewer images, not at the paper's size.
        workers: processes that extract, and threads of the bare network.
        say: shows a line of progress.
        apart: measures in a process of its own.
    """
    figures = []
    for size in (QUICK_SIZE,) if quick else SIZES:
        height, width = size["image_size"]
        what = f"{size['contributors']:,} contributors of 20 images, {height}x{width}, width {size['width']}"
        say(what)
        rates = apart("extraction", workers=workers, **size)
        engine = rates["engine"]
        for name, bare in rates.items():
            if name.startswith("bare_") and bare:
                against = f"the network alone, batches of {name.removeprefix('bare_')}"
                figures.append(Measured(PART, what, engine, "images/s", against, bare, OF_BARE))
    return figures
