"""Features to the bit, in batches drawn at random; as a script: torch's, of the cases whose names begin so.

For instance ``ATEN_CPU_CAPABILITY=avx2 python -m tests.models.any_batch narrow "messages of width 16"``; all take
about 20 seconds.
"""

import sys
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tests.models.exported import (
    ARCHITECTURES,
    IMAGE,
    KERNELS,
    MOVED,
    PROJECTED,
    TEXT,
    extractor_of,
    inputs_of,
)
from tiprdc_fl.models.architecture import Architecture
from tiprdc_fl.models.runtime import RUNTIMES, Runner, extraction_threads

MOST = 150  # examples of a batch
BATCHES = 8
WIDE = {
    "messages of width 16": replace(
        TEXT, width=16
    ),  # 75 values a step: rows begin at any multiple of 4 bytes
    "their components": replace(TEXT, width=16, **PROJECTED),
    "their pooled components": replace(TEXT, width=16, pooled=True, **PROJECTED),
    "their kernels": replace(TEXT, width=16, **KERNELS),
    "their components to be moved": replace(TEXT, width=16, pooled=True, **MOVED),
    "components to be moved": replace(IMAGE, **MOVED),
    "images of width 16": replace(IMAGE, width=16),
    "images of width 64": replace(IMAGE, width=64),
}
CASES: dict[str, Architecture] = {
    f"{name}, {precision}": replace(architecture, precision=precision)
    for name, architecture in (ARCHITECTURES | WIDE).items()
    for precision in ("float32", "bfloat16")
} | {"images as they are": replace(IMAGE, transform="pass")}


def assert_the_same_in_any_batch(run: Runner, architecture: Architecture) -> None:
    """Examples in batches of random ones, sizes and orders have the features that each has alone."""
    pool, rng = inputs_of(architecture, 40), np.random.default_rng(0)
    with extraction_threads():
        alone = torch.cat([run(one) for one in pool.split(1)])
        for size in (MOST, 1, *np.exp(rng.uniform(0, np.log(MOST), BATCHES)).astype(int)):
            drawn = torch.from_numpy(rng.integers(0, len(pool), size))
            batch, features = _batch(pool[drawn]), alone[drawn]
            if batch.dim() == 2:  # steps behind the longest message
                features = features[:, : batch.shape[1]]
            assert torch.equal(run(batch), features), f"a batch of {size} examples"


def _batch(drawn: Tensor) -> Tensor:
    """Inputs as extraction gives them: messages end with the longest."""
    return drawn[:, : int((drawn != 0).sum(dim=1).max())] if drawn.dim() == 2 else drawn


if __name__ == "__main__":
    for name in CASES:
        if name.startswith(tuple(sys.argv[1:]) or ""):
            run = RUNTIMES["torch"].start(extractor_of(CASES[name]), b"")
            assert_the_same_in_any_batch(run, CASES[name])
            print(name)
