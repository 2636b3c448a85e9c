"""The architecture of an extractor, and constructors of the networks that fit it."""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from torch import nn

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.erasure import Erasure
from tiprdc_fl.models.image import SMALLEST_IMAGE, ImageClassifier, ImageEstimator, ImageExtractor
from tiprdc_fl.models.kernel_map import KernelMap
from tiprdc_fl.models.projection import Projection
from tiprdc_fl.models.text import TextClassifier, TextEstimator, TextExtractor, text_size
from tiprdc_fl.models.transport import Transport

Precision = Literal["bfloat16", "float32"]
Transform = Literal["extract", "project", "erase", "kernel", "transport", "pass"]
Noise = Literal["none", "gaussian", "laplace", "response"]
Per = Literal["example", "person"]
RESTORED: tuple[Transform, ...] = (
    "project",
    "kernel",
    "transport",
)  # what is sent becomes features at the collector


@dataclass(frozen=True)
class Architecture:
    """Architecture and preprocessing of an extractor. Together with the weights it suffices to run the extractor.

    Attributes:
        modality: "image" (Table 1) or "text" (Table 2).
        width: factor of every layer's size; 64 in the paper.
        image_size: height and width in pixels (images).
        vocabulary: token of each id, PAD and UNKNOWN first (text).
        max_tokens: number of tokens after which a message is cut (text).
        precision: "bfloat16" runs under autocast, "float32" does not.
        transform: what the device computes: "extract" features (Tables 1 and 2), "project" them to principal
            components, "erase" directions of them, map them through a "kernel"'s random features, move components
            of them by the "transport" of the private class that the device states, or "pass" the preprocessed
            input on.
        components: number of components of "project" and "transport", of directions of "erase", of values that
            "kernel" sends.
        pooled: whether a message's features are averaged over its steps first, so that it has one: always in
            "transport", by choice in "project" (text).
        stated: names of the private attributes that "transport" asks the device for.
        stated_values: number of values of each of these.
        misstated: share of the contributors whose devices state another private class than theirs.
        centred: whether "transport" moves the mean of a contributor's items and what each differs from it apart.
        bits: of the code that "transport" sends instead of components; 0: it sends the components.
        inputs: whitened principal components that "kernel" begins with.
        fourier: random Fourier features of each round of "kernel".
        rounds: rounds of "kernel".
        hidden: units of the hidden layers of the perceptrons of "kernel"; 0: there are none.
        noise: distribution of the noise that the device adds to every value independently; "response" replaces a
            code by randomised response instead.
        noise_scale: standard deviation of the Gaussian, scale b of the Laplace distribution, or epsilon.
        noise_common: share of Gaussian noise's variance that all of a contributor's items have in common.
        per: what the device sends one item for: each "example", or a "person": the mean of the features of all of
            that person's examples (of a message the mean of its steps); noise is added to the mean.
    """

    modality: Literal["image", "text"]
    width: int
    image_size: tuple[int, int] = (0, 0)
    vocabulary: tuple[str, ...] = ()
    max_tokens: int = 0
    precision: Precision = "float32"
    transform: Transform = "extract"
    components: int = 0
    pooled: bool = False
    stated: tuple[str, ...] = ()
    stated_values: tuple[int, ...] = ()
    misstated: float = 0.0
    centred: bool = False
    bits: int = 0
    inputs: int = 0
    fourier: int = 0
    rounds: int = 0
    hidden: int = 0
    noise: Noise = "none"
    noise_scale: float = 0.0
    noise_common: float = 0.0
    per: Per = "example"

    def __post_init__(self) -> None:
        """Checks the image size.

        Raises:
            InputError: an image is too small for the five poolings of Table 1.
        """
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
    """Shape of what a device sends for one example; a leading -1 stands for a message of any length.

    It is (2w, h/4, w/4) or (-1, d) for features, (k,) or (-1, k) for components or the bits of a code, (1, k) for
    those of a pooled message, (3, h, w) for an image.
    """
    if architecture.transform in ("extract", "erase"):
        return seen_shape(architecture)
    if architecture.transform == "pass":
        return (3, *architecture.image_size)
    sent = architecture.bits or architecture.components
    if architecture.modality == "image":
        return (sent,)
    return (1 if architecture.pooled else -1, sent)


def seen_shape(architecture: Architecture) -> tuple[int, ...]:
    """Shape of one example as probes see it; components are restored to features first."""
    if architecture.transform == "pass":
        return (3, *architecture.image_size)
    if architecture.modality == "text":
        return (-1, text_size(architecture.width))
    height, breadth = architecture.image_size
    return (2 * architecture.width, height // 4, breadth // 4)


def extracting(architecture: Architecture) -> Architecture:
    """The same architecture with features as its output and without noise."""
    return replace(
        architecture,
        transform="extract",
        components=0,
        pooled=False,
        stated=(),
        stated_values=(),
        misstated=0.0,
        centred=False,
        bits=0,
        inputs=0,
        fourier=0,
        rounds=0,
        hidden=0,
        noise="none",
        noise_scale=0.0,
        noise_common=0.0,
    )


def build_extractor(architecture: Architecture) -> nn.Module:
    """The network that runs on the device, with fresh weights; noise is not part of it."""
    if architecture.transform == "pass":
        return nn.Identity()
    if architecture.transform in ("project", "erase"):
        plain, kept = extracting(architecture), architecture.components
        encoder, shape = build_extractor(plain), feature_shape(plain)
        if architecture.transform == "erase":
            return Erasure(encoder, shape, kept)
        return Projection(encoder, shape, kept, architecture.pooled)
    if architecture.transform == "transport":
        plain, classes = extracting(architecture), math.prod(architecture.stated_values)
        return Transport(
            build_extractor(plain),
            feature_shape(plain),
            components=architecture.components,
            classes=classes,
            bits=architecture.bits,
            centred=architecture.centred,
        )
    if architecture.transform == "kernel":
        plain = extracting(architecture)
        return KernelMap(
            build_extractor(plain),
            feature_shape(plain),
            inputs=architecture.inputs,
            components=architecture.components,
            fourier=architecture.fourier,
            rounds=architecture.rounds,
            hidden=architecture.hidden,
        )
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
    """The mutual information estimator; ``convolutions`` as in ``ImageEstimator``, ignored for text."""
    if architecture.modality == "text":
        return TextEstimator(architecture.width, len(architecture.vocabulary), classes)
    return ImageEstimator(architecture.width, architecture.image_size, classes, convolutions)
