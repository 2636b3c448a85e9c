"""Control: features of an extractor that was never trained."""

from torch import nn

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture, build_extractor, extracting
from tiprdc_fl.protections.protection import Protection, send_features


def untrained(architecture: Architecture, seed: int) -> nn.Module:
    """An extractor that was never trained: the control beside the features."""
    seeding.seed_torch(seed, "untrained")
    return build_extractor(extracting(architecture))


RANDOM = Protection(
    label="features of an extractor that was never trained: a control",
    apply=send_features,
    describe=lambda keys: "an extractor that was never trained",
)
