"""Networks of probes: perceptrons, standardisation of features, and summaries of messages."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tiprdc_fl.models.image import fully_connected
from tiprdc_fl.models.text import PAD, valid_steps

HIDDEN = 512  # units in each of the two hidden layers of the perceptron


class Standardised(nn.Module):
    """A classifier on standardised features, [batch, channels, h, w] -> logits [batch, classes].

    The channels of an adversarially trained extractor differ widely in scale. Without standardisation the same
    classifier learns markedly less in the same number of epochs.
    """

    def __init__(self, channels: int, classifier: nn.Module):
        super().__init__()
        self.standardise = nn.BatchNorm2d(channels, affine=False)
        self.classifier = classifier

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.classifier(self.standardise(z))


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


class BagOfWords(nn.Module):
    """Logistic regression on the words of a message, tokens [batch, length] -> [batch, classes].

    Each occurrence of a word counts. The weights start at zero.
    """

    def __init__(self, vocabulary_size: int, classes: int):
        super().__init__()
        self.weights = nn.Embedding(vocabulary_size, classes, padding_idx=PAD)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.weights(tokens).sum(dim=1) + self.bias


def mean_of_steps(z: Tensor) -> Tensor:
    """Mean of a message's valid steps, [batch, length, d] -> [batch, d]."""
    return z.float().sum(dim=1) / valid_steps(z).sum(dim=1, keepdim=True).clamp(min=1)
