"""Similarity of reconstructed images to the originals: SSIM, MS-SSIM and PSNR, by torchmetrics."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

BEST_PSNR = 60.0  # dB; rounding an image to 8 bits already limits it to 58.9 dB
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of MS-SSIM's scales, finest first (Wang et al. 2003)
KERNEL = 11  # side of SSIM's Gaussian window, of standard deviation 1.5 (Wang et al. 2004)


@dataclass(frozen=True)
class Similarity:
    """Similarity of n images to their originals, one value for each image.

    Attributes:
        ssim: structural similarity, mean over pixels and colours, at most 1, float32 [n].
        ms_ssim: multi-scale structural similarity, in [0, 1], float32 [n]. A negative contrast term counts as 0,
            because its root is not defined.
        psnr: peak signal-to-noise ratio in dB, at most BEST_PSNR, float32 [n].
    """

    ssim: np.ndarray
    ms_ssim: np.ndarray
    psnr: np.ndarray


def similarity(images: Tensor, originals: Tensor) -> Similarity:
    """SSIM, MS-SSIM and PSNR of each image.

    MS-SSIM uses the finest of its five scales that fit the images (``scales_of``). Their exponents are divided by
    their sum.

    Args:
        images: reconstructed images, float [n, 3, h, w] in [0, 1].
        originals: the originals, of the same shape.
    """
    from torchmetrics.functional.image import (  # takes a second to import, and most runs do not need it
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    betas = BETAS[: scales_of(*originals.shape[-2:])]
    betas = tuple(beta / sum(betas) for beta in betas)
    figures = (
        structural_similarity_index_measure(images, originals, data_range=1.0, reduction="none"),
        multiscale_structural_similarity_index_measure(
            images, originals, data_range=1.0, reduction="none", betas=betas, normalize="relu"
        ),
        peak_signal_noise_ratio(images, originals, data_range=1.0, dim=(1, 2, 3), reduction="none"),
    )
    ssim, ms_ssim, psnr = (np.atleast_1d(part.cpu().numpy()) for part in figures)  # pyright: ignore
    return Similarity(ssim, ms_ssim, np.minimum(psnr, BEST_PSNR))


def scales_of(height: int, breadth: int) -> int:
    """Number of MS-SSIM scales that fit: 5 from 176 pixels on the shorter side, 4 from 99, 3 from 44, else 2.

    torchmetrics requires that the side divided by (scales - 1)^2 is at least the window's side.
    """
    side = min(height, breadth)
    return max(scales for scales in range(1, len(BETAS) + 1) if side // max(1, scales - 1) ** 2 >= KERNEL)
