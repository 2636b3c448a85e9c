"""Modelled: what a population's devices would take, from what was measured on this host.

A device fetches the extractor, works, and sends its contribution, as if it were alone: nobody waits for a device to
be available, nor for the collector's link, which the virtual clock of a run is for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from simulations.benchmarks.latency.measured import MODELLED, Cell, Size
from simulations.benchmarks.latency.percentiles import percentiles, with_total
from tiprdc_fl.data.source import DataSource, open_dataset
from tiprdc_fl.devices.assign import Devices, assign
from tiprdc_fl.devices.sets import load_devices
from tiprdc_fl.stages.plan import BITS

EVERYONE = "all"
TYPICAL = 16  # images, near a person's mean: the batch whose time an image is taken from


@dataclass(frozen=True)
class Population:
    """Contributors with their devices.

    Attributes:
        devices: theirs.
        examples: of each, int64 [n]: as many images as a generated person has.
    """

    devices: Devices
    examples: np.ndarray


@dataclass(frozen=True)
class Modelled:
    """Times of the devices of one class.

    Attributes:
        size: of images and network.
        kind: the class's title, or EVERYONE.
        seconds: stage -> of each contributor, float [n]; with ``total``.
    """

    size: Size
    kind: str
    seconds: Mapping[str, np.ndarray]

    @property
    def figures(self) -> dict[str, dict[str, float]]:
        """Stage -> its percentiles in seconds."""
        return {stage: percentiles(values) for stage, values in self.seconds.items()}


def population_of(name: str, people: int, seed: int) -> Population:
    """People 0, 1, 2, ... with devices of a set.

    Raises:
        InputError: there is no such set, or its file is wrong.
    """
    devices = assign(load_devices(name), np.arange(people), seed)
    owners = open_dataset(DataSource("faces", None, (32, 32), seed)).labels(range(people)).people
    return Population(devices, np.bincount(owners, minlength=people))


def model(cells: Sequence[Cell], population: Population) -> Iterator[Modelled]:
    """Every size that was measured: every class of devices, then everyone."""
    for size in dict.fromkeys(cell.size for cell in cells):
        basis = basis_of(cells, size)
        seconds = device_seconds(basis, population)
        for place, kind in enumerate(population.devices.set.classes):
            chosen = population.devices.kind == place
            if chosen.any():
                yield Modelled(size, kind.title, {stage: times[chosen] for stage, times in seconds.items()})
        yield Modelled(size, EVERYONE, seconds)


def basis_of(cells: Sequence[Cell], size: Size) -> Cell:
    """What devices are modelled by: the largest batch up to TYPICAL, else the smallest."""
    known = {cell.batch: cell for cell in cells if (cell.size, cell.runtime) == (size, MODELLED)}
    return known[max((batch for batch in known if batch <= TYPICAL), default=min(known))]


def device_seconds(basis: Cell, population: Population) -> dict[str, np.ndarray]:
    """Seconds of each stage and in all, float [n].

    compute is the measured median of an image (decode, prepare, forward, encode) times images times slowdown; the
    links carry the exported extractor down and the contribution up, each after a round trip.
    """
    devices, examples = population.devices, population.examples
    per_image = basis.figures["total"]["p50"] / basis.batch
    trip, up = devices.latency_ms / 1000, basis.sent_bytes / basis.batch * examples
    return with_total(
        {
            "download": trip + basis.file_bytes * BITS / devices.downlink_mbps,
            "compute": per_image * examples * devices.slowdown,
            "upload": trip + up * BITS / devices.uplink_mbps,
        }
    )
