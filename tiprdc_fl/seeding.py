"""The only place that makes randomness: every generator derives from (seed, *path).

A path says what the randomness is for, for example ``("faces", person)`` or ``("training", epoch)``.
Two paths give independent streams, so results do not depend on how many workers there are, on the order
in which they answer, or on what else was drawn before.
"""

import hashlib

import numpy as np
import torch


def derive(seed: int, *path: str | int) -> int:
    """A 63-bit seed for ``path``: the same on every machine, independent between paths.

    The hash is over ``repr``, so ``1`` and ``"1"`` are different parts of a path.
    """
    parts = [part if isinstance(part, str) else int(part) for part in (seed, *path)]
    digest = hashlib.blake2b(repr(tuple(parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """A NumPy generator for ``path``."""
    return np.random.default_rng(derive(seed, *path))


def torch_generator(seed: int, *path: str | int) -> torch.Generator:
    """A CPU torch generator for ``path``."""
    return torch.Generator().manual_seed(derive(seed, *path))


def seed_torch(seed: int, *path: str | int) -> None:
    """Seed torch's global generators, for layers that draw from nothing else (initialisation, dropout)."""
    torch.manual_seed(derive(seed, *path))
