"""Baseline: Laplace noise of scale 1/epsilon on every pixel within [0, 1].

A pixel is epsilon-differentially private, an image of n values (n * epsilon): budgets compose over pixels.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections.protection import NOISE, Protection, Settings, composed, item_of


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device adds noise of scale 1/``epsilon`` to the image."""
    return replace(architecture, transform="pass", noise="laplace", noise_scale=1 / settings.epsilon)


def _describe(keys: Mapping[str, Any]) -> str:
    epsilon, (height, breadth) = keys["protection.epsilon"], keys["data.image_size"]
    return (
        f"epsilon {epsilon:g} a value: {composed(epsilon, 3 * height * breadth)} {item_of(keys, 'an image')}"
    )


DP = Protection(
    label="the image with Laplace noise: each pixel is differentially private",
    apply=apply,
    describe=_describe,
    reads=("protection.epsilon",),
    public=NOISE,
    modalities=("image",),
    network=False,
)
