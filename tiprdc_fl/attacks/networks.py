"""Networks of probes: perceptrons, standardisation of features, and summaries of messages."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from tiprdc_fl.models.image import conv_block, fully_connected, initialise
from tiprdc_fl.models.text import PAD

HIDDEN = 512  # units in each of the two hidden layers of the perceptron


class Convolutions(nn.Module):
    """Two 3x3 convolutions with pooling, then one linear layer: [batch, 2w, h, w] -> logits [batch, classes].

    It needs a sixth of the multiplications of Table 1's classifier and infers at least as much from the default
    run's features.
    """

    def __init__(self, width: int, side: tuple[int, int], classes: int):
        super().__init__()
        self.blocks = nn.Sequential(conv_block(2 * width, 4 * width, 1), conv_block(4 * width, 6 * width, 1))
        initialise(self.blocks)
        height, breadth = (length // 4 for length in side)
        self.output = nn.Sequential(nn.Dropout(0.3), nn.Linear(6 * width * height * breadth, classes))

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
