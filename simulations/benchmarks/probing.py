"""The suite of probes on features that a study has drawn: who learns, who is measured, and the strongest."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from tiprdc_fl.attacks.fitting import Fit
from tiprdc_fl.attacks.probe import Rows, Source, Trial
from tiprdc_fl.config.keys import Config
from tiprdc_fl.evaluation.results import Result, candidates_of, evaluate
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.stages.prepare import choose_device, choose_precision


def rows_of(features: np.ndarray, people: np.ndarray, labels: Mapping[str, np.ndarray]) -> Rows:
    """Features in memory as probes read them.

    Args:
        features: float32 [n, ...].
        people: person of each row, int64 [n].
        labels: attribute -> classes int64 [n].
    """
    held = torch.from_numpy(features)
    return Rows(lambda rows: held[torch.from_numpy(rows)], people, labels)


def probe_figures(
    architecture: Architecture,
    learned: Rows,
    measured: Rows,
    attacks: Sequence[str],
    config: Config,
    seed: int,
) -> list[Result]:
    """Every probe's result on every attribute, as a run with this configuration gets it.

    Args:
        architecture: says what the features are.
        learned: what the probes learn from, validation people included.
        measured: other people's rows.
        attacks: keys of ATTACKS.
        config: how probes are trained, and on which device.
        seed: of everything random in the probes.
    """
    settings = config.evaluation
    fit = Fit(
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        seed=seed,
        device=choose_device(config.device),
        precision=choose_precision(config.training.precision, config.device),
        restarts=settings.restarts,
    )
    everybody = Source(np.arange(len(learned.people)), tuple(learned.labels))
    trial = Trial(candidates_of(architecture, attacks), learned, measured, {"contributors": everybody})
    return [probe.result for probe in evaluate({"features": trial}, fit)["features"]]


def strongest(results: Sequence[Result], figure: str = "validation") -> Result:
    """The probe that does best on validation people; the first of equals.

    Args:
        results: of one attribute.
        figure: "validation" or "validation_per_person".
    """
    return max(results, key=lambda result: _score(result, figure))


def _score(result: Result, figure: str) -> float:
    value = getattr(result, figure)
    return -1.0 if value is None else value
