"""PROTECTIONS: what a device does to an example before it is sent: TIPRDC, the paper's baselines, controls.

Section 5.2 of the paper names four baselines: encoder, hybrid, noisy and dp. Whatever the protection, what is sent
is validated, stored and attacked the same way as TIPRDC's features. A new protection is a file with a record, and
a line in PROTECTIONS.
"""

from dataclasses import replace

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError
from tiprdc_fl.models.architecture import Architecture, build_extractor
from tiprdc_fl.models.extractor import to_bytes
from tiprdc_fl.protections.aligned import ALIGNED
from tiprdc_fl.protections.codes import CODES
from tiprdc_fl.protections.dp import DP
from tiprdc_fl.protections.encoder import ENCODER
from tiprdc_fl.protections.ensemble import ENSEMBLE
from tiprdc_fl.protections.gaussian import GAUSSIAN
from tiprdc_fl.protections.hybrid import HYBRID
from tiprdc_fl.protections.leace import LEACE
from tiprdc_fl.protections.maxent import MAXENT
from tiprdc_fl.protections.mmd import MMD
from tiprdc_fl.protections.noisy import NOISY
from tiprdc_fl.protections.obliviator import OBLIVIATOR
from tiprdc_fl.protections.protection import Collected, Protection, ReconstructionBound, Settings, settings_of
from tiprdc_fl.protections.raw import RAW
from tiprdc_fl.protections.tiprdc import TIPRDC
from tiprdc_fl.protections.untrained import RANDOM, untrained

__all__ = [
    "PROTECTIONS",
    "Collected",
    "Protection",
    "ReconstructionBound",
    "Settings",
    "apply_protection",
    "check_protection",
    "settings_of",
    "untrained",
]

PROTECTIONS: dict[str, Protection] = {
    "tiprdc": TIPRDC,
    "ensemble": ENSEMBLE,
    "maxent": MAXENT,
    "mmd": MMD,
    "leace": LEACE,
    "obliviator": OBLIVIATOR,
    "gaussian": GAUSSIAN,
    "aligned": ALIGNED,
    "codes": CODES,
    "encoder": ENCODER,
    "hybrid": HYBRID,
    "noisy": NOISY,
    "dp": DP,
    "random": RANDOM,
    "raw": RAW,
}


def check_protection(name: str, modality: str) -> None:
    """Raises InputError when a protection does not work on a modality.

    Args:
        name: key of PROTECTIONS.
        modality: "image" or "text".
    """
    modalities = PROTECTIONS[name].modalities
    if modality not in modalities:
        able = [key for key, other in PROTECTIONS.items() if modality in other.modalities]
        raise InputError(
            f"protection.name={name} works on {' and '.join(modalities)} and the dataset holds {modality}; "
            f"for {modality}: {', '.join(able)}"
        )


def apply_protection(
    protection: Protection, settings: Settings, architecture: Architecture, collected: Collected
) -> bytes:
    """The file of what runs on the device.

    Args:
        protection: which.
        settings: of the protection.
        architecture: of an extractor.
        collected: what the protection is fitted to; its seed is that of an untrained extractor's weights, too.

    Raises:
        InputError: the protection cannot be fitted to the collector's examples.
    """
    device = protection.adapt(protection.apply(replace(architecture, per=settings.per), settings), collected)
    seeding.seed_torch(collected.seed, "untrained")
    network = build_extractor(device)
    protection.fit(network, collected)
    return to_bytes(network, device)
