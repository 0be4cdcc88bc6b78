"""Whether compact features of two pictures agree on how one lies on the other: a quick look before the proof."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.matching.compact import DIRECTIONS, CompactFeatures
from indexers.matching.descriptors import FACTOR
from indexers.matching.hashes import count_bits
from indexers.types import Ids

AGREEING = 5
"""Matches that have to agree. Of the pictures with the most votes, 95 % of the copies have as many, and 1 % of the
others; 4 matches have 96 and 4 % of them."""
MAX_DISTANCE = 30
"""Bits of 128 in which matching points differ at most."""
MANY_POINTS = 64
"""With as many points in both pictures, a copy has matches that agree."""
_TOLERANCE = 3, 0.2  # steps of a stored coordinate, and share of the distance of two points


def may_agree(a: CompactFeatures, b: CompactFeatures) -> bool:
    """Return whether `a`, or its mirror image, and `b` may show the same; True if they have too few points to tell."""
    if min(len(a.words), len(b.words)) < MANY_POINTS:
        return True
    return count_agreeing(a, b) >= AGREEING or count_agreeing(a.mirror(), b) >= AGREEING


def count_agreeing(a: CompactFeatures, b: CompactFeatures) -> int:
    """Return how many matches agree best on one transform of `a` to `b`: a turn, a scale and a shift."""
    if not (len(a.words) and len(b.words)):
        return 0
    i, j = _match_words(a.words, b.words)
    if len(i) < AGREEING:
        return len(i)
    (x, y), right = a.places[i].astype(np.float32).T, b.places[j].astype(np.float32)
    source, target = (-x if a.is_mirrored else x) + 1j * y, right[:, 0] + 1j * right[:, 1]
    angles = (b.directions[j].astype(np.int64) - a.directions[i]) % DIRECTIONS
    steps = b.levels[j].astype(np.int64) - a.levels[i]
    turns = FACTOR**steps * np.exp(1j * angles * (2 * np.pi / DIRECTIONS))
    expected = turns[:, None] * (source[None, :] - source[:, None])
    missed = np.abs(target[None, :] - target[:, None] - expected)
    apart = np.abs((angles[None, :] - angles[:, None] + DIRECTIONS // 2) % DIRECTIONS - DIRECTIONS // 2)
    agree = (missed <= _TOLERANCE[0] + _TOLERANCE[1] * np.abs(expected)) & (apart <= 2)
    agree &= np.abs(steps[None, :] - steps[:, None]) <= 1
    return int(agree.sum(axis=1).max())


def _match_words(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> tuple[Ids, Ids]:
    """Return the places of points that are each other's nearest, and near. (OpenCV takes three times as long.)"""
    first, second = (np.ascontiguousarray(words).view(np.uint64) for words in (a, b))
    table = count_bits(first[:, None, 0] ^ second[None, :, 0]) + count_bits(first[:, None, 1] ^ second[None, :, 1])
    nearest, rows = table.argmin(axis=1), np.arange(len(table))
    is_match = (table[rows, nearest] <= MAX_DISTANCE) & (table.argmin(axis=0)[nearest] == rows)
    return np.flatnonzero(is_match), nearest[is_match]
