"""Randomness by identity, not by order.

Every draw is keyed by what it is for, e.g. `("mask", seed, subset)`, and comes from NumPy's
counter-based Philox generator. Only its raw 64-bit words are used: NumPy promises that those
never change between versions, which it does not promise for `permutation` and the like.
"""

import hashlib

import numpy as np

Key = str | int


def key(*parts: Key) -> int:
    """A 128-bit key, the same on every machine and in every process."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "little")


def seed(*parts: Key) -> int:
    """A 63-bit seed for libraries that take one integer (torch, scikit-learn)."""
    return key(*parts) >> 65


def words(n: int, *parts: Key) -> np.ndarray:
    """`n` random words, uint64 [n]; word `i` belongs to example `i` whatever `n` is."""
    return np.random.Philox(key=key(*parts)).random_raw(n)


def permutation(n: int, *parts: Key) -> np.ndarray:
    """A random order of `range(n)`, int64 [n]."""
    return np.argsort(words(n, *parts), kind="stable")


def uniform(n: int, *parts: Key) -> np.ndarray:
    """Uniform numbers in [0, 1), float64 [n], with the 53 bits a float64 can hold."""
    return (words(n, *parts) >> np.uint64(11)) * 2.0**-53


def uniform32(n: int, *parts: Key) -> np.ndarray:
    """Uniform numbers in [0, 1), float32 [n]: 24 bits, so that none is rounded up to 1."""
    return (words(n, *parts) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
