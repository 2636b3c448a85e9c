"""Baseline: principal components of an encoder's features, with Laplace noise (after Osia et al. 2020).

Each component is clipped to [0, 1] and the noise has scale 1/epsilon. Budgets compose: k components of an image
make k times epsilon, those of a message k times its steps times epsilon.
"""

from dataclasses import replace

import numpy as np
from torch import nn

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.components import check_components, fit_components, set_projection
from tiprdc_fl.protections.protection import ENCODING, Collected, Protection, Settings

DEFAULT = 64  # components
RANGE = (1.0, 99.0)  # percentiles that a component is clipped to and scaled from


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features, projects them to ``components`` and adds Laplace noise."""
    return replace(
        architecture,
        transform="project",
        components=settings.components or DEFAULT,
        noise="laplace",
        noise_scale=1 / settings.epsilon,
    )


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, the principal components of its features and each component's range.

    Raises:
        InputError: the collector's features have fewer components than are asked for.
    """
    fitted = fit_components(network, collected)
    low, high = np.percentile(fitted.scores, RANGE, axis=0)
    set_projection(network, fitted.mean, fitted.basis, low, high)


HYBRID = Protection(
    label="principal components of an encoder's features, with Laplace noise",
    apply=apply,
    train=encoder.train,
    fit=fit,
    describe=lambda keys: (
        f"epsilon {keys['protection.epsilon']:g}, {keys['protection.components']} components"
    ),
    reads=("protection.epsilon", "protection.components", "protection.encoder", *ENCODING),
    check=check_components,
    defaults={"protection.components": DEFAULT},
)
