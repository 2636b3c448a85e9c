"""Reconstruction: a decoder learns to reconstruct images from features (Section 5.2, Figure 5).

The decoder is trained at a constant rate after a short warm-up, on whitened channels. The average of its weights is
validated after numbers of steps that grow geometrically, and the training ends where the last doubling has hardly
lowered the error.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from tiprdc_fl import seeding
from tiprdc_fl.attacks.averaging import WeightAverage
from tiprdc_fl.attacks.convergence import Course, checks
from tiprdc_fl.attacks.fitting import Fit, batches, passes, split_rows, to_device
from tiprdc_fl.attacks.similarity import KERNEL, Similarity, scales_of, similarity
from tiprdc_fl.attacks.whitening import ChannelWhitening
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.decoder import build_decoder
from tiprdc_fl.models.extractor import autocast

RATE = 10.0  # the decoder's learning rate as a multiple of ``Fit.learning_rate``
WARM_UP = 50  # steps over which the rate rises to that
# Share of the validation error: a doubling of the steps that lowers it by less is the last. On photographs of 32x32
# pixels the doubling after that raises SSIM by less than 0.01.
TOLERANCE = 0.025
WHITENED = 1000  # rows that the channels' covariance is measured on
FEWEST = 256  # steps before which a decoder does not count as converged


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
        rebuild: row numbers -> the decoder's images, float [n, 3, h, w] in [0, 1].
        decoder: similarity of the decoder's images to the originals.
        blind: similarity of the mean training image to the originals, the best guess without features.
        mean_image: that image, float [3, h, w].
        course: the decoder's validation errors, and whether it has converged.
        scales: number of scales that MS-SSIM used; fewer than five for small images.
        kernel: side of the similarity's window in pixels.
        originals: original images of the rows to show, uint8 [k, 3, h, w].
        pictures: the decoder's images of the same rows, uint8 [k, 3, h, w].
    """

    rebuild: Callable[[np.ndarray], Tensor]
    decoder: Similarity
    blind: Similarity
    mean_image: Tensor
    course: Course
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
    """Trains a fresh decoder on ``rows`` until it converges, and reconstructs ``measured`` with it.

    The loss is the mean absolute error, which in the same number of steps gives a higher SSIM, MS-SSIM and PSNR
    than the squared error.

    Args:
        rows: rows to learn from; a tenth of their people is kept for validation.
        measured: rows of other people, to reconstruct.
        architecture: architecture of the extractor that made the features.
        fit: settings of the training; ``steps`` is an upper bound, and the rate is RATE times that of a probe.
        on_batch: called after each batch of training.
        shown: numbers of the measured rows to return as pictures, int64 [k].

    Raises:
        InputError: the architecture is for text, there are too few rows, or the training diverges.
    """
    seeding.seed_torch(fit.seed, "reconstruction", "decoder")
    network = build_decoder(architecture)
    training, validation = split_rows(rows.people, fit.seed)
    if architecture.transform != "pass":
        network = nn.Sequential(ChannelWhitening(rows.read(spread(training, WHITENED))), network)
    course = _train(network, rows, training, validation, fit, on_batch)
    blind = mean_image(rows.target, training, fit.batch_size)

    def rebuild(chosen: np.ndarray) -> Tensor:
        parts = batches(chosen, fit.batch_size)
        return torch.cat([_decode(network, measured.read(part), fit).cpu() for part in parts])

    everything = np.arange(len(measured.people))
    return Reconstructions(
        rebuild=rebuild,
        decoder=likeness(rebuild, measured.target, everything, fit),
        blind=likeness(
            lambda chosen: blind.expand(len(chosen), -1, -1, -1), measured.target, everything, fit
        ),
        mean_image=blind,
        course=course,
        scales=scales_of(*architecture.image_size),
        kernel=KERNEL,
        originals=as_bytes(measured.target(shown)),
        pictures=as_bytes(rebuild(shown)),
    )


def likeness(
    made: Callable[[np.ndarray], Tensor],
    target: Callable[[np.ndarray], Tensor],
    chosen: np.ndarray,
    fit: Fit,
) -> Similarity:
    """Similarity of images to their originals, for the chosen rows, batch by batch.

    Args:
        made: row numbers -> images, float [n, 3, h, w] in [0, 1].
        target: row numbers -> the originals, likewise.
        chosen: row numbers, int64 [rows].
        fit: size of a batch, and the device to compute on.
    """
    parts = [
        similarity(made(batch).to(fit.device), target(batch).to(fit.device).contiguous())
        for batch in batches(chosen, fit.batch_size)
    ]
    return Similarity(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )


def _train(
    network: nn.Module,
    rows: Images,
    training: np.ndarray,
    validation: np.ndarray,
    fit: Fit,
    on_batch: Callable[[], None],
) -> Course:
    """Trains the network until it has converged, and loads its best averaged weights."""
    network.to(fit.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimiser = torch.optim.Adam(network.parameters(), RATE * fit.learning_rate, fused=True)
    schedule = LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / WARM_UP))
    average, course = WeightAverage(network), Course(TOLERANCE, FEWEST)
    course.add(0, _error(network, rows, validation, fit))
    best, due = copy.deepcopy(network.state_dict()), set(checks(fit.steps))
    order = passes(training, fit.batch_size, fit.seed)
    for step, batch in enumerate(islice(order, fit.steps)):
        _step(network.train(), optimiser, rows.read(batch), rows.target(batch), fit)
        schedule.step()
        average.update(network, step)
        on_batch()
        if step + 1 in due:
            if course.add(step + 1, _error(average.network, rows, validation, fit)):
                best = copy.deepcopy(average.network.state_dict())
            if course.converged:
                break
    network.load_state_dict(best)
    return course


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


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Some of the rows, evenly spread over them: from ``most`` to twice as many if there are enough, else all."""
    return rows[:: max(1, len(rows) // most)]


def mean_image(target: Callable[[np.ndarray], Tensor], rows: np.ndarray, batch_size: int) -> Tensor:
    """Mean image of the rows, float [3, h, w]."""
    total = sum(target(batch).double().sum(dim=0) for batch in batches(rows, batch_size))
    return torch.as_tensor(total / len(rows)).float()


def as_bytes(images: Tensor) -> Tensor:
    """Converts float images in [0, 1] to uint8 on the CPU."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()
