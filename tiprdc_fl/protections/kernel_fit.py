"""What the protections by random Fourier features share: sizes, whitening, bandwidths, the way back to features."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, from_numpy

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, seen_shape
from tiprdc_fl.models.kernel_map import KernelMap, fourier_features
from tiprdc_fl.models.transport import Transport
from tiprdc_fl.protections.combinations import MOST_DIRECTIONS, combinations
from tiprdc_fl.protections.components import encoded, most_rows, principal
from tiprdc_fl.protections.protection import Collected, Settings

MOST_INPUTS = 128  # whitened principal components
COMPONENTS = 128  # that are sent where protection.components is null
FOURIER = 1024  # random Fourier features of a round
ROWS = 8192  # examples, or steps of messages, that are fitted to
PAIRED = 1000  # rows whose distances a bandwidth is the median of
LEAST_BANDWIDTH = 1e-6  # of rows that are all the same
TOLERANCE = 1e-6  # share of the largest below which a variance counts as none
LEAST_STRENGTH = 0.1  # of a component in the restored features, as a share of the strongest


@dataclass(frozen=True)
class Rows:
    """The collector's rows: images, or steps of messages.

    Attributes:
        z: features, float32 [n, values].
        x: their whitened principal components, float32 [n, inputs].
        classes: combination of the private attributes, int64 [n].
    """

    z: np.ndarray
    x: Tensor
    classes: np.ndarray


def send_kernel(architecture: Architecture, settings: Settings, rounds: int, hidden: int) -> Architecture:
    """The device runs rounds of random Fourier features; ``fill_in`` sets the sizes that are 0."""
    return replace(
        architecture,
        transform="kernel",
        components=settings.components or 0,
        fourier=FOURIER,
        rounds=rounds,
        hidden=hidden,
    )


def fill_in(architecture: Architecture, collected: Collected) -> Architecture:
    """Numbers of whitened components and of components sent, which depend on the collector's examples.

    Raises:
        InputError: more components are asked for than there can be.
    """
    shape = seen_shape(architecture)
    _check(architecture.components, shape, collected.examples)
    most = most_components(shape, collected.examples)
    inputs = min(MOST_INPUTS, _values(shape), collected.examples - 1)
    return replace(architecture, components=architecture.components or min(COMPONENTS, most), inputs=inputs)


def check_kernel(settings: Settings, shape: tuple[int, ...], private: np.ndarray) -> None:
    """Raises InputError when more components are asked for than there can be, or the examples are too few."""
    _check(settings.components or 0, shape, len(private))


def most_components(shape: tuple[int, ...], examples: int) -> int:
    """Most components that can be sent.

    Features of fewer values could not show an adversary all of them; rows and Fourier features have to be more, by
    what is erased and the mean.
    """
    values = _values(shape)
    rows = min(FOURIER, examples, most_rows(values)) - MOST_DIRECTIONS - 1
    return min(values, rows)


def _check(components: int, shape: tuple[int, ...], examples: int) -> None:
    most = most_components(shape, examples)
    if most < 1:
        raise InputError(
            f"the collector's {examples:,} examples are too few for random Fourier features, which need "
            f"{MOST_DIRECTIONS + 2}: raise data.collector_people"
        )
    if components > most:
        raise InputError(
            f"protection.components={components}: the collector's {examples:,} examples have features of "
            f"{_values(shape):,} values, of which {FOURIER:,} random Fourier features are fitted, so at most "
            f"{most:,}; lower it"
        )


def _values(shape: tuple[int, ...]) -> int:
    return shape[-1] if shape[0] < 0 else int(np.prod(shape))


def whitened(network: KernelMap, collected: Collected, protection: str) -> Rows:
    """Sets the encoder and the whitened principal components of its features, and returns the collector's rows.

    Args:
        network: has the trained encoder's weights afterwards.
        collected: the collector's examples.
        protection: key of PROTECTIONS.

    Raises:
        InputError: the private attributes have one combination, or too many.
    """
    z, examples = encoded(network, collected, most=ROWS)
    classes = combinations(collected.private, protection)[examples]
    pca = principal(z, min(len(network.basis), *z.shape), collected.seed)
    kept = pca.explained_variance_ > TOLERANCE * pca.explained_variance_.max()
    scale = np.where(kept, pca.explained_variance_, np.inf) ** -0.5
    network.mean.copy_(from_numpy(pca.mean_))
    network.basis[: len(scale)].copy_(from_numpy(np.asarray(pca.components_) * scale[:, None]))
    return Rows(z, (from_numpy(z) - network.mean) @ network.basis.T, classes)


def draw_frequencies(rows: Tensor, count: int, least: float, generator: np.random.Generator) -> Tensor:
    """Frequencies of a Gaussian kernel whose bandwidth is the median distance of two rows, float [count, d].

    Args:
        rows: float [n, d].
        count: of frequencies; the random Fourier features are twice as many.
        least: lower limit of the bandwidth.
        generator: draws the rows and the frequencies.
    """
    some = rows[generator.permutation(len(rows))[:PAIRED]]
    bandwidth = max(least, LEAST_BANDWIDTH, float(torch.pdist(some).median()))
    return from_numpy(generator.standard_normal((count, rows.shape[1]), np.float32)) / bandwidth


def lift(rows: Tensor, fourier: int, least: float, generator: np.random.Generator) -> Tensor:
    """Centred random Fourier features of rows, float [n, fourier]; see ``draw_frequencies``."""
    lifted = fourier_features(rows, draw_frequencies(rows, fourier // 2, least, generator))
    return lifted - lifted.mean(dim=0)


def fit_restore(network: KernelMap | Transport, sent: Tensor, z: np.ndarray) -> None:
    """Sets the linear map by which the collector restores features from what was sent.

    It is that of least squares, but no direction of what was sent is weaker in the features than LEAST_STRENGTH of
    the strongest. Features depend on some directions in no linear way; adversaries shall not lose them.

    Args:
        network: whose ``back`` and ``middle`` are set.
        sent: what the network sends of the rows, float32 [n, components].
        z: features of the rows, float32 [n, values].
    """
    middle = sent.mean(dim=0)
    left, sizes, right = torch.linalg.svd(sent - middle, full_matrices=False)
    sizes = sizes.clamp(min=1e-3 * float(sizes.max()))
    turned, strengths, features = torch.linalg.svd(left.T @ from_numpy(z), full_matrices=False)
    strengths = strengths.clamp(min=LEAST_STRENGTH * float(strengths.max()))
    network.back.copy_((right.T / sizes) @ (turned * strengths) @ features)
    network.middle.copy_(from_numpy(z.mean(axis=0)) - middle @ network.back)
