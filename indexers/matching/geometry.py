"""Which points of two pictures correspond, and the similarity transform that most of them agree on.

Points are complex numbers, x + iy, so that a similarity transform is z -> turn * z + shift, and a mirrored one is
z -> turn * conj(z) + shift. Everything is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexers.matching.descriptors import BITS, load_opencv, mirror_descriptors
from indexers.matching.features import Features

RATIO = 0.8
"""The distance to a point's best partner must be below this share of that to the second best (Lowe, IJCV 2004)."""
TOLERANCE = 4.0
"""Pixels of the normalised picture by which an inlier may be off the place that the transform gives it."""
_DRAWS = 300
_SCALES = (0.2, 5.0)
_SHORTEST = 20.0  # pixels between the two points that a transform is drawn from
_NEAR = 32.0  # pixels off its place up to which a point is held to have moved, not to be matched wrongly

MIN_PLAUSIBLE = 12
"""Points that have to agree on a model with more freedom than a similarity transform."""
_CLOSER = (48.0, 24.0, 12.0, 6.0, TOLERANCE)  # pixels of the circles that a homography is fitted in

Points = NDArray[np.complex128]
Points2 = NDArray[np.float64]
Points3 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimilarityTransform:
    """Takes a to b = turn * a + shift (mirrored: turn * conj(a) + shift), in pixels of the normalised pictures.

    The complex number `turn` rotates by its angle and scales by its absolute value.
    """

    turn: complex
    shift: complex
    mirrored: bool = False

    def __call__(self, points: Points) -> Points:
        """Transform points of a to those of b."""
        return self.turn * (np.conj(points) if self.mirrored else points) + self.shift

    def invert(self) -> SimilarityTransform:
        """Return the transform from b to a."""
        turn, shift = 1 / self.turn, -self.shift / self.turn
        if self.mirrored:
            turn, shift = turn.conjugate(), shift.conjugate()
        return SimilarityTransform(turn, shift, self.mirrored)

    def to_matrix(self) -> NDArray[np.float64]:
        """Return the affine matrix of x and y, float64 (2, 3)."""
        real, imag, sign = self.turn.real, self.turn.imag, -1 if self.mirrored else 1
        rows = [real, -imag * sign, self.shift.real], [imag, real * sign, self.shift.imag]
        return np.array(rows, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far points agree on a transform.

    `matches`: pairs of points that look alike. `inliers`: those within TOLERANCE of where the transform puts them.
    `displaced`: those a little farther off, which wrong matches seldom are. `moved`: those of the rest that agree on
    another transform. `bend`: pixels (root mean square) by which the inliers follow a curved field instead, which shows
    another point of view.
    """

    transform: SimilarityTransform
    matches: int
    inliers: int
    displaced: int
    moved: int
    bend: float


Matches = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The places in two pictures of points that look alike, int64 (n,) both."""


def match_points(a: Features, b: Features, mirror: bool) -> Matches:
    """Return which points of `a`, or with `mirror` of its mirror image, look like which points of `b`."""
    return match_descriptors(mirror_descriptors(a.descriptors) if mirror else a.descriptors, b.descriptors)


def find_agreement(a: Features, b: Features, mirror: bool, matches: Matches | None = None) -> Agreement | None:
    """Return the best transform from `a` (with `mirror`, from its mirror image) to `b`; None if points give none.

    `matches`: those of `match_points`, where they are known.
    """
    i, j = match_points(a, b, mirror) if matches is None else matches
    left, right = a.points[i].astype(np.float64), b.points[j].astype(np.float64)
    source, target = left[:, 0] + 1j * left[:, 1], right[:, 0] + 1j * right[:, 1]
    consensus = _find_consensus(np.conj(source) if mirror else source, target)
    if consensus is None:
        return None
    transform = SimilarityTransform(*consensus, mirror)
    residuals = (target - transform(source)) / max(1.0, abs(transform.turn))
    distances = np.abs(residuals)
    inliers, displaced = distances <= TOLERANCE, (distances > TOLERANCE) & (distances <= _NEAR)
    moved = _count_moved(source[distances > 2 * TOLERANCE], target[distances > 2 * TOLERANCE], mirror)
    bend = _measure_bend(source[inliers], residuals[inliers])
    return Agreement(transform, len(i), int(inliers.sum()), int(displaced.sum()), moved, bend)


def _count_moved(source: Points, target: Points, mirror: bool) -> int:
    """Count the pairs that agree on a transform, among those that the main one doesn't explain."""
    if mirror:
        source = np.conj(source)
    consensus = _find_consensus(source, target)
    if consensus is None:
        return 0
    turn, shift = consensus
    return int((np.abs(turn * source + shift - target) <= TOLERANCE * max(1, abs(turn))).sum())


def find_stretch(a: Features, b: Features, mirror: bool, matches: Matches) -> tuple[float, int] | None:
    """Return how many times as wide for its height `b` is as `a`, and how many of the matches agree; None below twelve.

    Both axes are scaled and shifted alone; found as by `find_agreement`.
    """
    i, j = matches
    if len(i) < 12:
        return None
    source, target = a.points[i].astype(np.float64), b.points[j].astype(np.float64)
    if mirror:
        source[:, 0] = a.size[0] - source[:, 0]
    p, q = np.random.default_rng(len(i)).integers(0, len(i), (2, 2 * _DRAWS))
    apart = source[p] - source[q]
    wide = (np.abs(apart) >= _SHORTEST).all(axis=1)
    p, scales = p[wide], (target[p[wide]] - target[q[wide]]) / apart[wide]
    plausible = ((scales > _SCALES[0]) & (scales < _SCALES[1])).all(axis=1)
    p, scales = p[plausible], scales[plausible]
    if not len(p):
        return None
    shifts = target[p] - scales * source[p]
    errors = [scales[:, axis, None] * source[:, axis] + shifts[:, axis, None] - target[:, axis] for axis in (0, 1)]
    squares = (errors[0] ** 2 + errors[1] ** 2) / (TOLERANCE * np.maximum(1, scales.max(axis=1)))[:, None] ** 2
    best = int(np.minimum(squares, 1).sum(axis=1).argmin())
    scale, shift = scales[best], shifts[best]
    for _ in range(3):
        inliers = ((scale * source + shift - target) ** 2).sum(axis=1) <= (TOLERANCE * max(1.0, scale.max())) ** 2
        if inliers.sum() < MIN_PLAUSIBLE:
            return None
        centred = source[inliers] - source[inliers].mean(axis=0)
        scale = (centred * (target[inliers] - target[inliers].mean(axis=0))).sum(axis=0)
        scale = scale / np.maximum((centred * centred).sum(axis=0), 1e-9)
        if not ((scale > _SCALES[0]) & (scale < _SCALES[1])).all():
            return None
        shift = target[inliers].mean(axis=0) - scale * source[inliers].mean(axis=0)
    return float(scale[0] / scale[1]), int(inliers.sum())


def find_homography(
    a: Features, b: Features, start: SimilarityTransform, matches: Matches
) -> tuple[Points3, int] | None:
    """Return the homography from normalised `a` to `b`, float64 (3, 3), and its inliers; None where too few agree.

    `start`: a transform near it. The circle of points that it is fitted to by least squares is drawn closer in steps.
    """
    i, j = matches
    left, right = a.points[i].astype(np.float64), b.points[j].astype(np.float64)
    expected = start(left[:, 0] + 1j * left[:, 1])
    places = np.column_stack([expected.real, expected.imag])
    matrix = np.eye(3)
    for tolerance in _CLOSER:
        inliers = ((places - right) ** 2).sum(axis=1) <= tolerance**2
        if inliers.sum() < MIN_PLAUSIBLE:
            return None
        matrix = _fit_homography(left[inliers], right[inliers], tolerance < _CLOSER[1])
        homogeneous = np.column_stack([left, np.ones(len(left))]) @ matrix.T
        if (homogeneous[:, 2] <= 0).any():
            return None
        places = homogeneous[:, :2] / homogeneous[:, 2:]
    return matrix, int((((places - right) ** 2).sum(axis=1) <= TOLERANCE**2).sum())


def _fit_homography(source: Points2, target: Points2, projective: bool) -> Points3:
    """Return the matrix, float64 (3, 3), of least squares from `source` to `target`, float64 (n, 2); else affine."""
    x, y = (source / 256 - 1).T
    u, v = (target / 256 - 1).T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows = [
        np.stack([x, y, one, zero, zero, zero, -u * x, -u * y]),
        np.stack([zero, zero, zero, x, y, one, -v * x, -v * y]),
    ]
    design = np.concatenate(rows, axis=1).T[:, : 8 if projective else 6]
    solution, *_ = np.linalg.lstsq(design, np.concatenate([u, v]), rcond=None)
    normal = np.array([[1 / 256, 0, -1], [0, 1 / 256, -1], [0, 0, 1.0]])
    matrix = np.append(solution, [0.0] * (8 - len(solution)) + [1.0]).reshape(3, 3)
    whole: Points3 = np.linalg.inv(normal) @ matrix @ normal
    whole /= whole[2, 2]
    return whole


def match_descriptors(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places i in `a` and j in `b`, uint8 (n, 32) each, of descriptors that pass the ratio test; each j once."""
    if min(len(a), len(b)) < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    distances, nearest = _find_two_nearest(a, b)
    good = np.flatnonzero(distances[:, 0] < RATIO * distances[:, 1])
    order = good[np.argsort(distances[good, 0], kind="stable")]
    _, first = np.unique(nearest[order, 0], return_index=True)
    kept = order[np.sort(first)]
    return kept, nearest[kept, 0].astype(np.int64)


def _find_two_nearest(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the distances in bits, and the places in `b`, of the two nearest to each of `a`: int32 (n, 2) both."""
    cv2 = load_opencv()
    if cv2 is not None:
        return cv2.batchDistance(a, b, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=2)  # type: ignore[no-any-return]
    signs = [np.unpackbits(descriptors, axis=1).astype(np.float32) * 2 - 1 for descriptors in (a, b)]
    distances = ((256 - signs[0] @ signs[1].T) / 2).astype(np.int32)
    nearest = np.empty((len(a), 2), np.int32)
    least = np.empty((len(a), 2), np.int32)
    rows = np.arange(len(a))
    for place in range(2):
        nearest[:, place] = distances.argmin(axis=1)
        least[:, place] = distances[rows, nearest[:, place]]
        distances[rows, nearest[:, place]] = BITS + 1
    return least, nearest


def _find_consensus(source: Points, target: Points) -> tuple[complex, complex] | None:
    """Return the turn and shift that most pairs agree on, refined by least squares over them; None below four pairs.

    RANSAC (Fischler and Bolles, 1981) with a fixed seed, each draw scored by truncated squares (MSAC, Torr and
    Zisserman, 2000).
    """
    count = len(source)
    if count < 4:
        return None
    p, q = np.random.default_rng(count).integers(0, count, (2, _DRAWS))
    wide = (np.abs(source[p] - source[q]) >= _SHORTEST) & (np.abs(target[p] - target[q]) >= 1)
    p, q = p[wide], q[wide]
    turn = (target[p] - target[q]) / (source[p] - source[q])
    plausible = (np.abs(turn) > _SCALES[0]) & (np.abs(turn) < _SCALES[1])
    turn, shift = turn[plausible], (target[p] - turn * source[p])[plausible]
    if not len(turn):
        return None
    residuals = (turn[:, None] * source + shift[:, None] - target).astype(np.complex64)
    squares = (residuals.real**2 + residuals.imag**2) / (TOLERANCE * np.maximum(1, np.abs(turn)))[:, None] ** 2
    best = int(np.minimum(squares, 1).sum(axis=1).argmin())
    return _refine_transform(source, target, complex(turn[best]), complex(shift[best]))


def _refine_transform(source: Points, target: Points, turn: complex, shift: complex) -> tuple[complex, complex] | None:
    for _ in range(3):
        inliers = np.abs(turn * source + shift - target) <= TOLERANCE * max(1, abs(turn))
        if inliers.sum() < 4:
            return None
        a, b = source[inliers], target[inliers]
        centred = a - a.mean()
        spread = float(np.vdot(centred, centred).real)
        if spread < _SHORTEST:
            return None
        turn = complex(np.vdot(centred, b - b.mean()) / spread)
        shift = complex(b.mean() - turn * a.mean())
        if not _SCALES[0] < abs(turn) < _SCALES[1]:
            return None
    return turn, shift


def _measure_bend(points: Points, residuals: Points) -> float:
    """Return the root mean square, in pixels, of what x^2, xy and y^2 explain of the residuals beyond 1, x and y.

    Twice what as many unordered residuals show by chance is subtracted.
    """
    if len(points) < 12:
        return 0.0
    x, y = (coordinates / 256 - 1 for coordinates in (points.real, points.imag))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y]))
    explained = float((np.abs(basis[:, 3:].T @ residuals) ** 2).sum())
    unexplained = residuals - basis @ (basis.T @ residuals)
    chance = 6 * float((np.abs(unexplained) ** 2).sum()) / (len(x) - 6)
    return float(np.sqrt(max(0.0, explained - chance) / len(x)))
