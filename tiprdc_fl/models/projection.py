"""What stands in for, or behind, the extractor in the paper's baselines (Section 5.2)."""

import torch
from torch import Tensor, nn

ALIGNED = 16  # numbers of float32 in 64 bytes, the widest that a kernel loads at once


class Projection(nn.Module):
    """An encoder followed by principal components scaled to [0, 1] (baseline Hybrid, Osia et al. 2020).

    Inputs -> components float [batch, components] of an image, [batch, length, components] of a message, whose
    padded steps stay zero. ``restore`` is the collector's half: components -> features of the encoder's shape.

    Args:
        encoder: inputs -> features z.
        shape: of one example's features; a leading -1 for messages, whose steps are projected one by one.
        components: how many.
    """

    def __init__(self, encoder: nn.Module, shape: tuple[int, ...], components: int):
        super().__init__()
        self.encoder, self.shape = encoder, shape
        size = shape[-1] if shape[0] < 0 else shape[0] * shape[1] * shape[2]
        self.mean, self.basis, self.low, self.high = (
            nn.Parameter(torch.zeros(part), requires_grad=False)
            for part in ((size,), (components, size), (components,), (components,))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Components of a batch, clipped to the range that the collector's examples have."""
        z = self.encoder(x).float()
        flat = z if self.shape[0] < 0 else z.flatten(1)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round what is measured in float32
            return self._scaled(z, flat)

    def _scaled(self, z: Tensor, flat: Tensor) -> Tensor:
        scaled = (self._projected(flat - self.mean) - self.low) / (self.high - self.low)
        valid = (z != 0).any(dim=2, keepdim=True) if self.shape[0] < 0 else torch.ones_like(scaled[:, :1])
        return scaled.clamp(1e-4, 1.0) * valid  # never 0: a step of zeros is padding

    def _projected(self, flat: Tensor) -> Tensor:
        """``flat`` [..., size] times the basis [..., components].

        Zeros fill each row up to a multiple of ALIGNED: where components are few, some kernels begin a row's sum
        at its first number on an aligned address, so its bits would depend on where it lies.
        """
        missing = (0, -flat.shape[-1] % ALIGNED)
        return nn.functional.pad(flat, missing) @ nn.functional.pad(self.basis, missing).T

    def restore(self, components: Tensor) -> Tensor:
        """Features [batch, *shape] of (noisy) components; a step of zeros is padding and stays one."""
        flat = (components * (self.high - self.low) + self.low) @ self.basis + self.mean
        if self.shape[0] < 0:
            return flat * (components != 0).any(dim=2, keepdim=True)
        return flat.reshape(len(flat), *self.shape)
