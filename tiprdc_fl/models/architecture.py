"""What an extractor is built from, and the networks that fit it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from torch import nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.image import SMALLEST_IMAGE, ImageClassifier, ImageEstimator, ImageExtractor
from tiprdc_fl.models.text import TextClassifier, TextEstimator, TextExtractor, text_size

Precision = Literal["bfloat16", "float32"]


@dataclass(frozen=True)
class Architecture:
    """Architecture and preprocessing of an extractor: with the weights, all that is needed to use it.

    Attributes:
        modality: "image" (Table 1) or "text" (Table 2).
        width: scales every layer; 64 is the paper's.
        image_size: height and width in pixels (images).
        vocabulary: token of each id, PAD and UNKNOWN first (text).
        max_tokens: longer messages are cut (text).
        precision: "bfloat16" runs under autocast, "float32" does not.
    """

    modality: Literal["image", "text"]
    width: int
    image_size: tuple[int, int] = (0, 0)
    vocabulary: tuple[str, ...] = ()
    max_tokens: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Raises InputError when an image is too small for Table 1's five poolings."""
        if self.modality == "image" and min(self.image_size) < SMALLEST_IMAGE:
            raise InputError(
                f"data.image_size={list(self.image_size)}: Table 1 halves an image five times, "
                f"so both sides must be at least {SMALLEST_IMAGE}"
            )

    @cached_property
    def token_ids(self) -> dict[str, int]:
        """Id of each token of the vocabulary."""
        return {word: index for index, word in enumerate(self.vocabulary)}


def feature_shape(architecture: Architecture) -> tuple[int, ...]:
    """Shape of one example's features: (2w, h/4, w/4), or (-1, d) for a message of any length."""
    if architecture.modality == "text":
        return (-1, text_size(architecture.width))
    height, breadth = architecture.image_size
    return (2 * architecture.width, height // 4, breadth // 4)


def build_extractor(architecture: Architecture) -> nn.Module:
    """A feature extractor with fresh weights."""
    if architecture.modality == "text":
        return TextExtractor(architecture.width, len(architecture.vocabulary))
    return ImageExtractor(architecture.width)


def build_classifier(architecture: Architecture, classes: int) -> nn.Module:
    """The default classifier (adversary, task model, probe) on the extractor's features."""
    if architecture.modality == "text":
        return TextClassifier(architecture.width, classes)
    return ImageClassifier(architecture.width, architecture.image_size, classes)


def build_estimator(
    architecture: Architecture, classes: int, convolutions: int
) -> ImageEstimator | TextEstimator:
    """The mutual information estimator; ``convolutions`` as in ImageEstimator."""
    if architecture.modality == "text":
        return TextEstimator(architecture.width, len(architecture.vocabulary), classes)
    return ImageEstimator(architecture.width, architecture.image_size, classes, convolutions)
