"""Baseline: Gaussian noise on every pixel; the paper's sigma is 40 of 255 (Liu et al. 2019)."""

from dataclasses import replace

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections.protection import NOISE, Protection, Settings


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device adds noise of standard deviation ``sigma`` to the image."""
    return replace(architecture, transform="pass", noise="gaussian", noise_scale=settings.sigma / 255)


NOISY = Protection(
    label="the image with Gaussian noise",
    apply=apply,
    describe=lambda keys: f"sigma {keys['protection.sigma']:g}",
    reads=("protection.sigma",),
    public=NOISE,
    modalities=("image",),
    network=False,
)
