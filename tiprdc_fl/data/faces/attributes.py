"""Attributes of the images of a generated person, drawn with CelebA's statistics (see ``copula``)."""

import numpy as np

from tiprdc_fl.data.faces.copula import ATTRIBUTES, BEARDS, HAIR, LATENT, STATISTICS, columns, copula
from tiprdc_fl.seeding import generator


def person_attributes(seed: int, person: int) -> np.ndarray:
    """Draws one person's labels, a pure function of (seed, person).

    Args:
        seed: the dataset's seed.
        person: the person's id.

    Returns:
        Labels 0 or 1, int8 [n, len(ATTRIBUTES)], one row for each image, columns as in ATTRIBUTES.
    """
    model, rng = copula(), generator(seed, "faces", person)
    count, male = images_at(rng.random()), int(rng.random() < STATISTICS["rate"]["Male"])
    noise = rng.standard_normal((count + 1, len(LATENT))) @ model.factors[male]
    labels = model.person * noise[0] + model.image * noise[1:] > model.thresholds[male]
    return np.insert(exclude(labels).astype(np.int8), ATTRIBUTES.index("Male"), male, axis=1)


def images_at(quantile: float) -> int:
    """Number of images of a person, by the person's quantile among CelebA's people.

    Args:
        quantile: between 0 and 1.

    Returns:
        Number of images, at least 1; linear between CelebA's percentiles.
    """
    percentiles = STATISTICS["images_per_identity_percentiles_0_5_25_50_75_95_100"]
    return round(float(np.interp(quantile, (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1), percentiles)))


def exclude(labels: np.ndarray) -> np.ndarray:
    """Removes impossible combinations of labels.

    Args:
        labels: bool [n, len(LATENT)], changed in place.

    Returns:
        The same array, with at most one of HAIR, and none of BEARDS beside No_Beard.
    """
    hair, beards = columns(*HAIR), columns(*BEARDS)
    labels[:, hair] &= np.cumsum(labels[:, hair], axis=1) == 1
    labels[:, beards] &= ~labels[:, columns("No_Beard")]
    return labels
