"""Reduced rows: one standardised row of numbers for each example, with the principal axes that probes share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

ROUNDING = 1e-6  # of a value's mean or of the largest variance; less is rounding error

Reduce = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reduced:
    """Rows of the learning people and of the measured people, in the same standardised values.

    Attributes:
        learned: float32 [rows, d], each value with mean 0 and variance 1 over these rows; constant values are 0.
        measured: rows of the measured people, float32 [n, d].
    """

    learned: Tensor
    measured: Tensor

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor]:
        """Variances along the principal axes, ascending, float32 [d], and the axes as columns [d, d].

        All rows count, whoever has their labels: the collector has everybody's features.
        """
        covariance = self.learned.T @ self.learned / len(self.learned)
        variances, axes = torch.linalg.eigh(covariance)
        return variances.clamp(min=0), axes

    @cached_property
    def turned(self) -> "Reduced":
        """The same rows in coordinates along the principal axes."""
        _, axes = self.axes
        return Reduced(self.learned @ axes, self.measured @ axes)

    def leading(self, count: int) -> "Reduced":
        """The rows along the ``count`` axes of largest variance, each scaled to variance 1; noise axes are 0."""
        variances, axes = self.axes
        variances, axes = variances[-count:], axes[:, -count:]
        scale = torch.where(variances > ROUNDING * variances[-1], variances.rsqrt(), 0)
        return Reduced(self.learned @ (axes * scale), self.measured @ (axes * scale))

    def lifted(self, lift: Reduce) -> "Reduced":
        """Rows of new values computed from these, standardised."""
        return standardised(lift(self.learned), lift(self.measured))


def standardised(learned: Tensor, measured: Tensor) -> Reduced:
    """Standardises values by the rows of the learning people.

    Args:
        learned: float [rows, d]; changed in place.
        measured: float [n, d]; changed in place.
    """
    deviation, mean = torch.std_mean(learned, dim=0, correction=0)
    constant = deviation <= ROUNDING * mean.abs()
    factor = torch.where(constant, 0, 1 / torch.where(constant, 1, deviation))
    return Reduced(learned.sub_(mean).mul_(factor), measured.sub_(mean).mul_(factor))
