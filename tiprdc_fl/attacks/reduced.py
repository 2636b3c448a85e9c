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
        learned: float32 [rows, d], each value with mean 0 over these rows and, but for values of a kernel, variance
            1; constant values are 0.
        measured: rows of the measured people, float32 [n, d].
    """

    learned: Tensor
    measured: Tensor

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor]:
        """Variances along the principal axes, ascending, float32 [r], and the axes as columns, [d, r].

        All rows count, whoever has their labels: the collector has everybody's features. Axes without variance are
        left out, and with fewer rows than values the axes come from the products of rows.
        """
        rows, values = self.learned.shape
        if rows >= values:
            variances, axes = _eigh(self.learned.T @ self.learned / rows)
            kept = variances > ROUNDING * variances[-1]
            return variances[kept], axes[:, kept]
        variances, mixtures = _eigh(self.learned @ self.learned.T / rows)
        kept = variances > ROUNDING * variances[-1]
        variances = variances[kept]
        return variances, self.learned.T @ (mixtures[:, kept] / (rows * variances).sqrt())

    @property
    def mean_variance(self) -> Tensor:
        """Mean variance of the d values."""
        return self.axes[0].sum() / self.learned.shape[1]

    @cached_property
    def turned(self) -> "Reduced":
        """The same rows in coordinates along the principal axes."""
        _, axes = self.axes
        return Reduced(self.learned @ axes, self.measured @ axes)

    def leading(self, count: int) -> "Reduced":
        """The rows along the ``count`` axes of largest variance, scaled to variance 1; 0 where all is constant."""
        variances, axes = self.axes
        if not len(variances):  # every value is constant, which is 0
            return Reduced(self.learned[:, :1], self.measured[:, :1])
        scaled = axes[:, -count:] * variances[-count:].rsqrt()
        return Reduced(self.learned @ scaled, self.measured @ scaled)

    def lifted(self, lift: Reduce) -> "Reduced":
        """Rows of new values computed from these, standardised."""
        return standardised(lift(self.learned), lift(self.measured))


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, ascending, and eigenvectors; in double precision where float32 does not converge."""
    try:
        return torch.linalg.eigh(matrix)
    except RuntimeError:  # torch.linalg.LinAlgError, which torch does not export
        values, vectors = torch.linalg.eigh(matrix.double())
        return values.float(), vectors.float()


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
