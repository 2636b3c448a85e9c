"""Networks of probes: perceptrons, standardisation of features, and summaries of messages."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc_fl.attacks.reduced import ROUNDING
from tiprdc_fl.models.image import conv_block, fully_connected, initialise
from tiprdc_fl.models.text import PAD

HIDDEN = 512  # units in each of the two hidden layers of the perceptron


class Whitened(nn.Module):
    """A classifier on whitened features, [batch, channels, h, w] -> logits [batch, classes].

    The channels of an adversarially trained extractor differ widely in scale and are correlated. On whitened
    channels the same classifier learns more, in a fraction of the steps. ``fit_whitening`` sets the map; until then
    it is the identity.
    """

    def __init__(self, channels: int, classifier: nn.Module):
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.eye(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.classifier = classifier

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch. The map is computed in float32: the smallest variances would not survive bfloat16."""
        with torch.autocast(z.device.type, enabled=False):
            white = F.conv2d(z.float(), self.weight[:, :, None, None], self.bias)
        return self.classifier(white)

    def fit(self, z: Tensor) -> None:
        """Sets the map so that the channels of ``z`` [n, channels, h, w] have covariance 1, over rows and places.

        The map is symmetric (zero-phase), so that each channel stays as near to itself as it can. Directions
        without variance become 0.
        """
        values = z.float().transpose(0, 1).flatten(1).double()
        mean = values.mean(dim=1)
        centred = values - mean[:, None]
        variances, axes = torch.linalg.eigh(centred @ centred.T / values.shape[1])
        scale = torch.where(variances > ROUNDING * variances[-1], variances.clamp(min=1e-300).rsqrt(), 0)
        weight = axes @ torch.diag(scale) @ axes.T
        self.weight.copy_(weight)
        self.bias.copy_(-weight @ mean)


def fit_whitening(network: nn.Module, z: Tensor) -> None:
    """Fits the network's whitening to inputs ``z``, if it begins with one."""
    if isinstance(network, Whitened):
        network.fit(z)


class Convolutions(nn.Module):
    """Two 3x3 convolutions with pooling, then one linear layer: [batch, 2w, h, w] -> logits [batch, classes].

    On whitened channels it needs a sixth of the multiplications of Table 1's classifier, and a third of its steps,
    to infer at least as much.
    """

    def __init__(self, width: int, side: tuple[int, int], classes: int):
        super().__init__()
        self.blocks = nn.Sequential(conv_block(2 * width, 4 * width, 1), conv_block(4 * width, 8 * width, 1))
        initialise(self.blocks)
        height, breadth = (length // 4 for length in side)
        self.output = nn.Sequential(nn.Dropout(0.3), nn.Linear(8 * width * height * breadth, classes))

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch of features."""
        return self.output(self.blocks(z).flatten(1))


class Perceptron(nn.Module):
    """Fully connected layers on standardised inputs, [batch, ...] -> logits [batch, classes].

    Without hidden layers this is logistic regression. ReLU and dropout 0.5 follow each hidden layer.
    """

    def __init__(self, inputs: int, classes: int, hidden: Sequence[int] = ()):
        super().__init__()
        self.standardise = nn.BatchNorm1d(inputs, affine=False)
        self.layers = fully_connected([inputs, *hidden, classes])

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.layers(self.standardise(x.flatten(1).float()))


class Summarised(nn.Module):
    """A classifier on a summary of each example: ``summarise`` maps a batch to [batch, d]."""

    def __init__(self, summarise: Callable[[Tensor], Tensor], classifier: nn.Module):
        super().__init__()
        self.summarise = summarise
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch, [batch, classes]."""
        return self.classifier(self.summarise(x))


class MeanOfWords(nn.Module):
    """Mean of the embeddings of a message's words, tokens [batch, length] -> [batch, size]."""

    def __init__(self, vocabulary_size: int, size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, size, padding_idx=PAD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Means of a batch."""
        return self.embedding(tokens).sum(dim=1) / (tokens != PAD).sum(dim=1, keepdim=True).clamp(min=1)
