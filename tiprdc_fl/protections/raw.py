"""Control: the image itself."""

from dataclasses import replace

from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.protections.protection import Protection, Settings


def apply(architecture: Architecture, settings: Settings) -> Architecture:
    """The device passes the image on."""
    return replace(architecture, transform="pass")


RAW = Protection(
    label="the image itself: a control",
    apply=apply,
    describe=lambda keys: "nothing is hidden",
    modalities=("image",),
    network=False,
)
