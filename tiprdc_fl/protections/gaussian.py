"""Gaussian mechanism on few bounded components of an encoder's features, with what it guarantees.

Each of k <= 16 components lies in [0, 1], so two examples' components differ by at most sqrt(k) in the Euclidean
norm (the sensitivity), whatever the images. A message's features are averaged over its steps first, so that it
sends k components, too, whatever its length. Noise of standard deviation ``noise_multiplier * sqrt(k)`` is added to
each. What a device sends of n examples is one Gaussian mechanism of sensitivity sqrt(n * k) (Dong et al. 2022,
Corollary 3.3), from which every figure of ``guarantee`` follows. With ``protection.per=person`` a device sends one
mean of its examples' components. It lies in [0, 1], too, so a person has the guarantee of one example.

It holds for every adversary who reads nothing but the components of a contributor. Task labels, sizes and counts
that travel with them are not covered, nor are the collector's own people, to whom encoder and components are
fitted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import bisect
from scipy.stats import norm

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.components import check_components, fit_projection
from tiprdc_fl.protections.fisher import bound_reconstruction
from tiprdc_fl.protections.protection import AS_SENT, ENCODING, NOISE, Protection, Settings, rounded_up

DELTA = 1e-5
MOST_COMPONENTS = 16
PERSON = 20  # examples of a person, as CelebA has them, for whom the report states the guarantee


@dataclass(frozen=True)
class Guarantee:
    """What nobody can do better, from a number of one person's examples.

    Attributes:
        examples: of the person.
        epsilon: (epsilon, DELTA) differential privacy of replacing all of them.
        accuracy: largest balanced accuracy with which the components of all of them give a binary attribute away.
    """

    examples: int
    epsilon: float
    accuracy: float


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features, projects them to ``components`` within [0, 1] and adds Gaussian noise.

    It averages the features of a message over its steps first.
    """
    return replace(
        architecture,
        transform="project",
        components=settings.components or MOST_COMPONENTS,
        pooled=architecture.modality == "text",
        noise="gaussian",
        noise_scale=settings.noise_multiplier * (settings.components or MOST_COMPONENTS) ** 0.5,
    )


def guarantee(noise_multiplier: float, examples: int) -> Guarantee:
    """What the mechanism guarantees to a person who sends ``examples`` examples."""
    mu = examples**0.5 / noise_multiplier
    return Guarantee(examples, epsilon_of(mu, DELTA), float(norm.cdf(mu / 2)))


def epsilon_of(mu: float, delta: float) -> float:
    """Least epsilon of a Gaussian mechanism (Balle and Wang 2018, Theorem 8).

    Args:
        mu: sensitivity over standard deviation.
        delta: of (epsilon, delta) differential privacy, in (0, 1).
    """

    def excess(epsilon: float) -> float:
        near, far = mu / 2 - epsilon / mu, -mu / 2 - epsilon / mu
        return float(norm.cdf(near) - np.exp(epsilon + norm.logcdf(far)) - delta)

    if excess(0.0) <= 0:
        return 0.0
    return bisect(excess, 0.0, mu * (mu / 2 - norm.ppf(delta)), xtol=1e-6)  # pyright: ignore[reportReturnType]


def check(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when there are more components than MOST_COMPONENTS, or than there can be."""
    if (settings.components or 0) > MOST_COMPONENTS:
        raise InputError(
            f"protection.components={settings.components}: protection.name=gaussian sends at most "
            f"{MOST_COMPONENTS}, because its noise grows with their number"
        )
    check_components(settings, shape[1:] if shape[0] < 0 else shape, private)  # a message has one row


def _describe(keys: Mapping[str, Any]) -> str:
    noise, kept = keys["protection.noise_multiplier"], keys["protection.components"]
    once = guarantee(noise, 1)
    private = f"({rounded_up(once.epsilon)}, {DELTA:g})-differentially private"
    least = f"give any binary attribute away at {rounded_up(100 * once.accuracy)} % at most"
    said = f"{kept} components, noise multiplier {noise:g}: alone, those of"
    if keys["protection.per"] == "person":
        return f"{said} a person, without the labels beside them, are {private} and {least}"
    person = guarantee(noise, PERSON)
    return (
        f"{said} an example are {private} and {least}, those of a person's {PERSON} examples at "
        f"{rounded_up(100 * person.accuracy)} %"
    )


GAUSSIAN = Protection(
    label="few components of an encoder's features, with calibrated Gaussian noise",
    apply=apply,
    train=encoder.train,
    fit=fit_projection,
    describe=_describe,
    reads=("protection.noise_multiplier", "protection.components", "protection.encoder", *ENCODING),
    public=NOISE,
    informed=AS_SENT,
    certify=bound_reconstruction,
    check=check,
    defaults={"protection.components": MOST_COMPONENTS, **encoder.ON_INFORMATION},
)
