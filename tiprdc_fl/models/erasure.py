"""Features without a few directions, for the protection leace."""

import torch
from torch import Tensor, nn

from tiprdc_fl.models.projection import aligned_product
from tiprdc_fl.models.text import valid_steps


class Erasure(nn.Module):
    """An encoder, and an affine map of low rank that takes an attribute out of its features.

    Inputs -> features of the encoder's shape, z - ((z - mean) @ into.T) @ back; a padded step of a message stays
    zero. Steps of a message are mapped one by one.

    Args:
        encoder: inputs -> features z.
        shape: shape of one example's features; a leading -1 for messages.
        rank: directions that are taken out.
    """

    def __init__(self, encoder: nn.Module, shape: tuple[int, ...], rank: int):
        super().__init__()
        self.encoder, self.shape = encoder, shape
        size = shape[-1] if shape[0] < 0 else shape[0] * shape[1] * shape[2]
        self.mean, self.into, self.back = (
            nn.Parameter(torch.zeros(part), requires_grad=False)
            for part in ((size,), (rank, size), (rank, size))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of a batch without the directions, computed in float32."""
        z = self.encoder(x).float()
        messages = self.shape[0] < 0
        flat = z if messages else z.flatten(1)
        with torch.autocast(x.device.type, enabled=False):
            strengths = aligned_product(flat - self.mean, self.into).unbind(dim=-1)
            for strength, direction in zip(strengths, self.back, strict=True):
                flat = flat - strength.unsqueeze(-1) * direction
        erased = flat.reshape(z.shape)
        return erased * valid_steps(z).unsqueeze(2) if messages else erased
