"""Sums that show no summand: fixed-point numbers modulo 2^64 under pairwise masks (Bonawitz et al., CCS 2017).

Each pair of a masking group agrees on a secret (X25519, HKDF), from which both expand the same mask (ChaCha20). One
adds it, the other subtracts it, so that the masks cancel in the sum over the whole group and nowhere else. Whoever
lacks the pairwise secrets takes one masked message for uniform numbers.

Against a collector that keeps to the protocol no more is needed. This is the protocol's first half: members share
no secrets by which others could be unmasked when they drop out, so a group of which one message is missing is lost.
Flower's SecAgg+ has that half, but it expands a mask from a seed of 32 bits by a generator that is not
cryptographic; its parts are therefore not used here. In a simulation a device's key derives from the run's seed, so
that a run can be repeated; a real device draws its own, and members sign the keys that they hand around.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tiprdc_fl import seeding
from tiprdc_fl.errors import InputError

SCALE = 2.0**32  # of fixed-point numbers
ROUNDING = 0.5 / SCALE  # largest error of one number
LARGEST = 2.0**20  # of a number, so that 2,000 of them add up without overflow
GROUP = 50  # members that a masking group has at least, where there are so many
LEAST_GROUP = 10  # a sum over fewer says too much of each


def encode(values: np.ndarray) -> np.ndarray:
    """Numbers from -LARGEST to LARGEST as fixed-point numbers, uint64; negative ones in two's complement.

    Raises:
        ValueError: a number is larger, or none.
    """
    if not (np.abs(values) <= LARGEST).all():
        raise ValueError(f"a number is not from {-LARGEST:,.0f} to {LARGEST:,.0f}")
    return np.round(values * SCALE).astype(np.int64).view(np.uint64)


def decode(numbers: np.ndarray) -> np.ndarray:
    """Numbers, float64, of a sum of fixed-point numbers, uint64."""
    return numbers.view(np.int64) / SCALE


def masking_groups(contributors: Sequence[int], seed: int) -> list[tuple[int, ...]]:
    """Divides contributors at random into disjoint groups of GROUP members and more; fewer people are one group.

    Raises:
        InputError: they are fewer than LEAST_GROUP.
    """
    if len(contributors) < LEAST_GROUP:
        raise InputError(
            f"protection.statistics=contributors: {len(contributors)} contributors have examples, and a sum over "
            f"fewer than {LEAST_GROUP} says too much of each; raise clients"
        )
    order = seeding.generator(seed, "masking groups").permutation(np.sort(np.asarray(contributors, np.int64)))
    parts = np.array_split(order, max(1, len(order) // GROUP))
    return [tuple(part.tolist()) for part in parts]


def simulated_key(seed: int, contributor: int) -> X25519PrivateKey:
    """The private key of a simulated device. A real device draws its own and tells nobody."""
    return X25519PrivateKey.from_private_bytes(seeding.generator(seed, "mask", contributor).bytes(32))


def public_key(key: X25519PrivateKey) -> bytes:
    """The public half of a key, 32 bytes."""
    return key.public_key().public_bytes_raw()


def masked(
    numbers: np.ndarray,
    contributor: int,
    key: X25519PrivateKey,
    public_keys: Mapping[int, bytes],
    query: bytes,
) -> np.ndarray:
    """What a contributor sends: its numbers plus a mask for each other member of its group.

    Args:
        numbers: fixed-point numbers, uint64 [n].
        contributor: its id.
        key: its private key.
        public_keys: public key of each member of its group, by id.
        query: names what is asked. Another query, and another group, has other masks.

    Raises:
        InputError: the group is too small, or the contributor is no member.
    """
    if len(public_keys) < LEAST_GROUP or public_keys.get(contributor) != public_key(key):
        raise InputError(
            f"a masking group has at least {LEAST_GROUP} members and the device is one of them with its own key; "
            f"got {len(public_keys)} members"
        )
    members = b"".join(member.to_bytes(8, "little") + public_keys[member] for member in sorted(public_keys))
    about = hashlib.sha256(query).digest() + hashlib.sha256(members).digest()
    total = numbers.copy()
    for other, public in public_keys.items():
        if other == contributor:
            continue
        secret = key.exchange(X25519PublicKey.from_public_bytes(public))
        mask = _expanded(secret, about, len(numbers))
        total = total + mask if contributor < other else total - mask
    return total


def _expanded(secret: bytes, about: bytes, count: int) -> np.ndarray:
    """A mask, uint64 [count], from the secret of a pair."""
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=about).derive(secret)
    stream = Cipher(ChaCha20(derived, bytes(16)), mode=None).encryptor()  # a key is used once
    return np.frombuffer(stream.update(bytes(8 * count)), "<u8")
