"""Features of any shape as one short row of numbers each, for adversaries that learn in closed form."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.text import valid_steps

MOST = 1024  # a covariance of as many values takes 8 MB in double precision and a second to invert


def reduced(x: Tensor, most: int = MOST) -> np.ndarray:
    """One row of at most ``most`` numbers for each example.

    Images and their features are averaged over equal cells: a classifier that sees whole rows needs a covariance
    of all values, and neighbouring pixels say nearly the same. Messages give the mean and the maximum of each
    value over their valid steps, because messages differ in length. Components are taken as they are.

    Args:
        x: float [n, c, h, w] (images), [n, length, d] (messages, padded steps all zero) or [n, k] (components).
        most: values kept of an image. Messages and components are not cut: 2d and k are small already.

    Returns:
        float32 [n, c * cells] with as many cells as fit, [n, 2d] or [n, k].

    Raises:
        InputError: ``x`` has another number of axes.
    """
    x = x.detach().float()
    if x.dim() == 4:
        return cells(x, most).cpu().numpy()
    if x.dim() == 3:
        return mean_and_max(x).cpu().numpy()
    if x.dim() == 2:
        return x.cpu().numpy()
    raise InputError(
        f"features of shape {list(x.shape)}: expected [n, c, h, w] of images, [n, length, d] of messages "
        "or [n, k] components"
    )


def cell_counts(channels: int, height: int, breadth: int, most: int = MOST) -> tuple[int, int]:
    """Rows and columns of cells so that channels * rows * columns <= most, both sides shrunk alike; at least 1."""
    scale = min(1.0, math.sqrt(most / (channels * height * breadth)))
    rows = max(1, min(height, math.floor(height * scale)))
    # Rounding the rows down leaves room that the columns may use; a flat image has one row whatever the scale.
    columns = max(1, min(breadth, math.floor(most / (channels * rows)), math.ceil(breadth * scale)))
    return rows, columns


def cells(x: Tensor, most: int = MOST) -> Tensor:
    """Images or their features, averaged over equal cells: [n, c, h, w] -> [n, c * rows * columns]."""
    return F.adaptive_avg_pool2d(x.float(), cell_counts(*x.shape[1:], most=most)).flatten(1)


def mean_and_max(z: Tensor) -> Tensor:
    """Mean and maximum over valid steps: [n, length, d] -> [n, 2d]; zeros for a message without any."""
    z, valid = z.float(), valid_steps(z).unsqueeze(2)
    mean = z.sum(dim=1) / valid.sum(dim=1).clamp(min=1)
    largest = z.masked_fill(~valid, -math.inf).amax(dim=1)
    return torch.cat([mean, largest.nan_to_num(neginf=0.0)], dim=1)
