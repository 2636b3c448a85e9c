"""Reconstruction: a decoder learns to rebuild images from features (Section 5.2, Figure 5)."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR

from tiprdc_fl import seeding
from tiprdc_fl.attacks.probe import CHECKS, Fit, _batches, _passes, _placed, split_rows
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.decoder import build_decoder
from tiprdc_fl.models.extractor import autocast

BEST_PSNR = 60.0  # dB; rounding to the 256 values of a pixel alone leaves an image at 58.9
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM's scales, finest first (Wang et al. 2003)
KERNEL = 11  # side of SSIM's Gaussian window, of standard deviation 1.5 (Wang et al. 2004)
RATE = 5.0  # of the decoder, as a multiple of the probes' learning rate
CELL, TITLE, GAP = (
    96,
    16,
    4,
)  # of a grid: least breadth of a picture, height of the titles, space between, pixels


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
class Likeness:
    """How like images are to the originals, one value for each image.

    Attributes:
        ssim: structural similarity, mean over pixels and colours, at most 1, float32 [n].
        ms_ssim: multi-scale structural similarity, in [0, 1], float32 [n]. Where structures are opposed at a
            scale the contrast term is negative; it counts as 0, as its root is not defined.
        psnr: peak signal-to-noise ratio in dB, at most BEST_PSNR, float32 [n].
    """

    ssim: np.ndarray
    ms_ssim: np.ndarray
    psnr: np.ndarray


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
    for chosen in _batches(np.arange(len(measured.people)), fit.batch_size):
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


def likeness(found: Tensor, truth: Tensor) -> Likeness:
    """SSIM, MS-SSIM and PSNR of each image, by torchmetrics.

    MS-SSIM uses as many of its five scales, finest first, as the images are large enough for (``scales_of``), with
    their exponents divided by their sum.

    Args:
        found: images float [n, 3, h, w] in [0, 1].
        truth: the originals, of the same shape.
    """
    from torchmetrics.functional.image import (  # a second to import, and most runs need none of it
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    betas = BETAS[: scales_of(*truth.shape[-2:])]
    betas = tuple(beta / sum(betas) for beta in betas)
    figures = (
        structural_similarity_index_measure(found, truth, data_range=1.0, reduction="none"),
        multiscale_structural_similarity_index_measure(
            found, truth, data_range=1.0, reduction="none", betas=betas, normalize="relu"
        ),
        peak_signal_noise_ratio(found, truth, data_range=1.0, dim=(1, 2, 3), reduction="none"),
    )
    ssim, ms_ssim, psnr = (np.atleast_1d(part.cpu().numpy()) for part in figures)  # pyright: ignore
    return Likeness(ssim, ms_ssim, np.minimum(psnr, BEST_PSNR))


def scales_of(height: int, breadth: int) -> int:
    """How many of MS-SSIM's scales fit: 5 from 176 pixels on the shorter side, 4 from 99, 3 from 44, else 2.

    torchmetrics asks that the side divided by (scales - 1)^2 be at least as long as the window.
    """
    side = min(height, breadth)
    return max(scales for scales in range(1, len(BETAS) + 1) if side // max(1, scales - 1) ** 2 >= KERNEL)


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
    least, best = math.inf, network.state_dict()
    for step, chosen in enumerate(islice(_passes(training, fit), fit.steps)):
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
        found = network(_placed(z, fit.device))
    optimiser.zero_grad(set_to_none=True)
    F.l1_loss(found.float(), images.to(fit.device)).backward()
    optimiser.step()


def _error(network: nn.Module, rows: Images, validation: np.ndarray, fit: Fit) -> float:
    """Mean absolute error on the validation rows."""
    total = 0.0
    for chosen in _batches(validation, fit.batch_size):
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
        return network.eval()(_placed(z, fit.device)).float().contiguous()


def _mean_image(target: Callable[[np.ndarray], Tensor], rows: np.ndarray, fit: Fit) -> Tensor:
    """Mean of the rows' images, float [3, h, w] on the device."""
    total = sum(target(chosen).double().sum(dim=0) for chosen in _batches(rows, fit.batch_size))
    return torch.as_tensor(total / len(rows)).float().to(fit.device)


def _joined(parts: list[Likeness]) -> Likeness:
    """Likeness of the batches one after another."""
    names = ("ssim", "ms_ssim", "psnr")
    return Likeness(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _bytes(images: Tensor) -> Tensor:
    """Images float in [0, 1] as uint8 on the CPU."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()


def grid(originals: Tensor, columns: Mapping[str, Tensor], path: Path) -> None:
    """Writes a PNG like Figure 5: a row for each face, the raw image first, then a column for each name.

    Small images are enlarged by a whole factor, each pixel to a square, so that nothing is smoothed over.

    Args:
        originals: uint8 [k, 3, h, w].
        columns: title -> reconstructions, uint8 [k, 3, h, w].
        path: of the PNG; its folder must exist.

    Raises:
        InputError: a column has another shape than the originals, or the file cannot be written.
    """
    for name, images in columns.items():
        if images.shape != originals.shape:
            raise InputError(
                f"column {name}: {list(images.shape)} stands beside originals {list(originals.shape)}; "
                "pass the reconstructions of the same images at the same size"
            )
    strips = {"raw": _strip(originals)} | {name: _strip(images) for name, images in columns.items()}
    try:
        _beside(strips).save(path, format="PNG")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); name a folder that exists"
        ) from error


def _strip(images: Tensor) -> Image.Image:
    """Pictures below one another, enlarged to at least CELL pixels of breadth."""
    count, _, height, breadth = images.shape
    scale = -(-CELL // breadth)
    enlarged = images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    padded = F.pad(enlarged, (0, 0, 0, GAP), value=255)
    stacked = padded.permute(0, 2, 3, 1).reshape(count * (height * scale + GAP), breadth * scale, 3)
    return Image.fromarray(stacked.contiguous().numpy(force=True))


def _beside(strips: Mapping[str, Image.Image]) -> Image.Image:
    """Strips side by side on white under their titles; a long title makes its column broader."""
    font = ImageFont.load_default()
    breadths = [max(strip.width, math.ceil(font.getlength(name))) + GAP for name, strip in strips.items()]
    height = next(iter(strips.values())).height
    picture = Image.new("RGB", (sum(breadths) + GAP, TITLE + height), "white")
    draw, left = ImageDraw.Draw(picture), GAP
    for (name, strip), breadth in zip(strips.items(), breadths, strict=True):
        draw.text((left, GAP // 2), name, fill="black", font=font)
        picture.paste(strip, (left, TITLE))
        left += breadth
    return picture
