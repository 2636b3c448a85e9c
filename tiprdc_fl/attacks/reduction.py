"""Reduction of features of any shape to one short row of numbers, for adversaries that learn from rows."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.text import last_valid, valid_steps

MAX_VALUES = 1024  # their covariance takes 8 MB in double precision and a second to invert
ROW_VALUES = 2048  # values of an image in the row that probes learn from: all of 32x8x8 features
WORDS = 2000  # words that a bag of words counts
MAX_CHANNELS = 48  # whose products are averaged: 1,176 of them
TINY = 1e-6  # added to a standard deviation before its logarithm


def reduce_features(x: Tensor, max_values: int = MAX_VALUES) -> np.ndarray:
    """Reduces each example to one row of numbers.

    Images and their features are averaged over equal cells, because neighbouring pixels are nearly the same and the
    adversary inverts a covariance of all values. Messages give the mean and the maximum of each value over their
    valid steps, because they differ in length. Components are returned unchanged.

    Args:
        x: float [n, c, h, w] (images), [n, length, d] (messages, padded steps all zero) or [n, k] (components).
        max_values: largest number of values of an image. It does not limit messages and components, whose 2d and k
            values are few.

    Returns:
        float32 [n, c * cells] with as many cells as fit, [n, 2d] or [n, k].

    Raises:
        InputError: ``x`` has another number of axes.
    """
    x = x.detach().float()
    if x.dim() == 4:
        return cells(x, max_values).cpu().numpy()
    if x.dim() == 3:
        return mean_and_max(x).cpu().numpy()
    if x.dim() == 2:
        return x.cpu().numpy()
    raise InputError(
        f"features of shape {list(x.shape)}: expected [n, c, h, w] of images, [n, length, d] of messages "
        "or [n, k] components"
    )


def cell_counts(channels: int, height: int, breadth: int, max_values: int = MAX_VALUES) -> tuple[int, int]:
    """Rows and columns of cells, at least 1 each, in the image's proportions.

    channels * rows * columns is at most ``max_values``, if ``channels`` is.
    """
    scale = min(1.0, math.sqrt(max_values / (channels * height * breadth)))
    rows = max(1, min(height, math.floor(height * scale)))
    # Rounding the rows down leaves room for more columns; a flat image has one row at any scale.
    columns = max(1, min(breadth, math.floor(max_values / (channels * rows)), math.ceil(breadth * scale)))
    return rows, columns


def cells(x: Tensor, max_values: int = MAX_VALUES) -> Tensor:
    """Averages images or their features over equal cells: [n, c, h, w] -> [n, c * rows * columns]."""
    counts = cell_counts(*x.shape[1:], max_values=max_values)
    if counts == tuple(x.shape[2:]):
        return x.float().flatten(1)
    return F.adaptive_avg_pool2d(x.float(), counts).flatten(1)


def mean_and_max(z: Tensor) -> Tensor:
    """Mean and maximum over valid steps: [n, length, d] -> [n, 2d]; zeros for a message without valid steps."""
    z, valid = z.float(), valid_steps(z).unsqueeze(2)
    mean = z.sum(dim=1) / valid.sum(dim=1).clamp(min=1)
    largest = z.masked_fill(~valid, -math.inf).amax(dim=1)
    return torch.cat([mean, largest.nan_to_num(neginf=0.0)], dim=1)


def image_row(x: Tensor) -> Tensor:
    """Averages over at most ROW_VALUES values, then ``pooled``: [n, c, h, w] -> [n, c * cells + 3c]."""
    return torch.cat([cells(x, ROW_VALUES), pooled(x)], dim=1)


def pooled(x: Tensor) -> Tensor:
    """Mean, log of the standard deviation, and maximum of each channel: [n, c, h, w] -> [n, 3c]."""
    values = x.float().flatten(2)
    deviation, mean = torch.std_mean(values, dim=2, correction=0)
    return torch.cat([mean, (deviation + TINY).log(), values.amax(dim=2)], dim=1)


def channel_means(x: Tensor) -> Tensor:
    """Mean of each channel: [n, c, h, w] -> [n, c]."""
    return x.float().mean(dim=(2, 3))


def second_moments(x: Tensor) -> Tensor:
    """Mean of each channel, and mean over places of each product of two channels: [n, c, h, w] -> [n, k].

    Second-order pooling (Carreira et al. 2012). More than MAX_CHANNELS channels are first projected, at random, to
    as many: k = c + c (c + 1) / 2.
    """
    values = x.float().flatten(2)
    if values.shape[1] > MAX_CHANNELS:
        generator = seeding.torch_generator(0, "second moments", values.shape[1])
        projection = torch.randn(MAX_CHANNELS, values.shape[1], generator=generator) / values.shape[1] ** 0.5
        values = projection.to(values.device) @ values
    first, second = torch.triu_indices(values.shape[1], values.shape[1], device=values.device)
    products = values @ values.transpose(1, 2) / values.shape[2]
    return torch.cat([values.mean(dim=2), products[:, first, second]], dim=1)


def message_row(z: Tensor) -> Tensor:
    """Mean and maximum of the valid steps, the first and the last, their number: [n, length, d] -> [n, 4d + 1]."""
    valid = valid_steps(z)
    ends = [z[:, 0].float(), last_valid(z, valid).float()]
    return torch.cat([mean_and_max(z), *ends, valid.sum(dim=1, keepdim=True).float()], dim=1)


def message_means(z: Tensor) -> Tensor:
    """Mean over valid steps: [n, length, d] -> [n, d]."""
    return mean_and_max(z)[:, : z.shape[2]]


def as_it_is(x: Tensor) -> Tensor:
    """Rows that are reduced already."""
    return x


def bag_of_words(tokens: Tensor) -> Tensor:
    """Counts of the WORDS most frequent words in each message, [batch, length] -> [batch, WORDS].

    A vocabulary is sorted by frequency, so their ids are 1 (unknown words) to WORDS.
    """
    common = torch.where(tokens <= WORDS, tokens, 0)
    counts = torch.zeros(len(tokens), WORDS + 1, device=tokens.device)
    return counts.scatter_add_(1, common, torch.ones_like(common, dtype=counts.dtype))[:, 1:]
