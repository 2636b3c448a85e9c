"""Sections of the report that stage 3 measures: probes, groups, people worst off, curve, reconstruction."""

from typing import Annotated, Literal

from pydantic import Field

from tiprdc_fl.report.schema.values import BitsFigure, Count, Figure, Model, NotNegative, Share, ShareFigure

Role = Literal["private", "task"]
LearnedFrom = Literal["contributors", "collector", "both", "informed"]
Positive = Annotated[int, Field(ge=1)]
Representation = Annotated[str, Field(min_length=1)]


class ProbeResult(Model):
    """How well one probe infers one attribute from one representation."""

    role: Role
    """private: must not leak, low is good; task: a later task, high is good."""
    attribute: str
    """Name of the attribute."""
    representation: Representation
    """What the probe reads. features: what the contributors sent; random: features of an untrained extractor;
    raw: the examples themselves; majority: nothing, the class shares alone; metadata: what travels with the
    features or is seen of whoever sends them (task labels, number and sizes of examples, lengths of messages,
    device class), the label floor; features+metadata: both, by the strongest probe of each. Any other is the name
    of a protection in evaluation.controls: what it would have sent of the same examples."""
    probe: str
    """Name of the probe, a key of ATTACKS such as lda or table1 (the paper's network); behind set- for one that
    learned from all of a person's examples at once, behind a name of the protection's for an informed one that read
    other rows than features (see names); constant for majority."""
    learned_from: LearnedFrom
    """Whose labels the probe learned from. contributors: a task model, or an insider among the adversaries;
    collector: the collector's own people (an adversary with auxiliary data); both: these together; informed: both,
    and the collector's people's examples sent again, by a probe that may use what the protection makes public."""
    accuracy: ShareFigure
    """Share of examples inferred correctly under the natural class shares. For the representation majority: the
    share of the class that is most frequent where the probes learn."""
    balanced_accuracy: ShareFigure
    """Mean of the classes' recalls, classes weighted equally: 1/(number of classes) is chance."""
    roc_auc: ShareFigure
    """Area under the ROC curve; one-vs-rest mean for more than two classes; 0.5 is chance."""
    usable_bits: BitsFigure
    """Usable information: entropy of the labels minus the probe's held-out cross-entropy, not below 0."""
    tpr_at_1_fpr: ShareFigure
    """Share of the examples of class 1 that is recognised where at most 1 % of those of class 0 are taken for it.
    Null for other than two classes, and for too few examples of class 0."""
    tpr_at_01_fpr: ShareFigure
    """The same at 0.1 %."""
    per_person: ShareFigure
    """Balanced accuracy over people of one guess from all of a person's examples together, by the mean of their
    logits; null for an attribute that varies within people, and for features+metadata."""
    validation: Share | None
    """Balanced accuracy on the validation people. The strongest probe is the one with the highest; the holdout
    people only measure it. Null for majority and for probes of people."""
    validation_per_person: Share | None
    """The same of one guess a person."""
    steps: Count | None
    """Length of the probe's training: batches, trees or iterations. Null for a closed form."""
    last_doubling: float | None
    """What the last doubling of the steps brought on the validation people, as a difference of balanced accuracies.
    Null for a closed form, for iterations that a bound ends, and for a training too short for a doubling."""
    converged: bool
    """Whether more steps would change little: the last doubling brought at most one point, or at most the score's
    standard error where few validation rows decide; or iterations came within their tolerance."""
    learned_people: Positive
    """People whose examples the probe could learn from, its validation people included."""
    learned_examples: Positive
    """Examples the probe could learn from; those that an informed one sends again are the same examples."""
    measured_people: Positive
    """People the probe was measured on."""
    measured_examples: Positive
    """Examples the probe was measured on."""
    metrics: dict[str, float | None]
    """Values of the metrics handed to run(metrics=...), by name; null where a metric gave no finite number, and for
    probes of people."""


class StrongestProbe(Model):
    """An attribute and its strongest probe on the features."""

    attribute: str
    """Name of the attribute that is inferred."""
    role: Role
    """private: must not leak, low is good; task: a later task, high is good."""
    probe: str
    """Name of the strongest probe on the representation features, by balanced accuracy over all holdout
    people."""
    learned_from: LearnedFrom
    """As in results."""


class GroupResult(StrongestProbe):
    """How well an attribute is inferred from the holdout examples of one group."""

    group_by: str
    """What makes the groups: device for the holdout people's device classes (only where devices are modelled),
    else an attribute whose value the examples have."""
    group: str
    """Title of the device class, or attribute and value, such as Male=1."""
    people: Positive
    """Holdout people with at least one example in the group. A person whose examples differ in the attribute is
    in several groups."""
    examples: Positive
    """Examples of the group; those of one group_by add up to all holdout examples."""
    accuracy: ShareFigure
    """As in results, on the group's examples; null where the group has fewer than 10 people."""
    balanced_accuracy: ShareFigure
    """As in results, on the group's examples; null where a class that occurs in the group is of fewer than 10
    people, or only one class occurs. Where group_by is the attribute inferred: the recall of that class; the
    mean of these recalls is the balanced accuracy in results."""
    chance_low: Share | None
    """Lower limit of balanced_accuracy by chance: where groups of these sizes are drawn at random, all groups of
    the division are within their limits in 95 % of the draws. Null where balanced_accuracy is null, or group_by is
    the attribute inferred."""
    chance_high: Share | None
    """Upper limit by chance; null with chance_low."""
    beyond_chance: bool | None
    """Whether balanced_accuracy is outside chance_low to chance_high: the group differs by more than random ones
    do. Of twenty divisions that have nothing to do with the figure, about one has such a group. Null with
    chance_low."""


class WorstOffResult(StrongestProbe):
    """The people worst off: those of whom a task is inferred worst, or a private attribute best."""

    people: Count
    """Holdout people with at least 5 examples: the others do not count here. The figures are null for fewer
    than 30 people."""
    examples: Count
    """Examples of these people."""
    chance: Share
    """1/(number of classes)."""
    mean: ShareFigure
    """Mean over these people of the share of their own examples that is inferred correctly under balanced
    classes. Each person counts once, however many examples they have."""
    p50: ShareFigure
    """Half of these people have at most this share (private attribute: at least)."""
    worst_quarter: ShareFigure
    """A quarter of these people have at most this share (private attribute: at least)."""
    worst_tenth: ShareFigure
    """A tenth of these people have at most this share (private attribute: at least): the task serves them
    worst, or the attribute exposes them most."""
    expected_worst_tenth: Share | None
    """What worst_tenth would be if people did not differ, every example of everybody being inferred correctly
    with the probability mean: few examples alone put some people behind. Null with mean."""
    chance_low: Share | None
    """Lower limit of worst_tenth by chance: 95 % of the sets of as many people who do not differ are within. Null
    with mean."""
    chance_high: Share | None
    """Upper limit by chance; null with mean."""
    beyond_chance: bool | None
    """Whether worst_tenth is outside chance_low to chance_high: people differ by more than few examples make them.
    Null with mean."""
    share_past_chance: ShareFigure
    """Share of these people below chance (private attribute: above chance)."""


class CurvePoint(Model):
    """One adversary that learned from one number of people."""

    people: Count
    """People that the adversary learns from, its validation people included."""
    attribute: str
    """Name of the private attribute."""
    probe: str
    """Name of the adversary."""
    learned_examples: Count
    """Examples of these people."""
    balanced_accuracy: ShareFigure
    """As in results."""
    per_person: ShareFigure
    """As in results."""
    validation: Share | None
    """As in results."""
    validation_per_person: Share | None
    """As in results."""


class LikenessResult(Model):
    """How alike reconstructed and original images are."""

    ssim: Figure
    """Structural similarity; 1 for equal images."""
    ms_ssim: Figure
    """The same over ms_ssim_scales scales."""
    psnr: Figure
    """Peak signal-to-noise ratio of one image, averaged over images, in dB."""


class Converging(Model):
    """Whether something that is trained step by step was trained for long enough."""

    steps: Positive
    """Steps that it took. It ended where it had converged, at the latest after
    evaluation.reconstruction_steps."""
    last_doubling: Share | None
    """Share of the error by which the last doubling of the steps lowered it. Decoder: of the mean absolute error
    on validation people; inversion: of the loss. Null where there were too few steps to tell."""
    converged: bool
    """Whether last_doubling is below the tolerance: 0.025 for the decoder, 0.05 for the inversion. If not, more
    steps would have come nearer to the images."""


class InversionResult(LikenessResult, Converging):
    """Images whose features are nearest to those that were sent, searched by gradient descent through the frozen
    extractor, with total variation as a prior. Where noise hides the features they may be less like the originals
    than the mean image.
    """

    decoder: LikenessResult
    """The decoder's images of the same examples."""
    examples: Positive
    """Examples that were inverted, each of another holdout person."""
    strength: NotNegative
    """Weight of the prior, chosen on people of the collector."""


class VerificationResult(Model):
    """Whether an image of a person is told from other people's by a photograph that is not the one behind it: by a
    metric of people learned on the collector's own photographs. Areas under the ROC curve; 0.5 is chance.
    """

    rebuilt: ShareFigure
    """Images that the decoder rebuilt from features."""
    raw: ShareFigure
    """The ceiling: photographs in place of rebuilt images."""
    blind: ShareFigure
    """The control: the mean image of the collector's people in place of rebuilt images."""
    people: Count
    """Holdout people with at least two examples, who are compared."""
    pairs: Count
    """Pairs that are compared."""


class ReconstructionResult(LikenessResult, Converging):
    """Images of holdout people, reconstructed by a decoder that learned from the collector's people."""

    blind: LikenessResult
    """The control: the mean image of the collector's people, for every example."""
    ms_ssim_scales: Count
    """Scales of the multi-scale figure; 5 in its definition, fewer for small images."""
    inversion: InversionResult | None
    """A second adversary, who inverts the extractor. Null where the device sends the image itself, raw or noisy:
    there is nothing to invert."""
    verification: VerificationResult | None
    """Whether rebuilt faces show who they are. Null where a partition dealt out everybody's examples, so that a
    contributor is not a person, and where fewer than 10 holdout people have two examples."""


class ReidentificationResult(Model):
    """Whether two pieces of what was sent come from one person."""

    representation: Representation
    """As in results: features, random, raw, or the name of another protection."""
    unit: Literal["contribution", "example"]
    """contribution: half of a person's examples against half of another's or the same one's; example: single
    examples."""
    roc_auc: ShareFigure
    """Area under the ROC curve; 0.5 is chance."""
    people: Count
    """People with at least two examples, whose halves are compared."""
    pairs: Count
    """Pairs that are compared."""


class FloorResult(Model):
    """What the features add to what travels with them, the label floor, as a difference of balanced accuracies."""

    attribute: str
    """Name of a private attribute."""
    per_person: bool
    """Whether a guess is from all of a person's examples."""
    representation: Literal["features", "features+metadata"]
    """What is set against the floor: the features, or both together where validation people say that is more."""
    added: Figure
    """Difference of the two strongest probes' figures. Its interval is paired: over the same people."""


class CertificateResult(Model):
    """What no adversary can exceed who sees one item of a person: see docs/certificate.md."""

    representation: Representation
    """Of what the item is: features, or the name of a protection in evaluation.controls, as in results."""
    attribute: str
    """Name of a private attribute."""
    covers: Literal["code", "code+labels"]
    """What the adversary sees: the code alone, or with the task labels and the bucket of the number of the person's
    examples (1, 2-4, 5-16, 17 and more). Exact numbers, sizes, seconds and further codes are not covered."""
    values: Count
    """Codes, times the combinations of labels and buckets that occur."""
    people: tuple[Count, ...]
    """Contributors of each of the attribute's values, with one item each."""
    measured: Share
    """Balanced accuracy of the best rule on these people themselves; too high on average."""
    certified: Share
    """Largest balanced accuracy of any adversary on new people of the same population."""
    delta: Share
    """Chance, over the choice of the contributors, that this certificate fails."""


class Figures(Model):
    """All figures that stage 3 measures on holdout people."""

    results: Annotated[tuple[ProbeResult, ...], Field(min_length=1)]
    """A row for each attribute, representation and probe. The leakage of a private attribute is that of the
    strongest probe on the representation features."""
    beyond_floor: tuple[FloorResult, ...]
    """What the features add to the label floor, for each private attribute; empty where no adversary learns from
    metadata."""
    certificates: tuple[CertificateResult, ...]
    """What no adversary can exceed, for each private attribute; empty where no protection sends codes, or where
    contributors are not persons."""
    groups: tuple[GroupResult, ...]
    """Results by group: for each attribute its strongest probe on the features, on the holdout examples of each
    device class and of each attribute's values. Attributes whose balanced accuracy is null are left out."""
    worst_off: tuple[WorstOffResult, ...]
    """The people worst off, for each attribute and its strongest probe. Holdout people stand for the
    contributors."""
    curve: tuple[CurvePoint, ...]
    """Leakage against the number of people whose labels an insider has; empty unless evaluation.curve asks for
    it."""
    reconstruction: ReconstructionResult | None
    """Images reconstructed from the features; null unless evaluation.reconstruction asks for it. Pictures:
    reconstruction.npz, reconstruction.png."""
    reidentification: tuple[ReidentificationResult, ...]
    """Whether two pieces of what was sent come from one person, told by an adversary that learned from the
    contributors' ids; on holdout people. Empty when evaluation.reidentification is false, and where a partition
    dealt out everybody's examples, so that a contributor is not a person."""
