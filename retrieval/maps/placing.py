"""The places of new vectors among those that have one, which stay where they are; and a new layout turned to fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Vectors
from retrieval.maps.layout import Indices, Places

NEAREST = 8
"""Neighbours that say where a new item belongs."""
SHARPNESS = 20.0
"""How much more the nearer of two neighbours counts: e to the power of this times the difference of their cosines."""
APART = 0.05
"""Neighbours farther than this from where most of them are count no more: between two places nothing is alike."""
STEP = 0.004
"""How far beside its neighbours' mean an item lies, so that equal ones don't hide each other."""


def place_new(places: Places, neighbours: Indices, similarity: Vectors, ids: Ids) -> Places:
    """Return the places of new items, float32 (m, 2).

    places: float32 (n, 2), those of the items that have one. neighbours: int64 (m, k), the nearest of these, as rows;
    -1 where there is none. similarity: float32 (m, k). ids: int64 (m,), of the new items, by which they are set apart.
    """
    known = neighbours >= 0
    weights = np.where(known, np.exp(SHARPNESS * (similarity - similarity.max(1, keepdims=True, initial=-1))), 0)
    spots = places[np.where(known, neighbours, 0)]
    apart = np.linalg.norm(spots[:, :, None] - spots[:, None], axis=3) < APART
    support = (apart * weights[:, None]).sum(2) * weights
    best = support.argmax(1)
    counted = weights * np.take_along_axis(apart, best[:, None, None], 1)[:, 0]
    total = np.maximum(counted.sum(1, keepdims=True), 1e-12)
    middle = (spots * counted[:, :, None]).sum(1) / total
    middle[~known.any(1)] = 0
    angle = (ids * 2.399963) % (2 * np.pi)  # the golden angle
    beside = STEP * np.sqrt((ids * 0.618034) % 1)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    placed: Places = (middle + beside).astype(np.float32)
    return placed


def turn_to_fit(places: Places, before: Places, common: Places) -> Places:
    """Return new places turned, mirrored, moved and scaled to lie nearest to where they were (Procrustes).

    before: float32 (m, 2), the earlier places of some items. common: float32 (m, 2), the new places of the same.
    """
    if len(common) < 3:
        return places
    target, source = before.astype(np.float64), common.astype(np.float64)
    target_mean, source_mean = target.mean(0), source.mean(0)
    left, sizes, right = np.linalg.svd((source - source_mean).T @ (target - target_mean))
    spread = float(((source - source_mean) ** 2).sum())
    if not spread:
        return places
    turn: NDArray[np.float64] = left @ right * (sizes.sum() / spread)
    turned: Places = ((places - source_mean) @ turn + target_mean).astype(np.float32)
    return turned
