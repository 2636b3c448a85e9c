"""Whitening of channels: a decoder learns from badly conditioned features as fast as from others."""

import torch
from torch import Tensor, nn

FLOOR = 1e-5  # of the largest variance; a direction with less is rounding of the codec


class ChannelWhitening(nn.Module):
    """A linear map of the channels at each position, after which they have mean 0, variance 1 and no correlation.

    Features float [batch, c, h, w] -> float32 [batch, c, h, w]. A channel of an adversarially trained extractor may
    say little beside the others and still matter; gradient descent reaches it last, unless the scales are equal.

    Args:
        z: features to measure the channels' covariance on, float [n, c, h, w].
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, z: Tensor):
        super().__init__()
        flat = z.transpose(0, 1).flatten(1).double()
        variances, directions = torch.linalg.eigh(torch.cov(flat))
        least = FLOOR * float(variances[-1])
        scales = variances.clamp(min=least).sqrt() if least > 0 else torch.ones_like(variances)
        self.register_buffer("mean", flat.mean(dim=1).float())
        self.register_buffer("matrix", (directions / scales).T.float())

    def forward(self, z: Tensor) -> Tensor:
        """Whitened features of a batch."""
        with torch.autocast(z.device.type, enabled=False):  # differences of large values need float32
            centred = z.float() - self.mean[:, None, None]
            return nn.functional.conv2d(centred, self.matrix[:, :, None, None])
