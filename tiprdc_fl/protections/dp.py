"""Baseline: Laplace noise of scale 1/epsilon on every pixel within [0, 1].

A pixel is epsilon-differentially private, an image of n values (n * epsilon): budgets compose over pixels.
"""

from dataclasses import replace

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections.protection import Protection, Settings


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device adds noise of scale 1/``epsilon`` to the image."""
    return replace(architecture, transform="pass", noise="laplace", noise_scale=1 / settings.epsilon)


DP = Protection(
    label="the image with Laplace noise: each pixel is differentially private",
    apply=apply,
    describe=lambda keys: f"epsilon {keys['protection.epsilon']:g}",
    reads=("protection.epsilon",),
    modalities=("image",),
    network=False,
)
