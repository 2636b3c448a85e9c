"""A protection of your own: what the device computes and adds, and its record in PROTECTIONS."""

from dataclasses import replace

from examples.own_attack import KEYS
from tiprdc_fl import PROTECTIONS, load_config, run
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections import Protection, Settings


def add_noise(architecture: Architecture, settings: Settings) -> Architecture:
    """The device adds Gaussian noise to the features of an untrained extractor."""
    return replace(architecture, noise="gaussian", noise_scale=settings.sigma / 255)


PROTECTIONS["noisy_features"] = Protection(
    label="features with Gaussian noise",
    apply=add_noise,
    describe=lambda keys: f"sigma {keys['protection.sigma']:g}",
    reads=("protection.sigma",),
)

if __name__ == "__main__":
    run(load_config(None, [*KEYS.split(), "evaluation.attacks=[linear]", "protection.name=noisy_features"]))
