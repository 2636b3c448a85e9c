"""Baseline: principal components of an encoder's features, with Laplace noise (after Osia et al. 2020).

Each component is clipped to [0, 1] and the noise has scale 1/epsilon. Budgets compose: k components of an image
make k times epsilon, those of a message k times its steps times epsilon.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.extractor import Extractor, forward
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.protections import encoder
from tiprdc_fl.protections.protection import TRAINING, Collected, Protection, Settings

FITTED_ON = 2000  # examples that principal components and their ranges are fitted on
MOST_STEPS = 20_000  # of messages, for the same
RANGE = (1.0, 99.0)  # percentiles that a component is clipped to and scaled from


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features, projects them to ``components`` and adds Laplace noise."""
    return replace(
        architecture,
        transform="project",
        components=settings.components,
        noise="laplace",
        noise_scale=1 / settings.epsilon,
    )


def fit(network: nn.Module, collected: Collected) -> None:
    """The encoder's weights, the principal components of its features and each component's range.

    Raises:
        InputError: the collector's features have fewer components than are asked for.
    """
    if not isinstance(network, Projection) or collected.encoder is None:
        raise TypeError("principal components need a projection and a trained encoder")
    network.encoder.load_state_dict(collected.encoder.network.state_dict())
    seed, kept = collected.seed, len(network.basis)
    rows = np.sort(seeding.generator(seed, "components").permutation(collected.examples)[:FITTED_ON])
    flat = np.concatenate(list(_flat(collected.encoder, collected.read, rows)))[:MOST_STEPS]
    if kept > min(flat.shape):
        raise InputError(
            f"protection.components={kept}: the collector's features are {len(flat)} rows of {flat.shape[1]} "
            "values, which have fewer components; lower it or raise data.collector_people"
        )
    state = seeding.derive(seed, "components", "solver") % 2**32
    pca = PCA(kept, svd_solver="randomized" if kept < min(flat.shape) else "full", random_state=state)
    components = pca.fit_transform(flat)
    low, high = np.percentile(components, RANGE, axis=0)
    values = {"mean": pca.mean_, "basis": pca.components_, "low": low, "high": np.maximum(high, low + 1e-6)}
    for name, value in values.items():
        getattr(network, name).copy_(torch.from_numpy(np.ascontiguousarray(value, np.float32)))


def _flat(encoder: Extractor, read: Callable[[np.ndarray], Tensor], rows: np.ndarray) -> Iterator[np.ndarray]:
    """Features as rows of numbers, float32 [r, values]: one row an image, one row a step of a message."""
    for chosen in np.array_split(rows, max(1, len(rows) // 64)):
        z = forward(encoder, read(chosen)).float()
        yield (z[valid_steps(z)] if z.dim() == 3 else z.flatten(1)).numpy()


def check(settings: Settings, shape: tuple[int, ...], examples: int) -> None:
    """Raises InputError when more principal components are asked for than there can be.

    Args:
        settings: of the protection.
        shape: of one example's features.
        examples: of the collector's people.
    """
    values = shape[-1] if shape[0] < 0 else int(np.prod(shape))
    rows = MOST_STEPS if shape[0] < 0 else min(FITTED_ON, examples)  # a message has several steps
    if settings.components > min(values, rows):
        raise InputError(
            f"protection.components={settings.components}: the collector's {examples:,} examples have features of "
            f"{values:,} values, so at most {min(values, rows):,}; lower it or raise data.collector_people"
        )


HYBRID = Protection(
    label="principal components of an encoder's features, with Laplace noise",
    apply=apply,
    train=encoder.train,
    fit=fit,
    describe=lambda keys: (
        f"epsilon {keys['protection.epsilon']:g}, {keys['protection.components']} components"
    ),
    reads=("protection.epsilon", "protection.components", "protection.encoder", *TRAINING),
    check=check,
)
