"""The noise of a device: added to every value, or randomised response of a code."""

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tiprdc_fl import seeding
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.fair_tree import code_of


def noisy(
    rows: Tensor,
    owners: np.ndarray,
    architecture: Architecture,
    generators: Mapping[int, np.random.Generator],
    seed: int = 0,
) -> Tensor:
    """Rows with the architecture's noise; each contributor's comes from its own generator.

    What is common to all of a contributor's rows is drawn anew from the seed for each batch, and so the same.

    Args:
        rows: features or codes, float [r, values]; a contributor's rows follow one another.
        owners: contributor of each row, int64 [r].
        architecture: says which noise, and at what scale.
        generators: generator of each contributor.
        seed: of what is common to a contributor's rows.
    """
    if architecture.noise == "none" or not len(rows):
        return rows
    result = rows.float().clone()
    for start, end in pairwise([0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(owners)]):
        generator, own = generators[int(owners[start])], result[start:end]
        if architecture.noise == "response":
            own.copy_(randomised(own, architecture.noise_scale, generator))
        else:
            draw = generator.normal if architecture.noise == "gaussian" else generator.laplace
            added = draw(0.0, architecture.noise_scale, tuple(own.shape))
            if architecture.noise_common:
                shared = seeding.generator(seed, "noise", "common", int(owners[start]))
                common = shared.normal(0.0, architecture.noise_scale, own.shape[1])
                share = architecture.noise_common
                added = math.sqrt(1 - share) * added + math.sqrt(share) * common
            own += torch.from_numpy(added.astype(np.float32))
    return result


def randomised(codes: Tensor, epsilon: float, generator: np.random.Generator) -> Tensor:
    """K-ary randomised response: the true code is e^epsilon times as likely as each other.

    Two numbers are drawn for one code after the other, so that batches change none of them.

    Args:
        codes: float [n, bits].
        epsilon: in nats.
        generator: of the contributor.
    """
    count, bits = codes.shape
    chance, uniform = generator.random((count, 2)).T
    replaced = chance < 2**bits / (math.expm1(epsilon) + 2**bits)
    drawn = code_of((uniform * 2**bits).astype(np.int64), bits)  # the true one may be drawn, too
    return torch.where(torch.from_numpy(replaced)[:, None], drawn, codes)
