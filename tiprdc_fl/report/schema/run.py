"""Sections of the report on the run itself: machine, people, training of the extractor, memory."""

from typing import Annotated, Literal

from pydantic import Field

from tiprdc_fl.report.schema.values import Count, Model, NotNegative, Share

Positive = Annotated[int, Field(ge=1)]
ShareByAttribute = dict[str, Share | None]  # null where the people have only one value of the attribute


class Environment(Model):
    """Versions and machine of the session that wrote the report."""

    python: str
    """Version of Python."""
    platform: str
    """Operating system and processor architecture."""
    cpus: Positive | None
    """Logical CPUs; null where the system does not say."""
    torch_threads: Positive
    """Threads of one torch operation in the main process."""
    cuda: str | None
    """Name of the CUDA device; null where there is none."""
    command: tuple[str, ...]
    """The command line, a string for each word."""
    code: str
    """SHA-256 over the code that decided the figures in the run's first session, plugins included."""
    packages: dict[str, str]
    """Version of each package that the figures depend on, by its name."""


class Group(Model):
    """Size of one group of people."""

    people: Count
    """People, by id."""
    examples: Count
    """Examples of these people."""


class People(Model):
    """The three disjoint groups of people."""

    collector: Group
    """The people whose examples train the extractor."""
    contributors: Group
    """The people whose features are collected; probes learn from them. Their examples are those that the
    partition gives them."""
    holdout: Group
    """The people on whom every figure in results is measured; no network has seen them."""


class Epoch(Model):
    """Figures of one epoch; means over its examples."""

    epoch: Positive
    """Number of the epoch, from 1, pretraining included."""
    phase: Literal["pretrain", "hybrid"]
    """pretrain: what training.pretraining says; hybrid: Algorithm 1."""
    adversary_loss: float | None
    """Cross-entropy of the adversaries, their mean, in nats; null where none is trained."""
    mutual_information_bound: float | None
    """Estimate of the information that features keep, in nats, by training.objective: likelihood, a pixel or token,
    not a bound; jsd, Eq. 9, at most 0; infonce, at most log(1 + training.negatives). Null where pretraining learns
    the private attribute, and at budget 1."""
    extractor_loss: float | None
    """What the extractor minimises, the terms weighted by the budget, in nats; with training.hiding=mmd its first
    term has no unit. Null where pretraining learns the private attribute."""
    examples_per_second: NotNegative
    """Examples trained on in a second."""
    adversary_balanced_accuracy: ShareByAttribute
    """Balanced accuracy of the adversaries on held-out people of the collector, by private attribute; null where
    these people have only one value of the attribute. Empty where none is trained."""


class Origin(Model):
    """An extractor that this run did not train."""

    path: str
    """Folder in training.library, or the file given as training.extractor."""
    digest: str
    """SHA-256 of the extractor's file."""


class ReconstructionBound(Model):
    """How near to an image anyone can come from the components that are sent of it, by their Fisher information.

    Errors are root mean squares over an image's values, in grey levels of 255. They are estimated at some of the
    collector's images, for the network in float32. They hold for an image by itself, from its components alone; n
    times the same image have n times the information.
    """

    examples: Positive
    """Images at which the information is computed."""
    values: Positive
    """Values of an image."""
    information: NotNegative
    """Diagonal Fisher information leakage (Maeng et al. 2023), mean over these images, of values in [0, 1]."""
    unbiased: NotNegative | None
    """Least error of an unbiased reconstruction of any of these images (Cramer and Rao); null where no component
    depends on the image. Where it is above mean_image it says nothing: a useful reconstruction is biased."""
    informed: NotNegative
    """Least error, over images, of an attacker who knows their mean and covariance and no more (van Trees, as if
    images were normal). One who knows more may come nearer. Estimated: from few images the information of the
    components has too low a rank, and the error is too large."""
    mean_image: NotNegative
    """Error of the images' mean, which needs nothing that is sent."""


class Memory(Model):
    """Peak resident memory."""

    collector_peak_bytes: Count
    """Of the main process in this session, in bytes, over all its stages, training and probes included."""
    worker_peak_bytes: Count | None
    """Of the largest worker process in the last session in which a contributor answered, in bytes; null with
    federation.engine=inline, where the collector does the work."""
