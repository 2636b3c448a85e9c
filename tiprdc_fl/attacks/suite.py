"""ATTACKS: the adversaries, and the probes of tasks; a new one is a function and a record in the dictionary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from tiprdc_fl.attacks.classical import Classical, bag_of_words, learn_neighbours, learn_trees
from tiprdc_fl.attacks.networks import (
    HIDDEN,
    BagOfWords,
    MeanOfWords,
    Perceptron,
    Standardised,
    Summarised,
    mean_of_steps,
)
from tiprdc_fl.attacks.reduction import cells, mean_and_max
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor, extracting, seen_shape
from tiprdc_fl.models.image import ImageClassifier
from tiprdc_fl.models.residual import ResidualClassifier
from tiprdc_fl.models.text import TextClassifier, text_size


def _behind(architecture: Architecture, classifier: nn.Module) -> nn.Module:
    """The classifier as it sees what is attacked.

    Features are standardised (a message's are states of an LSTM, and lie within -1 and 1 as they are). Inputs as
    they are pass a fresh extractor of the same width first, which is trained with the classifier.
    """
    if architecture.transform == "pass":
        return nn.Sequential(build_extractor(extracting(architecture)), classifier)
    if architecture.modality == "text":
        return classifier
    return Standardised(seen_shape(architecture)[0], classifier)


def _vgg(architecture: Architecture, classes: int, convolutions: int) -> nn.Module:
    """The classifier of Table 1, which is also V-CL#16 of Table 3; with four convolutions a block, V-CL#19."""
    network = ImageClassifier(architecture.width, architecture.image_size, classes, convolutions)
    return _behind(architecture, network)


def _residual(architecture: Architecture, classes: int) -> nn.Module:
    return _behind(architecture, ResidualClassifier(architecture.width, classes))


def _recurrent(architecture: Architecture, classes: int) -> nn.Module:
    return _behind(architecture, TextClassifier(architecture.width, classes))


def _linear(architecture: Architecture, classes: int) -> nn.Module:
    """Logistic regression on all values of an image, a message's mean step, or its words."""
    if architecture.modality == "image":
        return Perceptron(_values(architecture), classes)
    if architecture.transform == "pass":
        return BagOfWords(len(architecture.vocabulary), classes)
    return Summarised(mean_of_steps, Perceptron(text_size(architecture.width), classes))


def _perceptron(architecture: Architecture, classes: int) -> nn.Module:
    """Two hidden layers on all values of an image, a message's mean and largest, or its words' mean."""
    hidden = (HIDDEN, HIDDEN)
    if architecture.modality == "image":
        return Perceptron(_values(architecture), classes, hidden)
    size = text_size(architecture.width)
    if architecture.transform == "pass":
        words = MeanOfWords(len(architecture.vocabulary), size)
        return Summarised(words, Perceptron(size, classes, hidden))
    return Summarised(mean_and_max, Perceptron(2 * size, classes, hidden))


def _values(architecture: Architecture) -> int:
    channels, height, breadth = seen_shape(architecture)
    return channels * height * breadth


def _neighbours(architecture: Architecture, classes: int) -> Classical:
    return Classical(cells, learn_neighbours)


def _trees(architecture: Architecture, classes: int) -> Classical:
    if architecture.modality == "image":
        return Classical(cells, learn_trees)
    return Classical(bag_of_words if architecture.transform == "pass" else mean_and_max, learn_trees)


@dataclass(frozen=True)
class Attack:
    """A probe that can be tried.

    Attributes:
        label: the probe in a few words.
        build: (architecture, classes) -> fresh network, or classical adversary, for what the architecture has
            probes see: features, or the preprocessed inputs where its transform is "pass".
        modalities: that the probe works on.
        rate: learning rate as a multiple of the common one: the linear problem is convex and bears more.
        reads: the configuration's keys that the probe reads beside those of every probe.
    """

    label: str
    build: Callable[[Architecture, int], nn.Module | Classical]
    modalities: tuple[str, ...] = ("image", "text")
    rate: float = 1.0
    reads: tuple[str, ...] = ()


ATTACKS: dict[str, Attack] = {
    "table1": Attack("convolutions, the classifier of Table 1", partial(_vgg, convolutions=3), ("image",)),
    "table2": Attack("LSTM, the classifier of Table 2", _recurrent, ("text",)),
    "vcl16": Attack("V-CL#16 of Table 3", partial(_vgg, convolutions=3), ("image",)),
    "vcl19": Attack("V-CL#19 of Table 3", partial(_vgg, convolutions=4), ("image",)),
    "rescl": Attack("Res-CL of Table 3", _residual, ("image",)),
    "linear": Attack("logistic regression", _linear, rate=4.0),
    "mlp": Attack("two hidden layers", _perceptron),
    "knn": Attack("nearest neighbours", _neighbours, ("image",)),
    "trees": Attack("gradient-boosted trees", _trees),
}


def attacks_for(modality: str) -> tuple[str, ...]:
    """Names of the attacks that work on "image" or on "text"."""
    return tuple(name for name, attack in ATTACKS.items() if modality in attack.modalities)


def check_attacks(key: str, names: Sequence[str], modality: str) -> None:
    """Checks a list of attacks.

    Args:
        key: of the configuration, for the message.
        names: keys of ATTACKS.
        modality: "image" or "text".

    Raises:
        InputError: one of them is unknown or does not work on this modality.
    """
    able = attacks_for(modality)
    wrong = [name for name in names if name not in able]
    if wrong:
        raise InputError(
            f"{key}={','.join(names)}: {', '.join(wrong)} cannot be used, the dataset holds {modality}; "
            f"for {modality}: {', '.join(able)}"
        )
