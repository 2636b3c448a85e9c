"""Decoders that tell how much of an input its features keep: estimators of ``objective=likelihood``.

Each returns the mean of log p(x | z, u) - log p(x) in nats, with p(x) a model that knows neither z nor u. Its first
term is that of the bound of Barber and Agakov (2003) on I(x; z, u), and the second does not depend on z. It is no
bound itself: p(x) is simpler than the data, which makes the difference larger than the information. Other than Eq.
9, it does not end at what tells the examples of a batch apart.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl.models.image import initialise
from tiprdc_fl.models.text import PAD, text_size

PATCH = 4  # pixels of an image that one position of the features stands for, along each side
FLOOR = 0.02  # standard deviation of pixel noise (5 of 255) below which details do not count


class Likelihood(Protocol):
    """An estimator of what features tell of an input."""

    def information(self, x: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Mean of log p(x | z, u) - log p(x), in nats for each pixel or token of x."""
        ...


class ImageLikelihood(nn.Module):
    """Gaussian decoder of the patch behind each position of the features, with one variance for each component.

    An image's 4x4 patches are rotated to their principal components, and each component is predicted from z's
    neighbourhood of 3x3 positions and one-hot u. With the variances at their maximum-likelihood values, a
    component's information is half the logarithm of its variance over its mean squared error in the batch: fine
    details, of which patches have little variance, count as much as brightness does.

    Args:
        width: channels of the extractor's first convolution.
        classes: length of one-hot u.
        sample: images float [n, 3, h, w] in [0, 1], whose patches give components and variances.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, width: int, classes: int, sample: Tensor):
        super().__init__()
        patches = _patches(sample.float()).permute(0, 2, 3, 1).flatten(0, 2)
        variances, basis = torch.linalg.eigh(torch.cov(patches.T.double(), correction=0))
        self.register_buffer("mean", patches.mean(dim=0))
        self.register_buffer("basis", basis.float().contiguous())
        self.register_buffer("scale", (variances.clamp_min(0) + FLOOR**2).sqrt().float())
        values, hidden = len(self.scale), 4 * width
        self.nonlinear = nn.Sequential(
            nn.Conv2d(2 * width + classes, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, values, 1),
        )
        self.linear = nn.Conv2d(2 * width + classes, values, 3, padding=1)
        initialise(self)

    def information(self, x: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Information about images [batch, 3, h, w] in nats a pixel; features [batch, 2w, h/4, w/4]."""
        hot = u.to(z.dtype)[:, :, None, None].expand(-1, -1, *z.shape[2:])
        given = torch.cat([z, hot], dim=1)
        predicted = (self.nonlinear(given) + self.linear(given)).float()
        centred = _patches(x) - self.mean[:, None, None]
        with torch.autocast(x.device.type, enabled=False):
            truth = torch.einsum("nvhw,vc->nchw", centred, self.basis)
            errors = (truth - predicted * self.scale[:, None, None]).square().mean(dim=(0, 2, 3))
        return (self.scale.log() - 0.5 * (errors + FLOOR**2).log()).sum() / PATCH**2


class TextLikelihood(nn.Module):
    """Softmax decoder of each token from the features at its step and one-hot u, beside the tokens' frequencies.

    Args:
        width: factor of every layer's size.
        vocabulary_size: number of tokens.
        classes: length of one-hot u.
        sample: tokens int64 [n, length], whose frequencies are p(x); each token is counted once more.
    """

    frequencies: Tensor

    def __init__(self, width: int, vocabulary_size: int, classes: int, sample: Tensor):
        super().__init__()
        counts = 1.0 + torch.bincount(sample[sample != PAD], minlength=vocabulary_size)
        self.register_buffer("frequencies", (counts / counts.sum()).log())
        self.linear = nn.Linear(text_size(width) + classes, vocabulary_size)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def information(self, x: Tensor, z: Tensor, u: Tensor) -> Tensor:
        """Information about tokens [batch, length] in nats a token; features [batch, length, d]."""
        valid = x != PAD
        hot = u.to(z.dtype)[:, None, :].expand(-1, x.shape[1], -1)
        logits = self.linear(torch.cat([z, hot], dim=2)[valid]).float() + self.frequencies
        tokens = x[valid]
        return (-F.cross_entropy(logits, tokens) - self.frequencies[tokens].mean()).float()


def _patches(images: Tensor) -> Tensor:
    """Images [n, 3, h, w] -> values of each patch [n, 48, h/4, w/4], without pixels beyond the last whole patch."""
    height, breadth = (side // PATCH * PATCH for side in images.shape[2:])
    return F.pixel_unshuffle(images[:, :, :height, :breadth].contiguous(), PATCH)
