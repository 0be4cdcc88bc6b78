"""Which part of a picture another one shows, as a cell of a grid does: a box in which both agree."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from indexers.matching.comparing import fit_brightness, warp_into_frame
from indexers.matching.features import Features, decode_detail
from indexers.matching.geometry import TOLERANCE, Matches, SimilarityTransform

_FEWEST = 15  # points that agree
_OUTERMOST = 0.02  # the share of them on each side that may agree by chance
_STRIP = 2  # pixels of a thumbnail by which a box is grown at a time
_UNLIKE, _UNLIKE_SHARE = 30, 0.2  # grey levels by which pixels differ, and the share of those on the edge of a box

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels of a normalised picture."""
Edges = tuple[int, int, int, int]
"""The same in pixels of a thumbnail."""


def list_agreeing_boxes(a: Features, b: Features, transform: SimilarityTransform, matches: Matches) -> Iterator[Box]:
    """Yield boxes in normalised `a` that `b` shows: as far as the pixels agree, then where only the points do.

    `matches`: the places in both of points that look alike.
    """
    left, right = a.points[matches[0]].astype(np.float64), b.points[matches[1]].astype(np.float64)
    missed = np.abs(transform(left[:, 0] + 1j * left[:, 1]) - (right[:, 0] + 1j * right[:, 1]))
    agreeing = left[missed <= TOLERANCE * max(1.0, abs(transform.turn))]
    if len(agreeing) < _FEWEST:
        return
    low, high = np.quantile(agreeing, [_OUTERMOST, 1 - _OUTERMOST], axis=0)
    scale = np.tile(np.array(a.thumbnail.shape[1::-1]) / a.size, 2)
    left_edge, top, right_edge, bottom = np.rint(np.concatenate([low, high]) * scale).astype(int).tolist()
    if min(right_edge - left_edge, bottom - top) > _STRIP:
        grown = np.array(_grow_box(a, b, transform, (left_edge, top, right_edge, bottom))) / scale
        yield float(grown[0]), float(grown[1]), float(grown[2]), float(grown[3])
    yield float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _grow_box(a: Features, b: Features, transform: SimilarityTransform, box: Edges) -> Edges:
    """Return the box grown on each side as far as the pixels agree, without the last strip."""
    left, top, right, bottom = box
    unlike = _find_unlike(a, b, transform, box)
    is_growing = True
    while is_growing:
        is_growing = False
        for side, strip in enumerate(_list_strips(unlike, (left, top, right, bottom))):
            if strip.size and float(strip.mean()) <= _UNLIKE_SHARE:
                step = strip.shape[1 - side % 2]
                left, top = left - step * (side == 0), top - step * (side == 1)
                right, bottom = right + step * (side == 2), bottom + step * (side == 3)
                is_growing = True
    left, top = left + _STRIP * (left < box[0]), top + _STRIP * (top < box[1])
    return left, top, right - _STRIP * (right > box[2]), bottom - _STRIP * (bottom > box[3])


def _list_strips(pixels: NDArray[np.bool_], box: Edges) -> tuple[NDArray[np.bool_], ...]:
    """Return the strips along a box: left of it, above it, right of it and below it."""
    left, top, right, bottom = box
    return (
        pixels[top:bottom, max(0, left - _STRIP) : left],
        pixels[max(0, top - _STRIP) : top, left:right],
        pixels[top:bottom, right : right + _STRIP],
        pixels[bottom : bottom + _STRIP, left:right],
    )


def _find_unlike(a: Features, b: Features, transform: SimilarityTransform, box: Edges) -> NDArray[np.bool_]:
    """Return which pixels of a's thumbnail `b` shows otherwise, or not; brightness as it was changed in a box."""
    left, top, right, bottom = box
    warped, inside = warp_into_frame(a, b, decode_detail(b), a.thumbnail.shape, transform)
    grey = a.thumbnail.astype(np.float32)
    within = [np.ascontiguousarray(pixels[top:bottom, left:right]).ravel() for pixels in (grey, warped)]
    _, _, knots, values = fit_brightness(within[0], within[1])
    unlike: NDArray[np.bool_] = ~inside | (np.abs(np.interp(grey, knots, values) - warped) > _UNLIKE)
    return unlike
