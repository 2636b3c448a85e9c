"""What a protection is: how its encoder is trained, how it is fitted, and what the device applies."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from torch import Tensor, nn

from tiprdc_fl.models.architecture import Architecture, Per
from tiprdc_fl.models.extractor import Extractor
from tiprdc_fl.training.loop import Plan

# The configuration's keys that a training reads.
TRAINING = tuple(
    f"training.{name}"
    for name in (
        "objective",
        "epochs",
        "pretrain_epochs",
        "pretraining",
        "pretrain_batch_size",
        "batch_size",
        "pretrain_learning_rate",
        "learning_rate",
        "optimiser",
        "weight_decay",
        "decay_at",
        "pairing",
        "negatives",
        "private_heads",
        "library",
    )
)
_OF_ALGORITHM_1 = ("training.batch_size", "training.learning_rate", "training.pretraining")
# Those that the training of an encoder reads: it is a pretraining alone, and may be on proxies.
ENCODING = ("data.proxies", *(key for key in TRAINING if key not in _OF_ALGORITHM_1))


WEIGHTS = "preprocessing and weights"  # what is public of every protection
NOISE = f"{WEIGHTS}, the law of the noise"


@dataclass(frozen=True)
class Settings:
    """The keys of the configuration's ``protection`` section, and the proxies.

    Attributes:
        sigma: standard deviation of Gaussian noise, on the scale of 0 to 255.
        epsilon: Laplace noise has scale 1/epsilon.
        components: components that are sent; None: the protection's number.
        encoder: "information", "tasks" or "proxies", what an encoder is trained on; None: as "information".
        adversaries: number of adversaries of an ensemble.
        noise_multiplier: standard deviation of Gaussian noise, as a multiple of the sensitivity.
        per: "example" or "person", what a device sends one item for.
        kernel: "linear" or "rbf", what leace works on.
        rounds: of obliviator.
        noise: standard deviation of Gaussian noise, in standard deviations of what it is added to.
        common: share of that noise's variance which all of a person's items have in common.
        misstated: share of the contributors whose devices state another private class than theirs.
        bits: of a code.
        response: epsilon of randomised response; None: there is none.
        proxies: names of the proxy attributes.
    """

    sigma: float
    epsilon: float
    components: int | None
    encoder: str | None
    adversaries: int
    noise_multiplier: float
    per: Per
    kernel: str
    rounds: int
    noise: float
    common: float
    misstated: float
    bits: int
    response: float | None
    proxies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collected:
    """What the collector fits a protection to.

    Attributes:
        encoder: the trained extractor; None where the protection trains none.
        read: row numbers -> the collector's preprocessed examples.
        examples: rows there are.
        private: labels of the private attributes, int [examples, attributes].
        seed: of everything that is drawn.
        names: of the private attributes.
        people: person of each example, int64 [examples].
        proxies: labels of the proxy attributes, int [examples, proxies].
        per: what an item is sent for.
    """

    encoder: Extractor | None
    read: Callable[[np.ndarray], Tensor]
    examples: int
    private: np.ndarray
    seed: int
    names: tuple[str, ...]
    people: np.ndarray
    proxies: np.ndarray
    per: Per


@dataclass(frozen=True)
class ReconstructionBound:
    """How near to an image anyone can come from what a device sends of it: see ``protections.fisher``.

    Errors are root mean squares over an image's values, in grey levels of 255.

    Attributes:
        examples: images at which it is computed.
        values: of an image.
        information: diagonal Fisher information leakage, mean over the images; of values in [0, 1].
        unbiased: least error of an unbiased reconstruction of any of them; None where nothing depends on the image.
        informed: least error of who knows mean and covariance of images and no more.
        mean_image: error of the images' mean, which needs nothing that is sent.
    """

    examples: int
    values: int
    information: float
    unbiased: float | None
    informed: float
    mean_image: float


@dataclass(frozen=True)
class Informed:
    """What an adversary who knows a protection makes of what is sent, before it learns from it.

    Attributes:
        name: goes before the names of the probes that learn from it.
        label: what the rows are, in a few words.
        rows: (what runs on the device, what was sent of n items) -> rows, float [n, d].
    """

    name: str
    label: str
    rows: Callable[[Extractor, Tensor], Tensor]


def _flat(extractor: Extractor, sent: Tensor) -> Tensor:
    return sent.float().flatten(1)


AS_SENT = Informed("sent", "the components themselves", _flat)  # before they become features again


def keep_weights(network: nn.Module, collected: Collected) -> None:
    """The weights of the trained encoder; those that the network has where there is none."""
    if collected.encoder is not None:
        network.load_state_dict(collected.encoder.network.state_dict())


@dataclass(frozen=True)
class Protection:
    """One way to protect an example.

    Attributes:
        label: the protection in a few words.
        apply: (architecture of an extractor, settings) -> architecture of what the device computes and adds.
        train: (TIPRDC's plan, settings, tasks) -> plan of the encoder's training; None: nothing is trained.
        adapt: (what ``apply`` gives, collected) -> architecture with what the collector's examples decide.
        fit: sets the weights of the network that this architecture has.
        describe: the configuration's keys -> the values that matter, such as "epsilon 0.5".
        reads: the configuration's keys that it reads.
        modalities: of examples that it protects.
        network: whether the device runs a network; else it adds noise at most.
        quantisable: whether what it promises holds for a network in 8 bits, too.
        states: whether the device states its private attributes to what it runs; such an extractor has no
            exported file, because the file's output would be what the device must not send.
        certify: (what runs on the device, collected) -> how near to an image anyone can come; None: not known.
        check: (settings, shape of an example's features, labels of the private attributes of the collector's
            examples, int [examples, attributes]) -> nothing; raises InputError where the settings do not fit.
        defaults: key -> what null stands for, or a function that gives it from the keys before.
        public: what an adversary may know of it, in words.
        informed: what an adversary who knows it makes of what is sent; None: what everybody's probes see.
    """

    label: str
    apply: Callable[[Architecture, Settings], Architecture]
    train: Callable[[Plan, Settings, tuple[str, ...]], Plan] | None = None
    adapt: Callable[[Architecture, Collected], Architecture] = lambda architecture, collected: architecture
    fit: Callable[[nn.Module, Collected], None] = keep_weights
    describe: Callable[[Mapping[str, Any]], str] = lambda keys: ""
    reads: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("image", "text")
    network: bool = True
    quantisable: bool = True
    states: bool = False
    certify: Callable[[Extractor, Collected], ReconstructionBound | None] | None = None
    check: Callable[[Settings, tuple[int, ...], np.ndarray], None] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    public: str = WEIGHTS
    informed: Informed | None = None


def settings_of(keys: Mapping[str, Any]) -> Settings:
    """The settings among the configuration's dotted keys."""
    named = {
        item.name: keys[f"protection.{item.name}"] for item in fields(Settings) if item.name != "proxies"
    }
    return Settings(**named, proxies=tuple(keys["data.proxies"] or ()))


def composed(epsilon: float, values: int) -> str:
    """The epsilon of ``values`` values that are each epsilon-differentially private, rounded up."""
    return f"{math.ceil(round(epsilon * values, 6)):,}"


def rounded_up(value: float) -> str:
    """A bound with two decimals, never below itself."""
    return f"{math.ceil(100 * value) / 100:.2f}"


def item_of(keys: Mapping[str, Any], example: str) -> str:
    """What an item is sent for: a person, or else what ``example`` says."""
    return "a person" if keys["protection.per"] == "person" else example


def send_features(architecture: Architecture, settings: Settings) -> Architecture:
    """The device computes features."""
    return architecture
