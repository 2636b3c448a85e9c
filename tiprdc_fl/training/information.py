"""OBJECTIVES: estimators of the information about x that features keep beside u, which the extractor maximises.

The paper's is the Jensen-Shannon bound of Eq. 9. A new objective is a function and a record in the dictionary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tiprdc_fl.models.architecture import Architecture, build_estimator
from tiprdc_fl.models.image import ImageEstimator
from tiprdc_fl.models.likelihood import ImageLikelihood, Likelihood, TextLikelihood
from tiprdc_fl.models.text import TextEstimator
from tiprdc_fl.training.objectives import info_nce_bound, jensen_shannon_bound

Build = Callable[[Architecture, int, int, Tensor], nn.Module]
Information = Callable[[Any, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """One way to estimate the information.

    Attributes:
        label: the objective in a few words.
        build: (architecture, classes of u, convolutions of the first block, preprocessed inputs [n, ...]) ->
            estimator E_omega with fresh weights; the inputs are a sample of those that it is trained on.
        information: (estimator, x, z, one-hot u, order [negatives, batch]) -> the information in nats, scalar; x
            and z are a batch, and x[order[i]] are the i-th other examples x' of Eq. 9.
        reads: the configuration's keys that it reads.
    """

    label: str
    build: Build
    information: Information
    reads: tuple[str, ...] = ()


def critic(architecture: Architecture, classes: int, convolutions: int, sample: Tensor) -> nn.Module:
    """The paper's estimator (Tables 1 and 2, Figure 3), which scores a pair of x and (z, u)."""
    return build_estimator(architecture, classes, convolutions)


def decoder(architecture: Architecture, classes: int, convolutions: int, sample: Tensor) -> nn.Module:
    """The estimator of x's likelihood, see ``models/likelihood.py``."""
    if architecture.modality == "text":
        return TextLikelihood(architecture.width, len(architecture.vocabulary), classes, sample)
    return ImageLikelihood(architecture.width, classes, sample)


def _scores(
    estimator: ImageEstimator | TextEstimator, x: Tensor, z: Tensor, u: Tensor, order: Tensor
) -> tuple[Tensor, Tensor]:
    """Scores of x [batch] and of every x' [negatives, batch] with the same (z, u)."""
    of_x, of_z = estimator.embed_input(x), estimator.embed_features(z)
    others = torch.stack([estimator.score(of_x[pairs], of_z, u) for pairs in order])
    return estimator.score(of_x, of_z, u), others


def jensen_shannon(
    estimator: ImageEstimator | TextEstimator, x: Tensor, z: Tensor, u: Tensor, order: Tensor
) -> Tensor:
    """Eq. 9, over all x'."""
    return jensen_shannon_bound(*_scores(estimator, x, z, u, order))


def info_nce(
    estimator: ImageEstimator | TextEstimator, x: Tensor, z: Tensor, u: Tensor, order: Tensor
) -> Tensor:
    """The InfoNCE bound with the same estimator, see ``info_nce_bound``."""
    return info_nce_bound(*_scores(estimator, x, z, u, order))


def log_likelihood(estimator: Likelihood, x: Tensor, z: Tensor, u: Tensor, order: Tensor) -> Tensor:
    """The decoder's information; it needs no x'."""
    return estimator.information(x, z, u)


OBJECTIVES: dict[str, Objective] = {
    "likelihood": Objective("log-likelihood of a decoder (Barber and Agakov 2003)", decoder, log_likelihood),
    "jsd": Objective(
        "Jensen-Shannon bound (Eq. 9)",
        critic,
        jensen_shannon,
        reads=("training.pairing", "training.negatives", "model.estimator_convs"),
    ),
    "infonce": Objective(
        "InfoNCE bound (van den Oord et al. 2018)",
        critic,
        info_nce,
        reads=("training.pairing", "training.negatives", "model.estimator_convs"),
    ),
}
