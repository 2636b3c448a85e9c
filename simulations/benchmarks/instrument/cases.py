"""CASES: every case by its name; a new one is a function that draws features, and a record here."""

from simulations.benchmarks.instrument.case import Case
from simulations.benchmarks.instrument.images import IMAGES
from simulations.benchmarks.instrument.messages import TEXTS

CASES: dict[str, Case] = {**IMAGES, **TEXTS}
