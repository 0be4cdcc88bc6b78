"""Whether compact features of two pictures agree on how one lies on the other: a quick look before the proof."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.matching.compact import DIRECTIONS, CompactFeatures
from indexers.matching.descriptors import FACTOR
from indexers.matching.features import EDGE
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.hashes import count_bits
from indexers.types import Ids

AGREEING = 5
"""Matches that have to agree. Of the pictures with the most votes, 95 % of the copies have as many, and 1 % of the
others; 4 matches have 96 and 4 % of them."""
MAX_DISTANCE = 30
"""Bits of 128 in which matching points differ at most."""
MANY_POINTS = 64
"""With as many points in both pictures, a copy has matches that agree."""
_TRIALS = 48  # matches whose transform is tried
_CLEAR = 40  # matches that agree, from which on the mirror image need not be tried
_SCALES = 0.1, 10.0
_ROUNDS, _NEAR = 3, 3.0  # of fitting, and steps of a stored coordinate up to which a match takes part in the next one
_UPRIGHT = 2  # directions by which a point of an upright picture may be turned: .4 radians
_TOLERANCE = 3, 0.2  # steps of a stored coordinate, and share of the distance of two points

Points = NDArray[np.complex128]
_NO_POINTS: Points = np.empty(0, np.complex128)


def find_rough_transform(
    a: CompactFeatures, b: CompactFeatures, *, is_upright: bool = False
) -> tuple[int, SimilarityTransform | None]:
    """Return how many matches agree on a transform of normalised `a`, or of its mirror image, to `b`; and it.

    None if fewer than AGREEING do. `is_upright`: neither the mirror image nor turns are tried.
    """
    best = _find_consensus(a, b, is_upright=is_upright)
    if best.agreeing < _CLEAR and not is_upright:
        best = max(best, _find_consensus(a.mirror(), b), key=lambda consensus: consensus.agreeing)
    transform = _fit_transform(best.source, best.target, best.is_mirrored) if best.agreeing >= AGREEING else None
    return best.agreeing, transform


def count_agreeing(a: CompactFeatures, b: CompactFeatures) -> int:
    """Return how many matches agree best on one transform of `a` to `b`: a turn, a scale and a shift."""
    return _find_consensus(a, b).agreeing


class _Consensus(NamedTuple):
    """How many matches agree; where the points of those that do are in both pictures, in steps of a coordinate."""

    agreeing: int
    source: Points
    target: Points
    is_mirrored: bool


def _find_consensus(a: CompactFeatures, b: CompactFeatures, *, is_upright: bool = False) -> _Consensus:
    i, j = _match_words(a.words, b.words)
    if is_upright:
        is_kept = (b.directions[j].astype(np.int64) - a.directions[i] + _UPRIGHT) % DIRECTIONS <= 2 * _UPRIGHT
        i, j = i[is_kept], j[is_kept]
    if len(i) < AGREEING:
        return _Consensus(len(i), _NO_POINTS, _NO_POINTS, a.is_mirrored)
    (x, y), right = a.places[i].astype(np.float32).T, b.places[j].astype(np.float32)
    source, target = (-x if a.is_mirrored else x) + 1j * y, right[:, 0] + 1j * right[:, 1]
    angles = (b.directions[j].astype(np.int64) - a.directions[i]) % DIRECTIONS
    steps = b.levels[j].astype(np.int64) - a.levels[i]
    turns = FACTOR**steps * np.exp(1j * angles * (2 * np.pi / DIRECTIONS))
    tried = slice(None, None, -(-len(i) // _TRIALS))
    expected = (turns[tried, None] * (source[None, :] - source[tried, None])).astype(np.complex64)
    missed = np.abs((target[None, :] - target[tried, None]).astype(np.complex64) - expected)
    apart = (angles[None, :] - angles[tried, None] + 2) % DIRECTIONS
    agree = (missed <= _TOLERANCE[0] + _TOLERANCE[1] * np.abs(expected)) & (apart <= 4)
    agree &= np.abs(steps[None, :] - steps[tried, None]) <= 1
    counts = agree.sum(axis=1)
    best = int(counts.argmax())
    return _Consensus(int(counts[best]), source[agree[best]], target[agree[best]], a.is_mirrored)


def _fit_transform(source: Points, target: Points, is_mirrored: bool) -> SimilarityTransform | None:
    """Return the transform of least squares; `source` in steps of a stored coordinate, mirrored by its sign of x."""
    turn = shift = 0j
    for _ in range(_ROUNDS):
        source_mean, target_mean = source.mean(), target.mean()
        centred = source - source_mean
        spread = float(np.vdot(centred, centred).real)
        turn = complex(np.vdot(centred, target - target_mean)) / spread if spread else 0j
        shift = complex(target_mean - turn * source_mean)
        missed = np.abs(turn * source + shift - target)
        ordered, middle = np.sort(missed), len(missed) // 2  # for so few np.median takes longer than all the rest
        median = float(ordered[middle] if len(missed) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)
        near = missed <= max(_NEAR * max(1.0, abs(turn)), median)
        source, target = source[near], target[near]
    if not _SCALES[0] < abs(turn) < _SCALES[1]:
        return None
    step = EDGE / 256
    half = 0.5 * step * (1 + 1j)  # a stored coordinate stands for the middle of its step
    shift = shift * step + half
    if is_mirrored:  # -conj(a) is what x was negated in
        return SimilarityTransform(-turn, shift + turn * half.conjugate(), True)
    return SimilarityTransform(turn, shift - turn * half)


def _match_words(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> tuple[Ids, Ids]:
    """Return the places of points that are each other's nearest, and near. (OpenCV takes three times as long.)"""
    if not (len(a) and len(b)):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    first, second = (np.ascontiguousarray(np.ascontiguousarray(words).view(np.uint64).T) for words in (a, b))
    table = count_bits(first[0, :, None] ^ second[0])
    table += count_bits(first[1, :, None] ^ second[1])
    near = np.flatnonzero(table.min(axis=1) <= MAX_DISTANCE)
    partners = table[near].argmin(axis=1)  # few, so that they and the way back are looked up for them alone
    is_match = np.ascontiguousarray(table[:, partners].T).argmin(axis=1) == near
    return near[is_match], partners[is_match]
