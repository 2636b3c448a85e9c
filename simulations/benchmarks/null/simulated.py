"""Simulations in which nothing leaks: people with features of their own, and labels that these say nothing of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulations.benchmarks.probing import probe_figures, rows_of, strongest
from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Rows
from tiprdc_fl.evaluation.results import Result
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.stages.registries import load_config

SHARE = 0.4  # of class 1
WIDTH, SHAPE = 4, (8, 8, 8)  # what Table 1 at that width makes of images of 32 x 32
LEARNED, MEASURED, EXAMPLES = (60, 300), 200, (5, 15)  # people, people, examples of each
FACTORS = 16  # that people differ in
PERSON = 0.7  # standard deviation between people; 1 within


@dataclass(frozen=True)
class Kind:
    """A figure that a run reports.

    Attributes:
        label: of it.
        attribute: that is inferred.
        figure: field of ``Result``.
        chosen_by: field of ``Result`` that the strongest probe has the highest value of.
    """

    label: str
    attribute: str
    figure: str
    chosen_by: str


KINDS = (
    Kind("a person's trait", "trait", "balanced_accuracy", "validation"),
    Kind("a person's trait, by all of their examples", "trait", "per_person", "validation_per_person"),
    Kind("an attribute that varies", "varying", "balanced_accuracy", "validation"),
)


def draw(people: int, first: int, generator: np.random.Generator) -> Rows:
    """People with features of their own, and labels without a relation to them.

    Args:
        people: how many.
        first: id of the first.
        generator: of everything random.
    """
    counts = generator.integers(EXAMPLES[0], EXAMPLES[1] + 1, size=people)
    person = np.repeat(np.arange(people), counts)
    own = generator.standard_normal((people, FACTORS), np.float32) * np.float32(PERSON)
    features = generator.standard_normal((len(person), *SHAPE), np.float32)
    features += (own @ _loadings())[person].reshape(features.shape)
    trait = (generator.random(people) < SHARE).astype(np.int64)
    varying = (generator.random(len(person)) < SHARE).astype(np.int64)
    return rows_of(features, first + person, {"trait": trait[person], "varying": varying})


def _loadings() -> np.ndarray:
    """What each factor adds to the values, float32 [FACTORS, values]; a value varies as much as a factor."""
    drawn = seeding.generator(0, "null", "loadings").standard_normal((FACTORS, int(np.prod(SHAPE))))
    return (drawn / np.sqrt(FACTORS)).astype(np.float32)


def simulate(number: int, attacks: Sequence[str], seed: int) -> list[Result]:
    """The results of one simulation, of every probe on both attributes."""
    generator = seeding.generator(seed, "null", number)
    learned = draw(int(generator.integers(LEARNED[0], LEARNED[1] + 1)), 0, generator)
    measured = draw(MEASURED, LEARNED[1] + 1, generator)
    return probe_figures(
        Architecture("image", WIDTH, image_size=(32, 32)),
        learned,
        measured,
        attacks,
        load_config(None, []),
        seeding.derive(seed, "null", number, "probes") % 2**32,
    )


def reported(kind: Kind, results: Sequence[Result]) -> tuple[float, float, float] | None:
    """Value, low and high of the figure of the strongest probe; None where it is not defined."""
    best = strongest([result for result in results if result.attribute == kind.attribute], kind.chosen_by)
    figure = getattr(best, kind.figure)
    return None if figure.value is None else (figure.value, figure.low, figure.high)
