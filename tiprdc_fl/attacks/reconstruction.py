"""Reconstruction: a decoder learns to reconstruct images from features (Section 5.2, Figure 5)."""

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
from tiprdc_fl.attacks.fitting import CHECKS, Fit, batches, passes, split_rows, to_device
from tiprdc_fl.attacks.similarity import KERNEL, Similarity, scales_of, similarity
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.decoder import build_decoder
from tiprdc_fl.models.extractor import autocast

RATE = 5.0  # the decoder's learning rate as a multiple of ``Fit.learning_rate``


@dataclass(frozen=True)
class Images:
    """Rows that a decoder learns from or is measured on.

    Attributes:
        read: row numbers -> inputs of the adversary, float [n, *seen_shape].
        target: row numbers -> the original images, float [n, 3, h, w] in [0, 1].
        people: person of each row, int64 [rows].
    """

    read: Callable[[np.ndarray], Tensor]
    target: Callable[[np.ndarray], Tensor]
    people: np.ndarray


@dataclass(frozen=True)
class Reconstructions:
    """Reconstructions of examples that the decoder has not learned from.

    Attributes:
        decoder: similarity of the decoder's images to the originals.
        blind: similarity of the mean training image to the originals, the best guess without features.
        scales: number of scales that MS-SSIM used; fewer than five for small images.
        kernel: side of the similarity's window in pixels.
        originals: original images of the rows to show, uint8 [k, 3, h, w].
        pictures: the decoder's images of the same rows, uint8 [k, 3, h, w].
    """

    decoder: Similarity
    blind: Similarity
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
    """Trains a fresh decoder on ``rows`` and reconstructs ``measured`` with it.

    The decoder is trained in as many steps and with the same schedule as a probe. It is validated CHECKS times, and
    the weights with the least error are kept. The loss is the mean absolute error, which in the same number of
    steps gives a higher SSIM, MS-SSIM and PSNR than the squared error.

    Args:
        rows: rows to learn from; a tenth of their people is kept for validation.
        measured: rows of other people, to reconstruct.
        architecture: architecture of the extractor that made the features.
        fit: settings of the training.
        on_batch: called after each batch of training.
        shown: numbers of the measured rows to return as pictures, int64 [k].

    Raises:
        InputError: the architecture is for text, there are too few rows, or the training diverges.
    """
    seeding.seed_torch(fit.seed, "reconstruction", "decoder")
    network = build_decoder(architecture)
    training, validation = split_rows(rows.people, fit.seed)
    _train(network, rows, training, validation, fit, on_batch)
    blind = _mean_image(rows.target, training, fit)
    by_decoder, by_mean = [], []
    for batch in batches(np.arange(len(measured.people)), fit.batch_size):
        originals = measured.target(batch).to(fit.device)
        by_decoder.append(similarity(_decode(network, measured.read(batch), fit), originals))
        by_mean.append(similarity(blind.expand_as(originals), originals))
    return Reconstructions(
        decoder=_concatenate(by_decoder),
        blind=_concatenate(by_mean),
        scales=scales_of(*architecture.image_size),
        kernel=KERNEL,
        originals=_bytes(measured.target(shown)),
        pictures=_bytes(_decode(network, measured.read(shown), fit)),
    )


def _train(
    network: nn.Module,
    rows: Images,
    training: np.ndarray,
    validation: np.ndarray,
    fit: Fit,
    on_batch: Callable[[], None],
) -> None:
    """Trains the network, and loads its best weights."""
    network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    rate = RATE * fit.learning_rate
    optimiser = torch.optim.Adam(network.parameters(), rate, fused=True)
    schedule = OneCycleLR(optimiser, rate, fit.steps, pct_start=0.3, cycle_momentum=False)
    checks = {round(fit.steps * (check + 1) / CHECKS) for check in range(CHECKS)}
    least, best = _error(network, rows, validation, fit), copy.deepcopy(network.state_dict())
    order = passes(training, fit.batch_size, fit.seed)
    for step, batch in enumerate(islice(order, fit.steps)):
        _step(network.train(), optimiser, rows.read(batch), rows.target(batch), fit)
        schedule.step()
        on_batch()
        if step + 1 in checks:
            error = _error(network, rows, validation, fit)
            if error <= least:
                least, best = error, copy.deepcopy(network.state_dict())
    network.load_state_dict(best)


def _step(network: nn.Module, optimiser: torch.optim.Optimizer, z: Tensor, images: Tensor, fit: Fit) -> None:
    with autocast(fit.precision, fit.device):
        decoded = network(to_device(z, fit.device))
    optimiser.zero_grad(set_to_none=True)
    F.l1_loss(decoded.float(), images.to(fit.device)).backward()
    optimiser.step()


def _error(network: nn.Module, rows: Images, validation: np.ndarray, fit: Fit) -> float:
    """Mean absolute error on the validation rows.

    Raises:
        InputError: the error is not finite.
    """
    total = 0.0
    for batch in batches(validation, fit.batch_size):
        decoded = _decode(network, rows.read(batch), fit)
        total += float(F.l1_loss(decoded, rows.target(batch).to(fit.device))) * len(batch)
    if not math.isfinite(total):
        raise InputError(
            f"the decoder diverged at learning rate {RATE * fit.learning_rate:g}: its images are not finite; "
            "lower evaluation.learning_rate or set training.precision=float32"
        )
    return total / len(validation)


@torch.no_grad()
def _decode(network: nn.Module, z: Tensor, fit: Fit) -> Tensor:
    """The network's images of features, float [n, 3, h, w] on the device."""
    with autocast(fit.precision, fit.device):
        return network.eval()(to_device(z, fit.device)).float().contiguous()


def _mean_image(target: Callable[[np.ndarray], Tensor], rows: np.ndarray, fit: Fit) -> Tensor:
    """Mean image of the rows, float [3, h, w] on the device."""
    total = sum(target(batch).double().sum(dim=0) for batch in batches(rows, fit.batch_size))
    return torch.as_tensor(total / len(rows)).float().to(fit.device)


def _concatenate(parts: list[Similarity]) -> Similarity:
    """Similarity of the images of all batches."""
    return Similarity(
        ssim=np.concatenate([part.ssim for part in parts]),
        ms_ssim=np.concatenate([part.ms_ssim for part in parts]),
        psnr=np.concatenate([part.psnr for part in parts]),
    )


def _bytes(images: Tensor) -> Tensor:
    """Converts float images in [0, 1] to uint8 on the CPU."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
