"""Reconstruction: a decoder learns to rebuild images from features (Section 5.2, Figure 5)."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from tiprdc_fl import seeding
from tiprdc_fl.attacks.likeness import KERNEL, Likeness, likeness, scales_of
from tiprdc_fl.attacks.probe import CHECKS, Fit, batches, passes, placed, split_rows
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.decoder import build_decoder
from tiprdc_fl.models.extractor import autocast

RATE = 5.0  # of the decoder, as a multiple of the probes' learning rate


@dataclass(frozen=True)
class Images:
    """Rows that a decoder learns from or is measured on.

    Attributes:
        read: row numbers -> what the adversary sees of them, float [n, *seen_shape].
        target: row numbers -> the images behind them, float [n, 3, h, w] in [0, 1].
        people: whose rows they are, int64 [rows].
    """

    read: Callable[[np.ndarray], Tensor]
    target: Callable[[np.ndarray], Tensor]
    people: np.ndarray


@dataclass(frozen=True)
class Reconstructions:
    """What a decoder rebuilt of examples it has not learned from.

    Attributes:
        decoder: likeness of its images.
        blind: likeness of the mean image of the training rows: what is known without any features.
        scales: how many scales MS-SSIM used; fewer than five where images are too small.
        kernel: side of the similarity's window in pixels.
        originals: of the rows to show, uint8 [k, 3, h, w].
        pictures: the decoder's images of them, uint8 [k, 3, h, w].
    """

    decoder: Likeness
    blind: Likeness
    scales: int
    kernel: int
    originals: Tensor
    pictures: Tensor


def reconstruct(
    rows: Images,
    measured: Images,
    architecture: Architecture,
    fit: Fit,
    on_batch: Callable[[], None],
    shown: np.ndarray,
) -> Reconstructions:
    """Trains a fresh decoder on ``rows`` and has it rebuild ``measured``.

    It learns in as many steps and with the same course of the learning rate as a probe; of CHECKS points on the
    way the one with the least error on the validation people counts. The error is the mean absolute one: in as many
    steps it gives better likeness by all three figures than the squared one.

    Args:
        rows: to learn from; a tenth of their people is kept for validation.
        measured: to rebuild, of other people.
        architecture: of the extractor.
        fit: settings.
        on_batch: called after each batch of training.
        shown: which of the measured rows to return as pictures, int64 [k].

    Raises:
        InputError: the architecture is for text, there are too few rows, or the training diverges.
    """
    seeding.seed_torch(fit.seed, "reconstruction", "decoder")
    network = build_decoder(architecture)
    training, validation = split_rows(rows.people, fit.seed)
    _train(network, rows, training, validation, fit, on_batch)
    blind = _mean_image(rows.target, training, fit)
    parts = []
    for chosen in batches(np.arange(len(measured.people)), fit.batch_size):
        images = measured.target(chosen).to(fit.device)
        rebuilt = _rebuilt(network, measured.read(chosen), fit)
        parts.append((likeness(rebuilt, images), likeness(blind.expand_as(images), images)))
    return Reconstructions(
        _joined([part[0] for part in parts]),
        _joined([part[1] for part in parts]),
        scales_of(*architecture.image_size),
        KERNEL,
        _bytes(measured.target(shown)),
        _bytes(_rebuilt(network, measured.read(shown), fit)),
    )


def _train(
    network: nn.Module,
    rows: Images,
    training: np.ndarray,
    validation: np.ndarray,
    fit: Fit,
    on_batch: Callable[[], None],
) -> None:
    """Trains the network and leaves it with its best weights, in evaluation mode."""
    network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    rate = RATE * fit.learning_rate
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    schedule = OneCycleLR(optimiser, rate, fit.steps, pct_start=0.3, cycle_momentum=False)
    checks = {round(fit.steps * (check + 1) / CHECKS) for check in range(CHECKS)}
    least, best = _error(network, rows, validation, fit), copy.deepcopy(network.state_dict())
    for step, chosen in enumerate(islice(passes(training, fit), fit.steps)):
        _step(network.train(), optimiser, rows.read(chosen), rows.target(chosen), fit)
        schedule.step()
        on_batch()
        if step + 1 in checks:
            error = _error(network, rows, validation, fit)
            if error <= least:
                least, best = error, copy.deepcopy(network.state_dict())
    network.load_state_dict(best)


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, z: Tensor, images: Tensor, fit: Fit) -> None:
    with autocast(fit.precision, fit.device):
        found = network(placed(z, fit.device))
    optimiser.zero_grad(set_to_none=True)
    F.l1_loss(found.float(), images.to(fit.device)).backward()
    optimiser.step()


def _error(network: nn.Module, rows: Images, validation: np.ndarray, fit: Fit) -> float:
    """Mean absolute error on the validation rows."""
    total = 0.0
    for chosen in batches(validation, fit.batch_size):
        found = _rebuilt(network, rows.read(chosen), fit)
        total += float(F.l1_loss(found, rows.target(chosen).to(fit.device))) * len(chosen)
    if not math.isfinite(total):
        raise InputError(
            f"the decoder diverged at learning rate {RATE * fit.learning_rate:g}: its images are not finite; "
            "lower evaluation.learning_rate or set training.precision=float32"
        )
    return total / len(validation)


@torch.no_grad()
def _rebuilt(network: nn.Module, z: Tensor, fit: Fit) -> Tensor:
    """The network's images of features, float [n, 3, h, w] on the device."""
    with autocast(fit.precision, fit.device):
        return network.eval()(placed(z, fit.device)).float().contiguous()


def _mean_image(target: Callable[[np.ndarray], Tensor], rows: np.ndarray, fit: Fit) -> Tensor:
    """Mean of the rows' images, float [3, h, w] on the device."""
    total = sum(target(chosen).double().sum(dim=0) for chosen in batches(rows, fit.batch_size))
    return torch.as_tensor(total / len(rows)).float().to(fit.device)


def _joined(parts: list[Likeness]) -> Likeness:
    """Likeness of the batches one after another."""
    names = ("ssim", "ms_ssim", "psnr")
    return Likeness(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _bytes(images: Tensor) -> Tensor:
    """Images float in [0, 1] as uint8 on the CPU."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
