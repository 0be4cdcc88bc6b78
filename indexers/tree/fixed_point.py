"""Unit vectors in fixed point, so that sums and products are exact, and the same whatever the order of items.

Each coordinate of a unit vector is rounded to a whole number of 1/SCALE, which lengthens the vector by sqrt(d) / 2 at
most. Every partial sum of the product of two such vectors is bounded by the product of the two norms (Cauchy and
Schwarz). Up to 36,864 dimensions it is at most 2^24, and exact in float32; beyond, products are computed in float64. Up
to 12 million dimensions it is below 2^25, from which the limits below follow; a tree of more is refused.

A node keeps the sum S and the number n of its items' vectors; the average similarity of all pairs between nodes A and B
is (S_A . S_B) / (n_A n_B), in units of SCALE squared. Products of sums are exact in float64 while n_A n_B < 2^28, and
in 64-bit integers while n_A n_B < 2^37, which is two halves of a collection of 740,000 items. Beyond that integers give
them modulo 2^64, and float64 roughly; together these determine them.
"""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

from indexers.arrays import Ints
from indexers.errors import BadSetting

SCALE = 4000
UNIT = float(SCALE * SCALE)
"""The product of a rounded unit vector with itself, nearly."""
FLOAT32_DIMENSION = 36_864
"""Rounding lengthens a vector by sqrt(d) / 2 at most: up to this dimension to 4096, and products are at most 2^24."""
MAX_DIMENSION = 12_000_000
"""The dimension up to which products of two vectors are below 2^25."""
BLOCK = 256
"""Vectors rounded at once: they fit the processor's cache."""
FLOAT64_LIMIT, INT64_LIMIT = 2**28, 2**37
"""n_A n_B below which products are exact in float64, and in int64."""
MODULUS = 2.0**64


def check_dimension(dimension: int) -> None:
    """Raise BadSetting for vectors so long that products of their sums may not be exact."""
    if dimension > MAX_DIMENSION:
        raise BadSetting(
            f"vectors of {dimension:,} numbers are too long for clusters; at most {MAX_DIMENSION:,} are exact: "
            "make them shorter, or keep no clusters (the setting clusters=0)"
        )


def choose_float(dimension: int) -> str:
    """Return the smallest dtype in which products of two rounded unit vectors are exact."""
    return "f4" if dimension <= FLOAT32_DIMENSION else "f8"


def restore_products(remainders: Ints, rough: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return products that are known modulo 2^64 and, to within 2^62, roughly; rounded to float64 once."""
    products = remainders.astype(np.float64)
    wraps = np.rint((rough - products) / MODULUS)
    for place in np.flatnonzero(wraps).tolist():
        products.flat[place] = float(int(wraps.flat[place]) * 2**64 + int(remainders.flat[place]))
    return products


def round_vectors(vectors: NDArray[np.floating]) -> NDArray[np.int16]:
    """Return vectors of any length, (n, d), scaled to unit length and rounded to fixed point. Zeros stay zeros."""
    rounded = np.empty(vectors.shape, np.int16)
    for start in range(0, len(vectors), BLOCK):
        wide = vectors[start : start + BLOCK].astype(np.float64)
        length = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        length[length == 0] = 1
        wide *= (SCALE / length)[:, None]
        rounded[start : start + BLOCK] = np.rint(wide, out=wide)
    return rounded


def compute_fingerprints(vectors: NDArray[np.int16]) -> NDArray[np.uint64]:
    """Return a hash of 64 bits of each row's bytes, equal for identical vectors.

    Two different vectors among a million share one with a probability of 3e-8; they would count as identical.
    """
    rows = np.ascontiguousarray(vectors, dtype="<i2")
    digests = (xxhash.xxh3_64_intdigest(row.data) for row in rows)
    return np.fromiter(digests, np.uint64, len(rows))


def hash_contents(fingerprints: NDArray[np.uint64], copies: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the content hash of leaves of `copies` items each: splitmix64 of the fingerprint, times the items.

    The content hash of a node is the sum of those of its leaves modulo 2^64.
    """
    mixed = fingerprints + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) * copies.astype(np.uint64)
