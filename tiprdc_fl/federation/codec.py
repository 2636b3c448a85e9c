"""CODECS: how features become bytes on the device, and features again at the collector."""

from collections.abc import Sequence

import numpy as np

from tiprdc_fl.errors import InputError

# Little-endian, so that a store means the same on every machine. float16 keeps 11 bits of every value within
# +-65504; features that were computed in bfloat16 (8 bits) lose nothing but what lies below 6e-8.
CODECS: dict[str, np.dtype] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}


def encode(features: Sequence[np.ndarray] | np.ndarray, codec: str) -> list[bytes]:
    """The payload of each example.

    Args:
        features: one float array for each example, of any shape.
        codec: a key of CODECS.

    Raises:
        InputError: a value is not finite, or not once it is encoded.
    """
    dtype = CODECS[codec]
    payloads = []
    for number, values in enumerate(features):
        with np.errstate(over="ignore"):
            encoded = values.astype(dtype)
        if not np.isfinite(encoded).all():
            raise InputError(
                f"features of example {number} are not finite in {codec} "
                f"(largest magnitude {np.abs(values).max():.3g}); use federation.codec=float32"
            )
        payloads.append(encoded.tobytes())
    return payloads


def decode(payload: bytes | memoryview, codec: str, shape: Sequence[int]) -> np.ndarray:
    """Features float32 [*shape] of one or more payloads laid end to end; one -1 in the shape is inferred."""
    return np.frombuffer(payload, CODECS[codec]).reshape(shape).astype(np.float32)


def payload_unit(codec: str, shape: Sequence[int]) -> int:
    """Bytes that a payload's size is a multiple of: one example, or one step of a message."""
    return CODECS[codec].itemsize * int(np.prod([side for side in shape if side > 0]))
