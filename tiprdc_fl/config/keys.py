"""The configuration's keys with defaults, meanings and limits, and how it is written.

A new key is one line in one of the dataclasses below: default, meaning, bounds. The command line, its help,
the checks and the YAML follow from that line. Names of extensions (datasets, partitions, protections, attacks,
codecs, strategies) and what null stands for with them come from ``choices`` when a configuration is read.
"""
# ruff: noqa: RUF009  (_key returns a dataclasses.field)

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args

from omegaconf import OmegaConf


def _key(default: Any, meaning: str, **limits: Any) -> Any:
    """A field with its meaning and limits.

    Limits: ``choices``, ``low``, ``high``, ``above`` (exclusive), ``empty`` (the list may be empty).
    """
    metadata = {"meaning": meaning, **limits}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Data:
    """Dataset, attributes and people."""

    name: str = _key("faces", "the dataset")
    root: str | None = _key(None, "folder of the dataset's files, where it lies on disk")
    contributor: str | None = _key(None, "column of metadata with the contributor's id; null: contributor")
    private: list[str] | None = _key(None, "attributes to hide; null: the dataset's")
    tasks: list[str] | None = _key(None, "attributes of the later tasks; null: the dataset's")
    proxies: list[str] | None = _key(
        None,
        "attributes that the collector knows of its people and may train on, neither private nor tasks; null: the "
        "dataset's, where it has some, [] for none",
        empty=True,
    )
    split: str = _key(
        "random",
        "how holdout people are chosen; official: people of the test images",
        choices=("random", "official"),
    )
    image_size: tuple[int, int] = _key(
        (32, 32), "height and width in pixels, one integer: square; paper: [218, 178]", low=32, high=1024
    )
    collector_people: int | None = _key(
        None, "people the extractor trains on; null: the dataset's, else 2/3 of the rest", low=2
    )
    holdout_people: int | None = _key(
        None, "people every figure is measured on; null: the dataset's, else 1/3 of the rest", low=2
    )
    max_examples_per_person: int | None = _key(
        None, "most examples of a person; null: the dataset's, else all", low=1
    )


@dataclass(frozen=True)
class Model:
    """Sizes of the networks."""

    width: int = _key(16, "channels of the first layer, scales every layer; paper: 64", low=1)
    estimator_convs: int = _key(
        3, "convolutions in the MI estimator's first block; Table 1: 3, authors' code: 2", choices=(2, 3)
    )
    max_tokens: int = _key(32, "most tokens of a message (text only)", low=1, high=4096)
    vocabulary_size: int = _key(
        8000, "most words in the vocabulary, taken from training messages (text only)", low=10
    )


@dataclass(frozen=True)
class Training:
    """The collector's training of the extractor (Algorithm 1)."""

    budget: float = _key(0.9, "the paper's lambda; 1: only privacy, 0: only utility", low=0, high=1)
    objective: str = _key(
        "likelihood",
        "estimate of the information that features keep, which the extractor maximises; paper: jsd",
    )
    epochs: int = _key(4, "passes of Algorithm 1 over the collector's examples", low=0)
    pretrain_epochs: int = _key(4, "epochs of pretraining before that", low=0)
    pretraining: str = _key(
        "information",
        "what pretraining teaches the extractor: to keep information, or the private attribute, as in the paper",
        choices=("information", "private"),
    )
    adversaries: int = _key(1, "adversaries that the extractor is trained against; paper: 1", low=1)
    hiding: str = _key(
        "cross_entropy",
        "what the extractor maximises to hide: the adversaries' cross_entropy (paper, Eq. 8) or entropy; mmd: "
        "minus the discrepancy of the features' distributions, without adversaries",
        choices=("cross_entropy", "entropy", "mmd"),
    )
    restarts: int = _key(
        0, "epochs of Algorithm 1 after which the next adversary starts anew, in turn; 0: none does", low=0
    )
    pretrain_batch_size: int = _key(64, "examples in a batch of pretraining; paper: 64", low=2)
    batch_size: int = _key(64, "examples in a batch of Algorithm 1; paper: 64", low=2)
    pretrain_learning_rate: float = _key(3e-3, "learning rate in pretraining; paper: 1e-4", above=0)
    learning_rate: float = _key(1e-3, "learning rate in Algorithm 1; paper: 1e-4", above=0)
    optimiser: str = _key(
        "adamw", "adam: weight decay is part of the gradient, as in the paper", choices=("adamw", "adam")
    )
    weight_decay: float = _key(1e-4, "weight decay; paper: 1e-4", low=0)
    decay_at: float = _key(
        0.75, "share of the epochs of a phase after which the learning rate is divided by 10", low=0, high=1
    )
    pairing: str = _key(
        "derangement",
        "how x' of Eq. 9 is chosen in a batch; authors' code: shift",
        choices=("derangement", "shift"),
    )
    negatives: int = _key(
        1, "other examples x' of Eq. 9 for each x, at most all of the batch; paper: 1", low=1
    )
    private_heads: str = _key(
        "joint",
        "several private attributes: one joint softmax, or a softmax head for each",
        choices=("joint", "separate"),
    )
    precision: str = _key("auto", "number format of training", choices=("auto", "bfloat16", "float32"))
    extractor: str | None = _key(None, "a trained extractor.safetensors to use instead of training one")
    library: str | None = _key(
        None, "folder of trained extractors, reused where data, configuration and code are equal"
    )


@dataclass(frozen=True)
class Protection:
    """What the contributors' devices do to an example before it is sent."""

    name: str = _key("tiprdc", "the paper's method, one of its baselines, or a control that protects nothing")
    sigma: float = _key(40.0, "standard deviation of Gaussian noise, on a scale of 0 to 255", above=0)
    epsilon: float = _key(
        0.5,
        "Laplace noise of scale 1/epsilon on a value within [0, 1]; paper: 0.1 to 0.9",
        low=0.01,
    )
    components: int | None = _key(
        None, "components of the encoder's features that are sent; null: the protection's", low=1
    )
    encoder: str | None = _key(
        None,
        "trained to keep information alone, on the tasks as if they were known, or on data.proxies; null: aligned "
        "and codes on proxies where there are some, else information",
        choices=("information", "tasks", "proxies"),
    )
    adversaries: int = _key(3, "adversaries of the ensemble", low=1)
    per: str = _key(
        "example",
        "what a device sends one item for; person: the mean of its features, most frequent labels",
        choices=("example", "person"),
    )
    noise_multiplier: float = _key(
        1.0, "gaussian: standard deviation of the noise, as a multiple of the sensitivity", above=0
    )
    kernel: str = _key(
        "linear",
        "leace: erase directions of the features, or of random Fourier features of a Gaussian kernel (rbf)",
        choices=("linear", "rbf"),
    )
    rounds: int = _key(5, "obliviator: rounds of perceptron and eigenproblem", low=1, high=50)
    noise: float = _key(
        0.5, "aligned: standard deviation of the noise, in standard deviations of a component", low=0
    )
    common: float = _key(
        0.5,
        "aligned: share of the noise's variance that all of a person's items have in common, which pooling them "
        "does not average away",
        low=0,
        high=1,
    )
    misstated: float = _key(
        0.0,
        "aligned, codes: share of all people who state another private class than theirs",
        low=0,
        high=1,
    )
    bits: int = _key(6, "codes: bits of a code, so 64 codes", low=1, high=12)
    response: float | None = _key(
        None,
        "codes: epsilon of randomised response, in nats, which replaces codes; null: none does",
        above=0,
        high=30,
    )


@dataclass(frozen=True)
class Federation:
    """How contributors are reached and what they send."""

    engine: str = _key("flower", "Flower on Ray, or the same work inline")
    workers: int | None = _key(None, "processes that run nodes; null: the number of CPUs", low=1)
    contributors_per_message: int | None = _key(
        None, "contributors asked in one message; null: as many as a reply of 8 MB holds", low=1
    )
    mode: str = _key(
        "throughput",
        "throughput: contributors share batches; latency: one at a time, timed on the second of two passes",
        choices=("throughput", "latency"),
    )
    codec: str = _key(
        "float16",
        "number format of the features sent: floats, or integers with a scale for each channel; zstd around it",
    )
    writer: str = _key(
        "auto",
        "who writes features: workers, into the store's folder, or the collector; auto: workers on its machine",
        choices=("auto", "workers", "collector"),
    )
    runtime: str = _key(
        "torch",
        "what runs the extractor on the contributors' side: torch, or an exported file in float32 or int8",
    )
    retries: int = _key(2, "times a failed message is sent again", low=0)


@dataclass(frozen=True)
class Partition:
    """How the examples of the contributors' people are divided among the contributors."""

    name: str = _key(
        "natural",
        "how examples are divided: by person, or pooled and partitioned by the rule named",
    )
    partition_by: list[str] | None = _key(None, "attributes whose combination is the class; null: the tasks")
    alpha: float = _key(0.5, "concentration; small: few classes a contributor", above=0)
    num_classes_per_partition: int = _key(1, "classes of each contributor", low=1)
    class_assignment_mode: str = _key(
        "random",
        "how a contributor's classes are chosen",
        choices=("random", "deterministic"),
    )
    distribution: str = _key(
        "power_law",
        "distribution of the number of examples a contributor",
        choices=("power_law", "log_normal"),
    )
    exponent: float = _key(
        2.5, "power_law: exponent of the density; near 1 a few contributors have most examples", above=1
    )
    sigma: float = _key(1.0, "log_normal: standard deviation of the logarithm", above=0, high=10)
    min_partition_size: int = _key(1, "fewest examples of a contributor", low=0)
    strength: float = _key(1.0, "strength of the shift between contributors' cameras; 0: none", low=0, high=3)


@dataclass(frozen=True)
class Devices:
    """The contributors' devices, modelled on a virtual clock."""

    name: str | None = _key(
        "phones",
        "set of device classes: a file in configs/devices or your own YAML; null: no device is modelled",
    )
    seconds_per_example: float | None = _key(
        None,
        "compute seconds for an example on one core of this host; null: measured in this run",
        above=0,
    )
    collector_mbps: float = _key(1000.0, "megabits a second of the collector's link, each way", above=0)
    start_hour: float = _key(12.0, "local time at which the collection starts, in hours", low=0, high=24)
    silent_share: float = _key(
        0.5,
        "share of dropouts without a message: the collector waits for strategy.timeout",
        low=0,
        high=1,
    )
    duplicate_rate: float = _key(0.01, "share of answers that arrive twice", low=0, high=1)
    correlated_with: str | None = _key(
        None, "attribute correlated with faster devices; null: devices are independent of attributes"
    )
    correlation: float = _key(
        0.5,
        "parameter of the Gaussian copula between a contributor's mean of that attribute and its device's speed",
        low=-1,
        high=1,
    )


@dataclass(frozen=True)
class Strategy:
    """The collection strategy: which contributors are asked, when, and when it is enough."""

    name: str = _key(
        "everyone",
        "the collection strategy",
    )
    fraction: float = _key(0.1, "share of the contributors asked, drawn at random", above=0, high=1)
    target: int | None = _key(None, "contributors wanted; null: half of those with examples", low=1)
    factor: float = _key(1.3, "contributors asked, as a multiple of target", low=1)
    deadline: float = _key(3600.0, "seconds after which answers no longer count", above=0)
    quota: int = _key(1000, "examples wanted of each group", low=1)
    per: str = _key(
        "label", "what a group is: a value of a task, or a device class", choices=("label", "device")
    )
    window: int = _key(100, "contributors asked concurrently", low=1)
    patience: float = _key(
        604800.0,
        "seconds after which the collection ends, even while devices have not checked in",
        above=0,
    )
    timeout: float = _key(
        3600.0,
        "seconds of a device's work until it counts as lost; a later answer is late",
        above=0,
    )
    attempts: int = _key(3, "requests to a contributor before it is given up", low=1)


@dataclass(frozen=True)
class Ray:
    """The cluster that workers run on."""

    address: str | None = _key(
        None,
        "address of a running Ray cluster; auto: the cluster on this machine; null: a new local cluster",
    )


@dataclass(frozen=True)
class Evaluation:
    """Probes on the collected features: task probes and attacks."""

    steps: int = _key(
        3000,
        "most training steps of a network among the probes; it ends when validation people say no more",
        low=1,
    )
    batch_size: int = _key(128, "examples in a probe's batch", low=2)
    learning_rate: float = _key(1e-3, "learning rate of a probe's Adam", above=0)
    max_examples: int | None = _key(
        20000, "most examples a probe learns from, people drawn at random; null: all", low=100
    )
    max_per_person: int = _key(
        30, "most examples of a person that a probe trains on or is measured on", low=1
    )
    restarts: int = _key(
        1, "networks trained for each probe that is one; the best on validation people counts", low=1
    )
    attacks: list[str] | None = _key(
        None,
        "probes that infer private attributes and tasks alike; null: lda, linear, products, covariance, kernel, "
        "trees, conv; text: table2 for covariance and conv",
    )
    adversaries: list[str] = _key(
        ["insider", "auxiliary", "both", "informed", "metadata", "set"],
        "whose labels adversaries have: contributors' (insider), the collector's people's (auxiliary), both; "
        "informed: both, and they use the protection, which is public; what they read beside examples: what "
        "travels with features (metadata), all of a person's examples (set)",
        choices=("insider", "auxiliary", "both", "informed", "metadata", "set"),
    )
    augmentations: int = _key(
        0,
        "informed: times that it sends its own people's examples again, images mirrored in turn, noise drawn anew",
        low=0,
    )
    controls: list[str] = _key(
        ["random", "raw"],
        "representations measured for comparison: an untrained extractor's features (random), the raw data (raw), "
        "what another protection would send, by its name; [] for none",
        empty=True,
    )
    curve: list[int] = _key(
        [], "further numbers of people that the insider learns from, such as [10,30,100]", low=2, empty=True
    )
    reconstruction: bool = _key(False, "train a decoder that reconstructs the images from the features")
    reconstruction_steps: int = _key(
        4000,
        "most training steps of the decoder and of the inversion; both stop once they have converged",
        low=1,
    )
    reidentification: bool = _key(True, "measure whether two contributions can be linked to the same person")


@dataclass(frozen=True)
class Config:
    """The run."""

    clients: int = _key(1000, "number of contributors asked", low=1)
    seed: int = _key(0, "fixes every random choice", low=0)
    device: str = _key(
        "auto", "device of training and probes; auto: CUDA if available", choices=("auto", "cpu", "cuda")
    )
    run_dir: str | None = _key(
        None, "run folder; null: runs/<time>-<name>; an existing run of equal configuration is resumed"
    )
    open_report: bool = _key(True, "open report.html in a browser after the run, where there is a display")
    plugins: list[str] = _key(
        [], "modules to import first, here and in workers: they add extensions of your own", empty=True
    )
    name: str | None = _key(None, "the run's name in its folder's name; null: the dataset's name")
    data: Data = Data()
    partition: Partition = Partition()
    model: Model = Model()
    training: Training = Training()
    protection: Protection = Protection()
    federation: Federation = Federation()
    ray: Ray = Ray()
    devices: Devices = Devices()
    strategy: Strategy = Strategy()
    evaluation: Evaluation = field(default_factory=Evaluation)


@dataclass(frozen=True)
class Key:
    """One key as declared above, ``kind`` without its None."""

    name: str
    kind: Any
    optional: bool
    default: Any
    meaning: str
    choices: Collection[Any] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    empty: bool = False


@cache
def keys() -> dict[str, Key]:
    """Every key by its dotted name, in the order of declaration."""

    def walk(section: type, prefix: str) -> Iterator[Key]:
        for item in dataclasses.fields(section):
            if dataclasses.is_dataclass(item.type):
                yield from walk(item.type, f"{prefix}{item.name}.")  # pyright: ignore[reportArgumentType]
                continue
            optional = isinstance(item.type, UnionType)
            kind = next(t for t in get_args(item.type) if t is not NoneType) if optional else item.type
            factory = item.default_factory
            default = item.default if factory is dataclasses.MISSING else factory()
            yield Key(prefix + item.name, kind, optional, default, **item.metadata)

    return {key.name: key for key in walk(Config, "")}


@cache
def sections() -> dict[str, str]:
    """Sections by name, each with what it is about; "" is the top."""
    inside = {f.name: f.type for f in dataclasses.fields(Config) if dataclasses.is_dataclass(f.type)}
    return {name: str(kind.__doc__).rstrip(".") for name, kind in {"": Config, **inside}.items()}


def to_yaml(config: Config) -> str:
    """``config`` as YAML that ``load_config`` reads back to an equal one."""
    return OmegaConf.to_yaml(OmegaConf.create(nest(flatten(config))))


def flatten(config: Config) -> dict[str, object]:
    """``config`` as dotted keys with plain values (lists for pairs), in the order of declaration."""
    values: dict[str, object] = {}
    for name in keys():
        value: Any = config
        for part in name.split("."):
            value = getattr(value, part)
        values[name] = list(value) if isinstance(value, tuple | list) else value
    return values


def differences(a: Config, b: Config, ignore: Collection[str] = ()) -> list[str]:
    """Keys that differ, such as ``training.budget: 0.9 there, 0.5 here`` (``a`` there, ``b`` here)."""
    there, here = flatten(a), flatten(b)
    differing = (name for name in there if name not in ignore and there[name] != here[name])
    return [f"{name}: {show(there[name])} there, {show(here[name])} here" for name in differing]


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as a tree of dictionaries."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, leaf = name.split(".")
        node = tree
        for section in parents:
            node = node.setdefault(section, {})
        node[leaf] = value
    return tree


def show(value: Any) -> str:
    """A value as it is written on the command line, on one line and not too long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(show, value))}]"
    text = str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= 160 else f"{text[:157]}..."
