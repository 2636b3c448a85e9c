"""The only place that makes randomness: every generator derives from (seed, *path).

A path says what the randomness is for, for example ``("faces", person)`` or ``("training", epoch)``.
Two paths give independent streams, so results do not depend on how many workers there are, on the order
in which they answer, or on what else was drawn before.
"""

import hashlib
from functools import cache

import numpy as np
import torch

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


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
    """Seed torch's global generators, for layers that draw from nothing else (initialisation, dropout).

    ``torch.manual_seed`` seeds them too, but without a GPU it notes a stack trace at each call for the day when
    there is one.
    """
    value = derive(seed, *path)
    torch.default_generator.manual_seed(value)
    if _on_cuda():
        torch.cuda.manual_seed_all(value)


@cache
def _on_cuda() -> bool:
    """Whether torch sees a GPU; asking takes a millisecond."""
    return torch.cuda.is_available()


def uniforms(seed: int, ids: np.ndarray, *path: str | int) -> np.ndarray:
    """A number within [0, 1) for each id and ``path``, float64 [n]: what an id gets depends on no other one.

    Vectorised: a million ids take milliseconds, where a generator for each would take a minute. The numbers are
    splitmix64's (Steele, Lea and Flood, OOPSLA 2014) of the id's place in a stream that starts at the path's seed.
    """
    with np.errstate(over="ignore"):
        z = np.uint64(derive(seed, *path)) + (np.asarray(ids).astype(np.uint64) + np.uint64(1)) * _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53
