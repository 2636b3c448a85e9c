"""A frozen extractor applied to examples in memory."""

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl.errors import InputError
from tiprdc_fl.models.extractor import Extractor, Images, batch_reader
from tiprdc_fl.models.runtime import RUNTIMES, extraction_threads

BATCH = 64  # examples preprocessed at a time


def extract(extractor: Extractor, inputs: Images | list[str]) -> Tensor:
    """Features of examples, to the bit what a contributor's device computes before it adds noise and encodes.

    Args:
        extractor: from ``load_extractor``.
        inputs: images uint8 [n, 3, h, w] of the extractor's image size, or n messages.

    Returns:
        float32 [n, *feature_shape]; of messages [n, length, d], with zeros behind a message's last step.

    Raises:
        InputError: the inputs are of another modality or size, or what a device sends depends on its private
            attributes, too.
    """
    _check(extractor, inputs)
    count = len(inputs)  # pyright: ignore[reportArgumentType]
    read, run = batch_reader(extractor.architecture, inputs), RUNTIMES["torch"].start(extractor, b"")
    with extraction_threads():
        parts = [
            run(read(np.arange(start, min(start + BATCH, count)))).float() for start in range(0, count, BATCH)
        ]
    if extractor.architecture.modality == "text":
        longest = max(part.shape[1] for part in parts)
        parts = [torch.nn.functional.pad(part, (0, 0, 0, longest - part.shape[1])) for part in parts]
    return torch.cat(parts)


def _check(extractor: Extractor, inputs: Images | list[str]) -> None:
    architecture = extractor.architecture
    if architecture.stated:
        raise InputError(
            f"what a device sends depends on its own {', '.join(architecture.stated)}, and features alone must not "
            "be sent; use tiprdc_fl.federation.contributor.contribute"
        )
    if architecture.modality == "text":
        if not isinstance(inputs, list) or not all(isinstance(message, str) for message in inputs):
            raise InputError(f"this extractor takes a list of messages, got {type(inputs).__name__}")
    else:
        shape, dtype = getattr(inputs, "shape", None), getattr(inputs, "dtype", None)
        expected = (3, *architecture.image_size)
        if shape is None or tuple(shape[1:]) != expected or dtype != torch.uint8:
            got = type(inputs).__name__ if shape is None else f"{dtype} {list(shape)}"
            raise InputError(
                f"this extractor takes images, torch.uint8 [n, {str(expected)[1:-1]}], got {got}"
            )
    if not len(inputs):  # pyright: ignore[reportArgumentType]
        raise InputError("there are no examples to extract features of")
