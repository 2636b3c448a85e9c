"""Baseline: principal components of an encoder's features, with Laplace noise (after Osia et al. 2020).

Each component is clipped to [0, 1] and the noise has scale 1/epsilon. Budgets compose: k components of an image
make k times epsilon, those of a message k times its steps times epsilon.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.components import check_components, fit_projection
from tiprdc_fl.protections.protection import ENCODING, NOISE, Protection, Settings, composed, item_of

DEFAULT = 64  # components


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features, projects them to ``components`` and adds Laplace noise."""
    return replace(
        architecture,
        transform="project",
        components=settings.components or DEFAULT,
        noise="laplace",
        noise_scale=1 / settings.epsilon,
    )


def _describe(keys: Mapping[str, Any]) -> str:
    epsilon, kept = keys["protection.epsilon"], keys["protection.components"]
    each, item = composed(epsilon, kept), item_of(keys, "an image or step of a message")
    return f"{kept} components, epsilon {epsilon:g} a value: {each} {item}"


HYBRID = Protection(
    label="principal components of an encoder's features, with Laplace noise",
    apply=apply,
    train=encoder.train,
    fit=fit_projection,
    describe=_describe,
    reads=("protection.epsilon", "protection.components", "protection.encoder", *ENCODING),
    public=NOISE,
    check=check_components,
    defaults={"protection.components": DEFAULT, **encoder.ON_INFORMATION},
)
