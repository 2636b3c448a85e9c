"""What the suite of probes reaches on a case."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from simulations.benchmarks.instrument.case import Case, balanced_labels
from simulations.benchmarks.instrument.messages import LONGEST, WIDTH
from simulations.benchmarks.probing import probe_figures, rows_of, strongest
from simulations.common.arguments import COMMON
from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import Rows
from tiprdc_fl.attacks.suite import attacks_for
from tiprdc_fl.config.keys import Config
from tiprdc_fl.evaluation.results import Result
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.stages.probing import chosen_attacks
from tiprdc_fl.stages.registries import load_config

ATTRIBUTE = "class"
EXAMPLES = 20  # of a person
MEASURED_PEOPLE = 400
ARCHITECTURES = {
    "image": Architecture("image", WIDTH, image_size=(32, 32)),
    "text": Architecture("text", WIDTH, max_tokens=LONGEST),
}


@dataclass(frozen=True)
class Size:
    """How much the probes have to learn from.

    Attributes:
        people: that they learn from, validation people included.
        tolerance: by how much the strongest probe may miss the Bayes accuracy, a share of 1.
        overrides: ``key=value`` of the configuration that says how probes are trained.
    """

    people: int
    tolerance: float
    overrides: tuple[str, ...] = ()

    @property
    def config(self) -> Config:
        """How probes are trained."""
        return load_config(None, [*self.overrides])


SIZES = {"default": Size(800, 0.02), "study": Size(200, 0.04, COMMON)}


@dataclass(frozen=True)
class Measured:
    """What the probes reach on a case.

    Attributes:
        name: key of CASES.
        case: which.
        seed: of features and probes.
        results: of each probe.
        seconds: that the probes took, all together.
    """

    name: str
    case: Case
    seed: int
    results: Sequence[Result]
    seconds: float

    @property
    def strongest(self) -> Result:
        """The probe chosen on validation people."""
        return strongest(self.results)

    @property
    def gap(self) -> float:
        """By how much it misses the Bayes accuracy on other people, a share of 1."""
        return self.case.bayes - (self.strongest.balanced_accuracy.value or 0.0)


def suite_for(case: Case, size: Size, attacks: Sequence[str]) -> tuple[str, ...]:
    """The probes that a case is measured with: of those asked for that are for it, else the default adversaries."""
    able = attacks_for(case.modality)
    return tuple(name for name in attacks if name in able) or chosen_attacks(size.config, case.modality)


def measure(name: str, case: Case, size: Size, attacks: Sequence[str], seed: int) -> Measured:
    """Draws the features of a case and lets the probes learn.

    Args:
        name: key of CASES.
        case: which.
        size: how much there is to learn from.
        attacks: keys of ATTACKS; none for the default adversaries.
        seed: of features and probes.
    """
    learned = draw(name, case, 0, size.people, seed)
    measured = draw(name, case, size.people, MEASURED_PEOPLE, seed)
    names = suite_for(case, size, attacks)
    start = perf_counter()
    results = probe_figures(ARCHITECTURES[case.modality], learned, measured, names, size.config, seed)
    return Measured(name, case, seed, results, perf_counter() - start)


def draw(name: str, case: Case, first: int, people: int, seed: int) -> Rows:
    """EXAMPLES rows of each person, whose classes have nothing to do with the person.

    Args:
        name: key of CASES.
        case: which.
        first: id of the first person.
        people: how many.
        seed: of the rows.
    """
    generator = seeding.generator(seed, "instrument", name, first)
    labels = balanced_labels(people * EXAMPLES, generator)
    features = case.sample(labels, generator)
    return rows_of(features, np.repeat(np.arange(first, first + people), EXAMPLES), {ATTRIBUTE: labels})
