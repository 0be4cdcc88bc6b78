"""The choice of a few vectors that stand for all: facility location, greedily."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from indexers.types import Vectors

Floats = NDArray[np.floating]
CANDIDATES = 2048
"""Vectors that may be chosen of a large set, drawn at random."""
TIME_WEIGHT = 0.25
"""What being of one time counts beside looking alike."""


def choose_cover(
    vectors: Vectors, count: int, times: Floats | None = None, chosen: NDArray[np.int64] | None = None
) -> tuple[list[int], Floats]:
    """Choose vectors such that each vector has one like it among them: the sum of the similarities to it is largest.

    The greedy choice is at least 63 % as good as the best (Nemhauser, Wolsey and Fisher 1978); a gain is computed again
    only if it may be the largest (Minoux 1978).

    vectors: float32 (n, d), of length 1. times: seconds of each, NaN where unknown. chosen: places that are chosen
    already. Returns the places of `count` others, the one that gains most first, and the share of the vectors that each
    of chosen and others stands for, (len(chosen) + count,).
    """
    before = np.empty(0, np.int64) if chosen is None else chosen
    rows = np.arange(len(vectors))
    candidates = draw(np.setdiff1d(rows, before), CANDIDATES)
    candidates = np.concatenate([before, candidates])
    similarity = vectors[candidates] @ vectors[rows].T
    if times is not None:
        similarity = (1 - TIME_WEIGHT) * similarity + TIME_WEIGHT * _compare_times(times, candidates, rows, count)
    similarity = np.maximum(similarity, 0)
    best = similarity[: len(before)].max(0, initial=0)
    waiting = [
        (-float(gain), place, 0)
        for place, gain in enumerate(np.maximum(similarity - best, 0).sum(1).tolist())
        if place >= len(before)
    ]
    heapq.heapify(waiting)
    selected: list[int] = []
    while waiting and len(selected) < count:
        _, place, age = heapq.heappop(waiting)
        if age < len(selected):
            gain = float(np.maximum(similarity[place] - best, 0).sum())
            heapq.heappush(waiting, (-gain, place, len(selected)))
            continue
        selected.append(place)
        best = np.maximum(best, similarity[place])
    shown = [*range(len(before)), *selected]
    nearest = similarity[shown].argmax(0) if shown else np.empty(0, np.int64)
    shares = np.bincount(nearest, minlength=len(shown)) / max(len(rows), 1)
    return candidates[selected].tolist(), shares


def draw(values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return `count` of the values, sorted, the same each time; all if there are no more."""
    if len(values) <= count:
        return values
    return np.sort(np.random.default_rng(0).choice(values, count, replace=False))


def _compare_times(times: Floats, candidates: NDArray[np.int64], rows: NDArray[np.int64], count: int) -> Floats:
    """Return 1 for one moment, less the further apart two are; 0 where one is unknown. Between as many moments as are
    chosen, spread evenly, it is a third."""
    span = float(np.nanmax(times) - np.nanmin(times))
    apart = np.abs(times[candidates][:, None] - times[rows])
    near: Floats = np.nan_to_num(np.exp(-apart / max(span / max(count, 1), 1e-9))).astype(np.float32)
    return near
