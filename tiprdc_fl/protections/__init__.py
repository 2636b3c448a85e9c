"""PROTECTIONS: what a device does to an example before it is sent: TIPRDC, the paper's baselines, controls.

Section 5.2 of the paper names four baselines. Whatever the protection, what is sent is validated, stored and
attacked the same way as TIPRDC's features.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor, extracting
from tiprdc_fl.models.extractor import Extractor, forward, to_bytes
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.text import valid_steps
from tiprdc_fl.training.loop import Plan

FITTED_ON = 2000  # examples that principal components and their ranges are fitted on
MOST_STEPS = 20_000  # of messages, for the same
RANGE = (1.0, 99.0)  # percentiles that a component is clipped to and scaled from


@dataclass(frozen=True)
class Settings:
    """The keys of the configuration's ``protection`` section.

    Attributes:
        sigma: of Gaussian noise, on the scale of 0 to 255.
        epsilon: Laplace noise has scale 1/epsilon.
        components: principal components that are sent.
        encoder: "information" or "tasks", what an encoder is trained on.
    """

    sigma: float
    epsilon: float
    components: int
    encoder: str


def _as_it_is(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    return plan


def _without_privacy(plan: Plan, settings: Settings, tasks: tuple[str, ...]) -> Plan:
    """The same epochs without a privacy term: on Eq. 9 alone, or on the tasks as if they were known."""
    epochs = plan.epochs + plan.pretrain_epochs
    if settings.encoder == "tasks":
        return replace(plan, private=tasks, epochs=0, pretrain_epochs=epochs, heads="separate")
    return replace(plan, budget=0.0, epochs=epochs, pretrain_epochs=0)


def _features(architecture: Architecture, settings: Settings) -> Architecture:
    return architecture


def _image(architecture: Architecture, settings: Settings) -> Architecture:
    return replace(architecture, transform="pass")


def _gaussian(architecture: Architecture, settings: Settings) -> Architecture:
    return replace(architecture, transform="pass", noise="gaussian", noise_scale=settings.sigma / 255)


def _laplace(architecture: Architecture, settings: Settings) -> Architecture:
    return replace(architecture, transform="pass", noise="laplace", noise_scale=1 / settings.epsilon)


def _components(architecture: Architecture, settings: Settings) -> Architecture:
    scale = 1 / settings.epsilon
    kept = settings.components
    return replace(architecture, transform="project", components=kept, noise="laplace", noise_scale=scale)


@dataclass(frozen=True)
class Protection:
    """One way to protect an example.

    Attributes:
        device: (architecture of an extractor, settings) -> that of what the device computes and adds.
        plan: (TIPRDC's plan, settings, tasks) -> how its extractor is trained; None where nothing is trained.
    """

    device: Callable[[Architecture, Settings], Architecture]
    plan: Callable[[Plan, Settings, tuple[str, ...]], Plan] | None = None


PROTECTIONS: dict[str, Protection] = {
    "tiprdc": Protection(_features, _as_it_is),
    # The same extractor, trained without a privacy term.
    "encoder": Protection(_features, _without_privacy),
    # Principal components of the encoder's features, each within [0, 1], with Laplace noise of scale 1/epsilon
    # (after Osia et al. 2020). Budgets compose: k components of an image make k times epsilon, those of a
    # message k times its steps times epsilon.
    "hybrid": Protection(_components, _without_privacy),
    # Gaussian noise on every pixel; the paper's sigma is 40 of 255 (Liu et al. 2019).
    "noisy": Protection(_gaussian),
    # Laplace noise of scale 1/epsilon on every pixel within [0, 1]. A pixel is epsilon-differentially private,
    # an image of n values only (n * epsilon): budgets compose over pixels.
    "dp": Protection(_laplace),
    # Controls that protect nothing: features of an extractor that was never trained, and the input itself.
    "random": Protection(_features),
    "raw": Protection(_image),
}


def runs_network(name: str) -> bool:
    """Whether a device computes anything but noise under a protection."""
    return PROTECTIONS[name].device not in (_image, _gaussian, _laplace)


def check_protection(name: str, modality: str) -> None:
    """Raises InputError when a protection of pixels is asked for text."""
    if modality == "text" and not runs_network(name):
        able = [key for key, one in PROTECTIONS.items() if one.device in (_features, _components)]
        raise InputError(
            f"protection.name={name} works on pixels and the dataset holds text; for text: {', '.join(able)}"
        )


def check_components(name: str, settings: Settings, shape: tuple[int, ...], examples: int) -> None:
    """Raises InputError when more principal components are asked for than there can be.

    Args:
        name: key of PROTECTIONS.
        settings: of it.
        shape: of one example's features.
        examples: of the collector's people.
    """
    if PROTECTIONS[name].device is not _components:
        return
    values = shape[-1] if shape[0] < 0 else int(np.prod(shape))
    rows = MOST_STEPS if shape[0] < 0 else min(FITTED_ON, examples)  # a message has several steps
    if settings.components > min(values, rows):
        raise InputError(
            f"protection.components={settings.components}: the collector's {examples:,} examples have features of "
            f"{values:,} values, so at most {min(values, rows):,}; lower it or raise data.collector_people"
        )


def apply_protection(
    protection: Protection,
    settings: Settings,
    encoder: Extractor | None,
    architecture: Architecture,
    read: Callable[[np.ndarray], Tensor],
    examples: int,
    seed: int,
) -> bytes:
    """The file of what runs on the device.

    Args:
        protection: which.
        settings: of it.
        encoder: the trained extractor, where the protection has one.
        architecture: of an extractor; an untrained one is built by it.
        read: row numbers -> the collector's preprocessed examples; principal components are fitted on them.
        examples: how many rows there are.
        seed: of an untrained extractor's weights, and of the rows that components are fitted on.

    Raises:
        InputError: there are fewer examples than components.
    """
    device = protection.device(architecture, settings)
    seeding.seed_torch(seed, "untrained")
    network = build_extractor(device)
    if isinstance(network, Projection) and encoder is not None:
        network.encoder.load_state_dict(encoder.network.state_dict())
        _fit(network, encoder, read, examples, seed)
    elif encoder is not None:
        network.load_state_dict(encoder.network.state_dict())
    return to_bytes(network, device)


def _fit(
    projection: Projection,
    encoder: Extractor,
    read: Callable[[np.ndarray], Tensor],
    examples: int,
    seed: int,
) -> None:
    """Principal components of the encoder's features of some of the collector's examples, and their range."""
    rows = np.sort(seeding.generator(seed, "components").permutation(examples)[:FITTED_ON])
    flat = np.concatenate(list(_flat(encoder, read, rows)))[:MOST_STEPS]
    kept = len(projection.basis)
    if kept > min(flat.shape):
        raise InputError(
            f"protection.components={kept}: the collector's features are {len(flat)} rows of {flat.shape[1]} "
            "values, which have fewer components; lower it or raise data.collector_people"
        )
    state = seeding.derive(seed, "components", "solver") % 2**32
    pca = PCA(kept, svd_solver="randomized" if kept < min(flat.shape) else "full", random_state=state)
    found = pca.fit_transform(flat)
    low, high = np.percentile(found, RANGE, axis=0)
    values = {"mean": pca.mean_, "basis": pca.components_, "low": low, "high": np.maximum(high, low + 1e-6)}
    for name, value in values.items():
        getattr(projection, name).copy_(torch.from_numpy(np.ascontiguousarray(value, np.float32)))


def _flat(encoder: Extractor, read: Callable[[np.ndarray], Tensor], rows: np.ndarray) -> Iterator[np.ndarray]:
    """Features as rows of numbers: an image's all together, a message's step by step."""
    for chosen in np.array_split(rows, max(1, len(rows) // 64)):
        z = forward(encoder, read(chosen)).float()
        yield (z[valid_steps(z)] if z.dim() == 3 else z.flatten(1)).numpy()


def untrained(architecture: Architecture, seed: int) -> nn.Module:
    """An extractor that was never trained: the control beside the features."""
    seeding.seed_torch(seed, "untrained")
    return build_extractor(extracting(architecture))
