"""Which points of two pictures correspond, and the similarity transform that most of them agree on.

Points are complex numbers, x + iy, so that a similarity is z -> turn * z + shift, and a mirrored one turn * conj(z) +
shift. Everything is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.matching.descriptors import mirrored, opencv
from indexers.matching.features import Features

RATIO = 0.8
"""A point's best partner must be so much nearer than its second best (Lowe, IJCV 2004)."""
TOLERANCE = 4.0
"""Pixels of the normalised picture within which a point counts as where the transform says."""
_DRAWS = 300
_SCALES = (0.2, 5.0)
_SHORTEST = 20.0  # pixels between two points that a transform is drawn from
_NEAR = 32.0  # pixels from its place at which a point may have moved rather than be mistaken

Points = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Similarity:
    """b = turn * a + shift (of the mirrored a: turn * conj(a) + shift), in pixels of the normalised pictures."""

    turn: complex
    shift: complex
    mirrored: bool = False

    def __call__(self, points: Points) -> Points:
        return self.turn * (np.conj(points) if self.mirrored else points) + self.shift

    def inverse(self) -> Similarity:
        turn, shift = 1 / self.turn, -self.shift / self.turn
        return Similarity(turn.conjugate(), shift.conjugate(), True) if self.mirrored else Similarity(turn, shift)

    def matrix(self) -> NDArray[np.float64]:
        """float64 (2, 3), of x and y."""
        real, imag, sign = self.turn.real, self.turn.imag, -1 if self.mirrored else 1
        return np.array([[real, -imag * sign, self.shift.real], [imag, real * sign, self.shift.imag]])


@dataclass(frozen=True, slots=True)
class Agreement:
    """How points agree on a transform. `matches`: pairs of points that look alike; `inliers`: those where it says;
    `displaced`: those beside it, which mistaken ones seldom are; `moved`: those of the others that agree on a transform
    of their own; `bend`: pixels (root mean square) by which the inliers follow a curved field instead, as another point
    of view makes it."""

    similarity: Similarity
    matches: int
    inliers: int
    displaced: int
    moved: int
    bend: float


def agreement(a: Features, b: Features, mirror: bool) -> Agreement | None:
    """The best similarity from `a` (its mirror image with `mirror`) to `b`; None where points don't give one."""
    i, j = matches(mirrored(a.descriptors) if mirror else a.descriptors, b.descriptors)
    left, right = (one.points[at].astype(np.float64) for one, at in ((a, i), (b, j)))
    source, target = left[:, 0] + 1j * left[:, 1], right[:, 0] + 1j * right[:, 1]
    found = _consensus(np.conj(source) if mirror else source, target)
    if found is None:
        return None
    similarity = Similarity(*found, mirror)
    misfit = (target - similarity(source)) / max(1.0, abs(similarity.turn))
    apart = np.abs(misfit)
    inliers, displaced = apart <= TOLERANCE, (apart > TOLERANCE) & (apart <= _NEAR)
    moved = _moved(source[apart > 2 * TOLERANCE], target[apart > 2 * TOLERANCE], mirror)
    bend = _bend(source[inliers], misfit[inliers])
    return Agreement(similarity, len(i), int(inliers.sum()), int(displaced.sum()), moved, bend)


def _moved(source: Points, target: Points, mirror: bool) -> int:
    """Pairs of points that agree on a transform, among those that the main one doesn't explain."""
    if mirror:
        source = np.conj(source)
    found = _consensus(source, target)
    if found is None:
        return 0
    return int((np.abs(found[0] * source + found[1] - target) <= TOLERANCE * max(1, abs(found[0]))).sum())


def matches(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places i in `a` and j in `b`, uint8 (n, 32) each, of descriptors that pass the ratio test, each j once."""
    if min(len(a), len(b)) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    apart, nearest = _two_nearest(a, b)
    good = np.flatnonzero(apart[:, 0] < RATIO * apart[:, 1])
    order = good[np.argsort(apart[good, 0], kind="stable")]
    _, first = np.unique(nearest[order, 0], return_index=True)
    chosen = order[np.sort(first)]
    return chosen, nearest[chosen, 0].astype(np.int64)


def _two_nearest(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Distances in bits, and places in `b`, of the two nearest to each of `a`: int32 (n, 2) both."""
    cv2 = opencv()
    if cv2 is not None:
        return cv2.batchDistance(a, b, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=2)  # type: ignore[no-any-return]
    signs = [np.unpackbits(one, axis=1).astype(np.float32) * 2 - 1 for one in (a, b)]
    apart = ((256 - signs[0] @ signs[1].T) / 2).astype(np.int32)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :2].astype(np.int32)
    return np.take_along_axis(apart, nearest, axis=1), nearest


def _consensus(source: Points, target: Points) -> tuple[complex, complex] | None:
    """turn and shift that most pairs agree on, refined by least squares over them; None where fewer than four do.

    RANSAC (Fischler and Bolles, 1981) with a fixed seed, each draw scored by truncated squares (MSAC, Torr and
    Zisserman, 2000)."""
    count = len(source)
    if count < 4:
        return None
    one, two = np.random.default_rng(count).integers(0, count, (2, _DRAWS))
    wide = (np.abs(source[one] - source[two]) >= _SHORTEST) & (np.abs(target[one] - target[two]) >= 1)
    one, two = one[wide], two[wide]
    turn = (target[one] - target[two]) / (source[one] - source[two])
    sane = (np.abs(turn) > _SCALES[0]) & (np.abs(turn) < _SCALES[1])
    turn, shift = turn[sane], (target[one] - turn * source[one])[sane]
    if not len(turn):
        return None
    away = (turn[:, None] * source + shift[:, None] - target).astype(np.complex64)
    squared = (away.real**2 + away.imag**2) / (TOLERANCE * np.maximum(1, np.abs(turn)))[:, None] ** 2
    best = int(np.minimum(squared, 1).sum(axis=1).argmin())
    return _refined(source, target, complex(turn[best]), complex(shift[best]))


def _refined(source: Points, target: Points, turn: complex, shift: complex) -> tuple[complex, complex] | None:
    for _ in range(3):
        apart = np.abs(turn * source + shift - target)
        near = apart <= TOLERANCE * max(1, abs(turn))
        if near.sum() < 4:
            return None
        a, b = source[near], target[near]
        from_middle = a - a.mean()
        spread = float(np.vdot(from_middle, from_middle).real)
        if spread < _SHORTEST:
            return None
        turn = complex(np.vdot(from_middle, b - b.mean()) / spread)
        shift = complex(b.mean() - turn * a.mean())
        if not _SCALES[0] < abs(turn) < _SCALES[1]:
            return None
    return turn, shift


def _bend(points: Points, residuals: Points) -> float:
    """Root mean square of the part of the residuals that x^2, xy and y^2 explain beyond 1, x and y, in pixels; twice
    what as many residuals without any order show by chance is taken off."""
    if len(points) < 12:
        return 0.0
    x, y = (way / 256 - 1 for way in (points.real, points.imag))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y]))
    explained = float((np.abs(basis[:, 3:].T @ residuals) ** 2).sum())
    left = residuals - basis @ (basis.T @ residuals)
    chance = 6 * float((np.abs(left) ** 2).sum()) / (len(x) - 6)
    return float(np.sqrt(max(0.0, explained - chance) / len(x)))
