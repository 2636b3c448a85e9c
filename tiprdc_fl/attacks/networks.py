"""ATTACKS: name -> freshly initialised probe that infers an attribute, as an adversary or as a task model."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tiprdc_fl.models.architecture import Architecture, build_classifier, build_extractor, feature_shape
from tiprdc_fl.models.text import PAD, valid_steps


class Standardised(nn.Module):
    """A classifier on standardised features, [batch, channels, h, w] -> logits [batch, classes].

    Channels of an adversarially trained extractor differ widely in scale; without this the same classifier
    learns markedly less in the same number of epochs.
    """

    def __init__(self, channels: int, classifier: nn.Module):
        super().__init__()
        self.standardise = nn.BatchNorm2d(channels, affine=False)
        self.classifier = classifier

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.classifier(self.standardise(z))


class Linear(nn.Module):
    """Logistic regression on standardised inputs, [batch, ...] -> logits [batch, classes]."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.standardise = nn.BatchNorm1d(inputs, affine=False)
        self.linear = nn.Linear(inputs, classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.linear(self.standardise(x.flatten(1).float()))


class LinearOfMean(nn.Module):
    """Logistic regression on the mean of a message's valid steps, [batch, length, d] -> [batch, classes]."""

    def __init__(self, inputs: int, classes: int):
        super().__init__()
        self.linear = Linear(inputs, classes)

    def forward(self, z: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.linear(z.float().sum(dim=1) / valid_steps(z).sum(dim=1, keepdim=True))


class BagOfWords(nn.Module):
    """Logistic regression on the words of a message, tokens [batch, length] -> [batch, classes].

    A word counts as often as it stands in the message; its weight starts at zero.
    """

    def __init__(self, vocabulary_size: int, classes: int):
        super().__init__()
        self.weights = nn.Embedding(vocabulary_size, classes, padding_idx=PAD)
        nn.init.zeros_(self.weights.weight)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of a batch."""
        return self.weights(tokens).sum(dim=1) + self.bias


def classifier_on_features(architecture: Architecture, classes: int) -> nn.Module:
    """The classifier of Table 1 (or 2) on features."""
    classifier = build_classifier(architecture, classes)
    if architecture.modality == "text":
        return classifier
    return Standardised(feature_shape(architecture)[0], classifier)


def linear_on_features(architecture: Architecture, classes: int) -> nn.Module:
    """A linear probe on features."""
    shape = feature_shape(architecture)
    if architecture.modality == "text":
        return LinearOfMean(shape[-1], classes)
    return Linear(shape[0] * shape[1] * shape[2], classes)


def classifier_on_raw(architecture: Architecture, classes: int) -> nn.Module:
    """Extractor and classifier of Table 1 (or 2) in one network, both fresh: the unprotected control."""
    return nn.Sequential(build_extractor(architecture), build_classifier(architecture, classes))


def linear_on_raw(architecture: Architecture, classes: int) -> nn.Module:
    """A linear probe on pixels, or on the words of a message."""
    if architecture.modality == "text":
        return BagOfWords(len(architecture.vocabulary), classes)
    height, breadth = architecture.image_size
    return Linear(3 * height * breadth, classes)


@dataclass(frozen=True)
class Attack:
    """A probe that can be tried.

    Attributes:
        build: (architecture, classes) -> fresh network.
        rate: its learning rate as a multiple of the common one: the linear problem is convex and bears more.
    """

    build: Callable[[Architecture, int], nn.Module]
    rate: float = 1.0


ATTACKS = {"classifier": Attack(classifier_on_features), "linear": Attack(linear_on_features, 4.0)}
RAW_ATTACKS = {"classifier": Attack(classifier_on_raw), "linear": Attack(linear_on_raw, 4.0)}
