"""ATTACKS: the adversaries, and the probes of tasks; a new one is a function and a record in the dictionary."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from tiprdc_fl.attacks.classical import Classical, Learn, learn_neighbours, learn_trees
from tiprdc_fl.attacks.density import learn_density
from tiprdc_fl.attacks.discriminant import discriminate
from tiprdc_fl.attacks.lifts import discriminate_by_kernel, regress_on_products
from tiprdc_fl.attacks.logistic import regress
from tiprdc_fl.attacks.networks import (
    HIDDEN,
    Convolutions,
    MeanOfWords,
    Perceptron,
    Summarised,
)
from tiprdc_fl.attacks.probe import Candidate
from tiprdc_fl.attacks.reduced import Reduce
from tiprdc_fl.attacks.reduction import (
    as_it_is,
    bag_of_words,
    channel_means,
    image_row,
    mean_and_max,
    message_means,
    message_row,
    second_moments,
)
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor, extracting, seen_shape
from tiprdc_fl.models.image import ImageClassifier
from tiprdc_fl.models.residual import ResidualClassifier
from tiprdc_fl.models.text import TextClassifier, text_size


def _behind(architecture: Architecture, classifier: nn.Module) -> nn.Module:
    """The classifier as it sees what is attacked.

    Inputs as they are pass a fresh extractor of the same width first, which is trained with the classifier.
    """
    if architecture.transform == "pass":
        return nn.Sequential(build_extractor(extracting(architecture)), classifier)
    return classifier


def _vgg(architecture: Architecture, classes: int, convolutions: int) -> nn.Module:
    """The classifier of Table 1, which is also V-CL#16 of Table 3; with four convolutions a block, V-CL#19."""
    network = ImageClassifier(architecture.width, architecture.image_size, classes, convolutions)
    return _behind(architecture, network)


def _residual(architecture: Architecture, classes: int) -> nn.Module:
    return _behind(architecture, ResidualClassifier(architecture.width, classes))


def _recurrent(architecture: Architecture, classes: int) -> nn.Module:
    return _behind(architecture, TextClassifier(architecture.width, classes))


def _convolutions(architecture: Architecture, classes: int) -> nn.Module:
    _, height, breadth = seen_shape(extracting(architecture))
    return _behind(architecture, Convolutions(architecture.width, (height, breadth), classes))


def _perceptron(architecture: Architecture, classes: int) -> nn.Module:
    """Two hidden layers on all values of an image, a message's mean and largest, or its words' mean."""
    hidden = (HIDDEN, HIDDEN)
    if architecture.modality == "image":
        channels, height, breadth = seen_shape(architecture)
        return Perceptron(channels * height * breadth, classes, hidden)
    size = text_size(architecture.width)
    if architecture.transform == "pass":
        words = MeanOfWords(len(architecture.vocabulary), size)
        return Summarised(words, Perceptron(size, classes, hidden))
    return Summarised(mean_and_max, Perceptron(2 * size, classes, hidden))


def row_reduction(architecture: Architecture) -> Reduce:
    """What reduces an example to the row that most classical probes learn from."""
    if architecture.modality == "image":
        return image_row
    return bag_of_words if architecture.transform == "pass" else message_row


def _means_of(architecture: Architecture) -> Reduce:
    if architecture.modality == "image":
        return channel_means
    return bag_of_words if architecture.transform == "pass" else message_means


def _classical(architecture: Architecture, classes: int, learn: Learn) -> Classical:
    return Classical(row_reduction(architecture), learn)


ROW_PROBES: dict[str, Learn] = {
    "lda": discriminate,
    "linear": regress,
    "products": regress_on_products,
    "kernel": discriminate_by_kernel,
    "trees": learn_trees,
    "knn": learn_neighbours,
    "density": learn_density,
}


def row_candidates(names: Sequence[str], prefix: str = "") -> dict[str, Candidate]:
    """Probes of rows of numbers [n, d], keys of ROW_PROBES; ``prefix`` goes before their names."""
    return {
        f"{prefix}{name}": Candidate(lambda _, name=name: Classical(as_it_is, ROW_PROBES[name]))
        for name in names
    }


def _covariance(architecture: Architecture, classes: int) -> Classical:
    return Classical(second_moments, discriminate)


def _products(architecture: Architecture, classes: int) -> Classical:
    return Classical(_means_of(architecture), regress_on_products)


@dataclass(frozen=True)
class Attack:
    """A probe that can be tried.

    Attributes:
        label: the probe in a few words.
        build: (architecture, classes) -> fresh network, or classical adversary, for what the architecture has
            probes see: features, or the preprocessed inputs where its transform is "pass".
        modalities: that the probe works on.
        rate: a network's learning rate as a multiple of the common one.
        reads: the configuration's keys that the probe reads beside those of every probe.
    """

    label: str
    build: Callable[[Architecture, int], nn.Module | Classical]
    modalities: tuple[str, ...] = ("image", "text")
    rate: float = 1.0
    reads: tuple[str, ...] = ()


ATTACKS: dict[str, Attack] = {
    "lda": Attack("shrinkage linear discriminant analysis", partial(_classical, learn=discriminate)),
    "linear": Attack("L2 logistic regression", partial(_classical, learn=regress)),
    "products": Attack("logistic regression on products of pooled values", _products),
    "covariance": Attack("linear discriminant on covariances of channels", _covariance, ("image",)),
    "kernel": Attack("kernel discriminant", partial(_classical, learn=discriminate_by_kernel)),
    "trees": Attack("gradient-boosted trees", partial(_classical, learn=learn_trees)),
    "conv": Attack("two convolutions", _convolutions, ("image",), rate=6.0),
    "table1": Attack("convolutions, the classifier of Table 1", partial(_vgg, convolutions=3), ("image",)),
    "table2": Attack("LSTM, the classifier of Table 2", _recurrent, ("text",)),
    "vcl16": Attack("V-CL#16 of Table 3", partial(_vgg, convolutions=3), ("image",)),
    "vcl19": Attack("V-CL#19 of Table 3", partial(_vgg, convolutions=4), ("image",)),
    "rescl": Attack("Res-CL of Table 3", _residual, ("image",)),
    "mlp": Attack("two hidden layers", _perceptron),
    "knn": Attack("nearest neighbours", partial(_classical, learn=learn_neighbours), ("image",)),
    "density": Attack("ratio of densities", partial(_classical, learn=learn_density), ("image",)),
}

# The probes of tasks and of private attributes where a configuration names none: first what has a closed form or
# is convex, then the networks that do best in the least time (python -m simulations.benchmarks.instrument).
DEFAULT_ATTACKS = {
    "image": ("lda", "linear", "products", "covariance", "kernel", "trees", "conv"),
    "text": ("lda", "linear", "products", "kernel", "trees", "table2"),
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
