"""A sketch of vectors: coordinates on a few axes and the length of the rest, which bound every inner product.

For orthonormal axes U, (m, d), a vector y is U'a + s, with coordinates a = Uy and a rest s orthogonal to the axes. By
Cauchy and Schwarz y.q = a.b + s.t <= a.b + |s||t|, which is one inner product of m + 1 numbers instead of d: that of
the sketches (a, |s|) and (b, |t|). For distances it says |y - q|^2 >= |a - b|^2 + (|s| - |t|)^2. The bound holds for
any axes; on the principal ones (Pearson, 1901) the rests are short and the bound is tight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import scale_to_unit
from indexers.types import Vectors

Float64s = NDArray[np.float64]

UNIT = 2.0**-24
"""The largest relative error of one rounding to float32."""
UNIT64 = 2.0**-53
ROUNDS = 2
"""Power iterations of the fit: with 4, a twelfth fewer rows were left to compare, at twice the cost."""
OVERSAMPLING = 8
BLOCK_ROWS = 1024
"""Rows that are sketched at once: 4 MB in float64 at 512 dimensions, near enough to the processor."""
TINY = 2.0**-125
"""More than twice what one operation loses where results below the normal numbers of float32 become zero."""


class Sketch:
    """Axes, and the error of the bounds that they give.

    Everything is computed in float64 and stored in float32, and the error is bounded as Higham does (Accuracy and
    Stability of Numerical Algorithms, 2002, chapter 3): an inner product of n terms, in any order and with or without
    fused operations, has an error of at most g(n) = n u / (1 - n u) times the product of both lengths. Write u for the
    unit of float32, w for that of float64, E = UU' - I, and e for a bound of its norm, which is computed, so that
    nothing rests on how orthonormal the axes have become.

    1. The coordinates in float64 differ from Uy by at most h|y|, h = sqrt(m) g(d) (1 + e) with w in g. Those stored, a,
       differ by at most (u + h)|y|; likewise b for q.
    2. Let s = y - U'a and t = q - U'b, exactly. Then y.q = a'UU'b + a.Ut + b.Us + s.t. The first is at most
       a.b + e|a||b|. Us = (Uy - a) - Ea is at most (u + h + e)|y| long, so both in the middle are at most
       2 (u + h + e) |y||q|.
    3. Before they are rounded, the coordinates leave a rest of |y|^2 - |a|^2 + z, |z| <= (2h + e)|y|^2; both squares
       are computed with a relative error of (d + 2) w. `describe` adds `slack`, twice the sum of these, and rounds up.
       Rounding a moves the rest by u|y|, so that |s||t| is at most the product of the stored rests + 2.1 u |y||q|.
    4. The sketches are at most (1 + 4 u) as long as the vectors, so their inner product in float32 is at most g(m + 1)
       |y||q| (1 + 9 u) too small.

    The sum is below `error` |y||q|, which leaves 4 u for whoever scales rows before they are compared, and 1 % for the
    terms of second order. What underflows adds at most `tiny` (1 + |y| + |q|), with or without subnormal numbers.
    """

    def __init__(self, axes: Float64s) -> None:
        """Take any axes, float64 (m, dimension), of about unit length and about orthogonal."""
        self.axes = axes
        count, dimension = axes.shape
        gram = axes @ axes.T - np.eye(count)
        skew = 1.01 * float(np.linalg.norm(gram)) + count * (dimension + 2) * UNIT64
        drift = 1.01 * float(np.sqrt(count)) * (dimension + 2) * UNIT64
        self.slack = 2 * (2 * drift + skew + 2 * (dimension + 2) * UNIT64)
        self.error = 1.01 * (count + 11) * UNIT + 8 * (drift + skew)
        self.tiny = (count + dimension + 1) * TINY

    @property
    def width(self) -> int:
        """The numbers that stand for a vector."""
        return len(self.axes) + 1

    def describe(self, vectors: Vectors) -> Vectors:
        """Return sketches, float32 (n, width), of vectors, float32 (n, dimension), whose squared lengths are finite."""
        sketches = np.empty((len(vectors), self.width), np.float32)
        for first in range(0, len(vectors), BLOCK_ROWS):
            block = vectors[first : first + BLOCK_ROWS].astype(np.float64)
            coordinates = block @ self.axes.T
            squares = np.einsum("ij,ij->i", block, block)
            rests = squares - np.einsum("ij,ij->i", coordinates, coordinates)
            rests = np.sqrt(np.maximum(rests, 0) + self.slack * squares)
            sketches[first : first + BLOCK_ROWS, :-1] = coordinates
            sketches[first : first + BLOCK_ROWS, -1] = rests * (1 + 4 * UNIT)
        return sketches


def fit_axes(vectors: Vectors, count: int) -> Float64s:
    """Return about the first `count` principal axes of the directions of vectors (n, dimension), float64.

    They are those of the second moments: the mean is one of the first. Found by subspace iteration from random
    directions (Halko, Martinsson and Tropp, SIAM Review 2011), which costs a few products with the vectors.
    """
    rows = scale_to_unit(vectors)
    dimension = rows.shape[1]
    count, width = min(count, dimension), min(count + OVERSAMPLING, dimension)
    basis = np.random.default_rng(0).standard_normal((dimension, width), np.float32)
    for _ in range(ROUNDS):
        basis = np.linalg.qr(rows.T @ (rows @ basis))[0]
    coordinates = rows @ basis
    rotation = np.linalg.eigh(coordinates.T @ coordinates)[1][:, ::-1][:, :count]
    # orthonormal in float64, so that the error of the bounds is that of rounding to float32; the order stays
    return np.ascontiguousarray(np.linalg.qr((basis @ rotation).astype(np.float64))[0].T)
