"""A Gaussian copula fitted to the statistics of CelebA's labels.

Every attribute except Male is 1 if a latent normal is above a threshold, which depends on Male. A latent is the sum
of a part drawn once for the person and a part drawn for each image. Their weights follow CelebA's stability of the
attribute within a person. Attributes that exclude one another are decided in turn: first Bald, then Gray_Hair for
those who are not bald, and so on; Mustache and Goatee only if No_Beard is 0.

Figures: CelebA (Liu et al. 2015, "Deep Learning Face Attributes in the Wild"), counted over its label files.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import comb
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

STATISTICS: dict[str, Any] = json.loads(Path(__file__).with_name("celeba_statistics.json").read_text("utf-8"))
ATTRIBUTES: tuple[str, ...] = tuple(STATISTICS["phi"])
LATENT = tuple(name for name in ATTRIBUTES if name != "Male")
HAIR = (
    "Bald",
    "Gray_Hair",
    "Blond_Hair",
    "Black_Hair",
    "Brown_Hair",
)  # each is decided if none before it holds
BEARDS = ("Mustache", "Goatee")  # decided where No_Beard is 0

_GIVEN_YOUNG = "rate_given_(male,young)=(0,0),(0,1),(1,0),(1,1)"
_CORRELATIONS = np.linspace(-0.98, 0.98, 99)
_CHANCES = np.linspace(0, 1, 401)
_TYPICAL_IMAGES = 20  # of a person; the stability depends a little on this number


@dataclass(frozen=True)
class Copula:
    """The fitted model of the k = len(LATENT) latents; an axis of 2 is Male.

    Attributes:
        thresholds: thresholds above which a latent makes its attribute 1, float [2, k].
        factors: white noise times a factor has the correlations of the latents, float [2, k, k].
        person: weight of the person's part of a latent, float [k]; its square is the share of variance.
        image: weight of the image's part, float [k].
    """

    thresholds: np.ndarray
    factors: np.ndarray
    person: np.ndarray
    image: np.ndarray


@cache
def copula() -> Copula:
    """Fits the copula to CelebA's statistics, once in a process, in some 30 ms; it is equal in every process."""
    rates = np.array([STATISTICS["rate_given_not_male_male"][name] for name in LATENT]).T
    open_rates = _open_rates(rates)
    thresholds = _quantile(1 - rates / open_rates)
    person = _person_weights(thresholds, open_rates)
    image = np.sqrt(1 - person**2)
    mixing = np.outer(person, person) + np.outer(image, image)
    correlations = _latent_correlations(rates, open_rates, thresholds) / mixing
    return Copula(thresholds, np.stack([_factor(matrix) for matrix in correlations]), person, image)


def columns(*names: str) -> list[int]:
    """Positions of names in LATENT."""
    return [LATENT.index(name) for name in names]


def _quantile(probabilities: np.ndarray) -> np.ndarray:
    """Standard normal quantile, clipped where CelebA has (nearly) no label, to stay finite."""
    return np.vectorize(NormalDist().inv_cdf)(np.clip(probabilities, 1e-5, 1 - 1e-5))


def _normal_cdf(values: np.ndarray) -> np.ndarray:
    grid = np.linspace(-6, 6, 2401)
    return np.interp(values, grid, np.vectorize(NormalDist().cdf)(grid))


def _open_rates(rates: np.ndarray) -> np.ndarray:
    """Share of images in which no attribute that excludes this one holds, [2, k]."""
    result = np.ones_like(rates)
    hair = columns(*HAIR)
    result[:, hair[1:]] -= np.cumsum(rates[:, hair[:-1]], axis=1)
    result[:, columns(*BEARDS)] -= rates[:, columns("No_Beard")]
    return result


def _male_shares() -> np.ndarray:
    male = STATISTICS["rate"]["Male"]
    return np.array([1 - male, male])


def _person_weights(thresholds: np.ndarray, open_rates: np.ndarray) -> np.ndarray:
    """Weights of the person's part at which images agree with their majority as often as in CelebA, float [k]."""
    weights = np.sqrt(np.linspace(0.0, 0.99, 67))
    nodes = _quantile((np.arange(200) + 0.5) / 200)
    latents = weights[:, None, None, None] * nodes - thresholds[:, :, None]  # [weight, 2, k, node]
    chances = _normal_cdf(latents / np.sqrt(1 - weights**2)[:, None, None, None])
    stable = np.interp(chances, _CHANCES, _agreement(_CHANCES)).mean(axis=-1)
    stable = np.einsum("wsk,s->wk", 1 - open_rates * (1 - stable), _male_shares())
    targets = STATISTICS["share_of_a_persons_images_agreeing_with_their_majority"]
    return np.array([np.interp(targets[name], stable[:, i], weights) for i, name in enumerate(LATENT)])


def _agreement(chances: np.ndarray) -> np.ndarray:
    """Expected share of images that agree with their person's majority, by the chance of a 1, [n] -> [n]."""
    ones = np.arange(_TYPICAL_IMAGES + 1)
    ways = np.array([comb(_TYPICAL_IMAGES, int(k)) for k in ones])
    weight = ways * chances[:, None] ** ones * (1 - chances[:, None]) ** (_TYPICAL_IMAGES - ones)
    return weight @ (np.maximum(ones, _TYPICAL_IMAGES - ones) / _TYPICAL_IMAGES)


def _latent_correlations(rates: np.ndarray, open_rates: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Correlations of the latents at which the labels have CelebA's phi, [2, k, k].

    Phi is known only over all people, so both matrices share its solution. Where CelebA's rate given (male, young)
    is known, each matrix has its own.
    """
    joint = _orthants(thresholds) * _both_open(open_rates)  # [correlation, 2, k, k]
    targets, shares = _joint_rates(), _male_shares()
    pooled = np.einsum("csij,s->cij", joint, shares)
    result = np.ones((2, len(LATENT), len(LATENT)))
    for i in range(len(LATENT)):
        for j in range(i):
            result[:, i, j] = result[:, j, i] = np.interp(targets[i, j], pooled[:, i, j], _CORRELATIONS)
    young = LATENT.index("Young")
    for name, given in STATISTICS[_GIVEN_YOUNG].items():
        i = LATENT.index(name)
        for male in (0, 1):
            both = given[2 * male + 1] * rates[male, young]
            rho = np.interp(both, joint[:, male, i, young], _CORRELATIONS)
            result[male, i, young] = result[male, young, i] = rho
    return _with_exclusions(result)


def _with_exclusions(correlations: np.ndarray) -> np.ndarray:
    """Independent latents for attributes decided in turn, [2, k, k], changed in place."""
    for group in (columns(*HAIR), columns("No_Beard", "Mustache"), columns("No_Beard", "Goatee")):
        correlations[:, *np.ix_(group, group)] = np.eye(len(group))
    bald, gray, young = columns(
        "Bald", "Gray_Hair", "Young"
    )  # both come with age, and are independent given Young
    both = correlations[:, bald, young] * correlations[:, gray, young]
    correlations[:, bald, gray] = correlations[:, gray, bald] = both
    return correlations


def _orthants(thresholds: np.ndarray) -> np.ndarray:
    """P(both latents above their thresholds) along _CORRELATIONS, [c, 2, k, k] (Plackett's identity)."""
    x, y = thresholds[:, :, None], thresholds[:, None, :]
    angles = np.arcsin(_CORRELATIONS)[:, None, None, None]
    density = np.exp(-(x**2 + y**2 - 2 * x * y * np.sin(angles)) / (2 * np.cos(angles) ** 2)) / (2 * np.pi)
    steps = (density[1:] + density[:-1]) / 2 * np.diff(angles, axis=0)
    integral = np.concatenate([np.zeros_like(density[:1]), np.cumsum(steps, axis=0)])
    above = 1 - _normal_cdf(thresholds)
    return above[:, :, None] * above[:, None, :] + integral - integral[len(_CORRELATIONS) // 2]


def _both_open(open_rates: np.ndarray) -> np.ndarray:
    """Share of images in which two attributes are both still open, [2, k, k]; see ``_open_rates``."""
    result = open_rates[:, :, None] * open_rates[:, None, :]
    mustache, goatee = columns(*BEARDS)  # open together
    result[:, [mustache, goatee], [goatee, mustache]] = open_rates[:, [mustache]]
    return result


def _joint_rates() -> np.ndarray:
    """P(both attributes are 1) in CelebA, from phi and the rates, [k, k]."""
    rates = np.array([STATISTICS["rate"][name] for name in LATENT])
    spread = np.sqrt(rates * (1 - rates))
    phi = np.array([[STATISTICS["phi"][row][other] for other in LATENT] for row in LATENT])
    return np.outer(rates, rates) + phi * np.outer(spread, spread)


def _factor(correlations: np.ndarray) -> np.ndarray:
    """A factor F with F.T @ F the nearest correlation matrix with eigenvalues of at least 0.01."""
    values, vectors = np.linalg.eigh(correlations)
    root = vectors * np.sqrt(np.maximum(values, 0.01))
    return (root / np.linalg.norm(root, axis=1, keepdims=True)).T
