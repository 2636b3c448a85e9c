"""What an extractor is built from, and the networks that fit it."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from torch import nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.image import SMALLEST_IMAGE, ImageClassifier, ImageEstimator, ImageExtractor
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.text import TextClassifier, TextEstimator, TextExtractor, text_size

Precision = Literal["bfloat16", "float32"]
Transform = Literal["extract", "project", "pass"]
Noise = Literal["none", "gaussian", "laplace"]


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
        transform: what the device computes: "extract" features (Tables 1 and 2), "project" them to principal
            components, or "pass" the preprocessed input on.
        components: of "project".
        noise: that the device adds to what it computed, independently to every value.
        noise_scale: the Gaussian's standard deviation or the Laplace distribution's scale b.
    """

    modality: Literal["image", "text"]
    width: int
    image_size: tuple[int, int] = (0, 0)
    vocabulary: tuple[str, ...] = ()
    max_tokens: int = 0
    precision: Precision = "float32"
    transform: Transform = "extract"
    components: int = 0
    noise: Noise = "none"
    noise_scale: float = 0.0

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
    """Shape of what is sent of one example; a leading -1 for a message of any length.

    Features (2w, h/4, w/4) or (-1, d); principal components (k,) or (-1, k); an image (3, h, w).
    """
    if architecture.transform == "extract":
        return seen_shape(architecture)
    if architecture.transform == "pass":
        return (3, *architecture.image_size)
    return (architecture.components,) if architecture.modality == "image" else (-1, architecture.components)


def seen_shape(architecture: Architecture) -> tuple[int, ...]:
    """Shape of one example as probes see it: components are restored to features first."""
    if architecture.transform == "pass":
        return (3, *architecture.image_size)
    if architecture.modality == "text":
        return (-1, text_size(architecture.width))
    height, breadth = architecture.image_size
    return (2 * architecture.width, height // 4, breadth // 4)


def extracting(architecture: Architecture) -> Architecture:
    """The same architecture where the device computes features and adds nothing."""
    return replace(architecture, transform="extract", components=0, noise="none", noise_scale=0.0)


def build_extractor(architecture: Architecture) -> nn.Module:
    """What runs on the device, noise aside, with fresh weights."""
    if architecture.transform == "pass":
        return nn.Identity()
    if architecture.transform == "project":
        plain = extracting(architecture)
        return Projection(build_extractor(plain), feature_shape(plain), architecture.components)
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
