"""Number formats: conversion of the channels of features to bytes and back.

A row holds the values of one channel of one example. All rows of a batch are converted at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

# Little-endian, so that a store means the same on every machine.
_HALF = np.dtype("<f2")
_HEAD = 2 * _HALF.itemsize  # bytes of low and step, which precede a quantised row


@dataclass(frozen=True)
class Format:
    """One way to write rows of numbers.

    Attributes:
        label: short description of the numbers.
        error: bound on the difference between a number and its decoded value, in words.
        row_bytes: number of values in a row -> size of the row in bytes.
        pack: rows, float [r, values] -> uint8 [r, row_bytes]. Numbers that do not fit give rows with flaws.
        unpack: rows, uint8 [r, row_bytes], and number of values in a row -> float32 [r, values], not shared.
        flaws: rows, uint8 [r, row_bytes] -> for each kind of flaw, by description, the rows that have it, bool [r].
    """

    label: str
    error: str
    row_bytes: Callable[[int], int]
    pack: Callable[[Tensor], np.ndarray]
    unpack: Callable[[np.ndarray, int], Tensor]
    flaws: Callable[[np.ndarray], dict[str, np.ndarray]]


def floats(bits: int) -> Format:
    """Floating-point numbers of 32 or 16 bits.

    float16 keeps 11 bits of every value within +-65504: its error is at most 2^-11 of the value, or 2^-25 below
    6e-5. Features that were computed in bfloat16 (8 bits) lose nothing except values below 6e-8.
    """
    return Format(
        label=f"{bits}-bit floating-point numbers",
        error="none" if bits == 32 else "2^-11 of a value, or 2^-25",
        row_bytes=lambda values: values * bits // 8,
        pack=partial(_pack_floats, bits),
        unpack=partial(_unpack_floats, bits),
        flaws=partial(_float_flaws, bits),
    )


def affine(bits: int) -> Format:
    """Integers of 8, 4, 2 or 1 bits that divide the range of each row's values into 2^bits - 1 equal steps.

    A row begins with low and step in float16. A value is low + integer * step. Several integers share a byte, the
    first in its lowest bits. The error is at most half a step, plus float32's rounding (2^-22 of the largest
    value). As low is rounded down and step up, a step is at most 1.001 ((largest - least) + |least| / 1024 + 6e-8)
    / (2^bits - 1) + 6e-8. If the least value is 0, as after a rectifier, every 0 is decoded as 0.
    """
    return Format(
        label=f"{bits}-bit integers with a scale for each channel",
        error=f"half a step, a channel's range / {2 * (2**bits - 1)}",
        row_bytes=lambda values: _HEAD + -(-values * bits // 8),
        pack=partial(_pack_affine, bits),
        unpack=partial(_unpack_affine, bits),
        flaws=_affine_flaws,
    )


def _pack_floats(bits: int, rows: Tensor) -> np.ndarray:
    """Converts with torch, which is several times faster to float16 than numpy."""
    numbers = rows.to(torch.float16 if bits == 16 else torch.float32).contiguous().numpy()
    return numbers.astype(f"<f{bits // 8}", copy=False).view(np.uint8)


def _unpack_floats(bits: int, packed: np.ndarray, values: int) -> Tensor:
    numbers = np.ascontiguousarray(packed).view(f"<f{bits // 8}")
    return torch.from_numpy(numbers.astype(f"=f{bits // 8}")).float()


def _float_flaws(bits: int, packed: np.ndarray) -> dict[str, np.ndarray]:
    """Rows with an infinity or NaN, in which every bit of the exponent is set."""
    exponent = np.array(0x7C00 if bits == 16 else 0x7F800000, f"<u{bits // 8}")
    numbers = np.ascontiguousarray(packed).view(exponent.dtype)
    return {"features are not finite": ((numbers & exponent) == exponent).any(axis=1)}


def _pack_affine(bits: int, rows: Tensor) -> np.ndarray:
    x = rows.float()
    least, largest = x.aminmax(dim=1)
    low, step = _low_and_step(least.numpy(), largest.numpy(), 2**bits - 1)
    divisor = torch.from_numpy(np.where(step == 0, 1, step).astype(np.float32))  # 0: the row is constant
    integers = x.sub(torch.from_numpy(low.astype(np.float32))[:, None]).div_(divisor[:, None])
    integers = integers.round_().clamp_(0, 2**bits - 1).to(torch.uint8)
    head = np.stack([low, step], axis=1).astype(_HALF, copy=False).view(np.uint8)
    return np.concatenate([head, _gather(integers, bits).numpy()], axis=1)


def _low_and_step(least: np.ndarray, largest: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Low and step, float16 [r] each, with low <= least and low + steps * step >= largest."""
    with np.errstate(over="ignore", invalid="ignore"):  # overflow gives infinity, which the flaws then report
        low = least.astype(np.float16)
        low = np.where(low > least, np.nextafter(low, np.float16(-np.inf)), low)
        exact = (largest - low.astype(np.float32)) / np.float32(steps)
        step = exact.astype(np.float16)
        return low, np.where(step < exact, np.nextafter(step, np.float16(np.inf)), step)


def _gather(integers: Tensor, bits: int) -> Tensor:
    """Packs integers into bytes: uint8 [r, values] -> [r, bytes]."""
    each = 8 // bits
    padded = torch.nn.functional.pad(integers, (0, -integers.shape[1] % each))
    gathered = padded[:, ::each]
    for place in range(1, each):
        gathered = gathered | (padded[:, place::each] << (bits * place))
    return gathered


def _spread(gathered: Tensor, bits: int, values: int) -> Tensor:
    """The inverse of ``_gather``."""
    if bits == 8:
        return gathered
    parts = [(gathered >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    return torch.stack(parts, dim=2).flatten(1)[:, :values]


def _heads(packed: np.ndarray) -> np.ndarray:
    """Low and step of each row, float32 [r, 2]."""
    return packed[:, :_HEAD].copy().view(_HALF).astype(np.float32)


def _unpack_affine(bits: int, packed: np.ndarray, values: int) -> Tensor:
    low, step = torch.from_numpy(_heads(packed)).split(1, dim=1)
    integers = _spread(torch.from_numpy(packed[:, _HEAD:].copy()), bits, values)
    return integers.float().mul_(step).add_(low)


def _affine_flaws(packed: np.ndarray) -> dict[str, np.ndarray]:
    low, step = _heads(packed).T
    return {
        "low or step of a channel is not finite": ~(np.isfinite(low) & np.isfinite(step)),
        "step of a channel is negative": np.less(step, 0),
    }
