"""How differently features are distributed where u differs: ``hiding=mmd``, an adversary in closed form.

The maximum mean discrepancy (Gretton et al. 2012) is the most by which a function of a kernel's unit ball tells two
classes apart. Its gradient is that of an adversary who has converged, on every batch anew; one that is trained
follows the extractor from behind. Louizos et al. (2016) train representations for a known task with it; here it
stands for Eq. 8.
"""

import math
from itertools import combinations, product

import torch
import torch.nn.functional as F
from torch import Tensor

from tiprdc_fl.models.text import valid_steps

BANDWIDTHS = (
    2.0,
    4.0,
    8.0,
)  # of standardised values, each times the root of their number over the frequency's
FREQUENCIES = 128  # random ones a bandwidth (Rahimi and Recht 2007), drawn anew at every step
POSITIONS = 64  # of an image's features, drawn at every step where there are more
COARSE = 8  # positions along each side of an image's features as a whole


def discrepancy(z: Tensor, u: Tensor) -> Tensor:
    """Unbiased estimate of the squared discrepancy, times the examples of the batch; 0 on average by chance.

    It is the mean over kernels, over pairs of classes, and over what a kernel sees: of images every neighbourhood
    of 3x3 positions and the whole, of messages the mean of their states.

    Args:
        z: features, float [batch, c, h, w] or [batch, length, d].
        u: labels, int64 [batch, heads].

    Returns:
        The discrepancy, scalar; 0 where the batch has no two examples of two classes.
    """
    _, classes = u.unique(dim=0, return_inverse=True)
    counts = torch.bincount(classes)
    found = [number for number, count in enumerate(counts.tolist()) if count > 1]
    total, parts = z.new_zeros(()).float(), 0
    with torch.autocast(z.device.type, enabled=False):  # differences of means are small
        for view, bandwidth in product(_views(z.float()), BANDWIDTHS):
            features = _random_features(view, bandwidth)
            for first, second in combinations(found, 2):
                total = total + _squared(features[classes == first], features[classes == second])
                parts += 1
    return len(z) * total / max(1, parts)


def _views(z: Tensor) -> list[Tensor]:
    """What the kernels see, [batch, positions, values], standardised over the batch."""
    if z.dim() == 3:
        valid = valid_steps(z).unsqueeze(2)
        return [_standardised((z * valid).sum(dim=1) / valid.sum(dim=1)).unsqueeze(1)]
    z = _standardised(z)
    windows = F.unfold(z, 3, padding=1).transpose(1, 2)
    chosen = torch.randperm(windows.shape[1], device=z.device)[:POSITIONS]
    coarse = F.adaptive_avg_pool2d(z, COARSE) if max(z.shape[2:]) > COARSE else z
    return [windows[:, chosen], coarse.flatten(1).unsqueeze(1)]


def _standardised(z: Tensor) -> Tensor:
    """Channels of mean 0 and variance 1 over the batch, so that shrinking the features hides nothing."""
    axes = tuple(axis for axis in range(z.dim()) if axis != 1)
    return (z - z.mean(dim=axes, keepdim=True)) / (z.std(dim=axes, keepdim=True) + 1e-4)


def _random_features(view: Tensor, bandwidth: float) -> Tensor:
    """Cosines whose products average to a Gaussian kernel, [batch, positions, FREQUENCIES]."""
    size = view.shape[2]
    frequencies = torch.randn(size, FREQUENCIES, device=view.device) * bandwidth / math.sqrt(size)
    phases = 2 * math.pi * torch.rand(FREQUENCIES, device=view.device)
    return torch.cos(view @ frequencies + phases) * math.sqrt(2 / FREQUENCIES)


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """Unbiased squared distance between the means of rows [n, positions, values] and [m, ...]."""
    sums = first.sum(dim=0), second.sum(dim=0)
    own = [
        (total.square().sum(dim=1) - rows.square().sum(dim=(0, 2))) / (len(rows) * (len(rows) - 1))
        for total, rows in zip(sums, (first, second), strict=True)
    ]
    return (sum(own) - 2 * (sums[0] * sums[1]).sum(dim=1) / (len(first) * len(second))).mean()
