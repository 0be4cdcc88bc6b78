"""Corners detected without OpenCV: as ORB detects them, by array operations alone.

FAST (Rosten and Drummond, Machine learning for high-speed corner detection, 2006): a pixel of whose circle nine
neighbours in a row are all brighter or all darker. The best of each level by the measure of Harris and Stephens (1988),
with the direction from the point to the centroid of what is around it (Rublee et al., ORB, ICCV 2011).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from indexers.matching.descriptors import FACTOR, LEVELS, RADIUS

_CIRCLE = np.array(
    [
        (0, -3),
        (1, -3),
        (2, -2),
        (3, -1),
        (3, 0),
        (3, 1),
        (2, 2),
        (1, 3),
        (0, 3),
        (-1, 3),
        (-2, 2),
        (-3, 1),
        (-3, 0),
        (-3, -1),
        (-2, -2),
        (-1, -3),
    ]
)  # x and y of the neighbours of a pixel, clockwise from above
_ARC = 9  # of them in a row
_MARGIN = RADIUS + 1
_SURPLUS = 4  # times as many corners as are wanted are measured
_BLOCK = 3  # pixels on either side of a corner that Harris's measure looks at
_SENSITIVITY = 0.04  # of that measure

Places = NDArray[np.int64]
Level = NDArray[np.uint8]


def detect_corners(grey: Image.Image, count: int, threshold: int, first: int = 0) -> NDArray[np.float64]:
    """Return x, y, level and direction (radians, x right, y down) of corners, the best first, float64 (n, 4).

    `count`: how many at most, more of them on finer levels. `threshold`: grey levels. `first`: the finest level
    to look at. x and y are those of the pixel's first corner in `grey`.
    """
    levels = np.arange(first, LEVELS)
    shares = FACTOR ** -levels.astype(np.float64)
    rows = [np.empty((0, 5))]
    for level, share in zip(levels.tolist(), (shares / shares.sum()).tolist(), strict=True):
        size = [max(1, round(edge / FACTOR**level)) for edge in grey.size]
        if min(size) > 2 * _MARGIN:
            pixels = np.asarray(grey.resize(size, Image.Resampling.BOX) if level else grey)
            rows.append(_detect_on_level(pixels, level, round(count * share), threshold))
    corners = np.concatenate(rows)
    return corners[np.argsort(-corners[:, 4], kind="stable"), :4]


def _detect_on_level(pixels: Level, level: int, count: int, threshold: int) -> NDArray[np.float64]:
    """Return the corners of one level with their strength, float64 (n, 5)."""
    flat, width = np.ascontiguousarray(pixels).ravel(), pixels.shape[1]
    places, strengths = _find_fast(pixels, flat, threshold)
    places = _keep_maxima(places, strengths, width, _SURPLUS * count)
    measures = _measure_corners(flat.astype(np.float32), places, width)
    order = np.argsort(-measures, kind="stable")[:count]
    places, measures = places[order], measures[order]
    y, x = np.divmod(places, width)
    scale = FACTOR**level
    angles = _find_directions(flat, places, width)
    return np.column_stack([x * scale, y * scale, np.full(len(x), float(level)), angles, measures])


def _find_fast(pixels: Level, flat: Level, threshold: int) -> tuple[Places, NDArray[np.int64]]:
    """Return the places of corners in the flat picture, and how much their circle differs from them."""
    height, width = pixels.shape
    margin = slice(_MARGIN, -_MARGIN)
    centre = pixels[margin, margin]
    above, below = np.minimum(centre, 255 - threshold) + threshold, np.maximum(centre, threshold) - threshold
    cross = [pixels[_MARGIN + y : height - _MARGIN + y, _MARGIN + x : width - _MARGIN + x] for x, y in _CIRCLE[::4]]
    north, east, south, west = cross  # nine in a row hold two of these that are beside each other
    may_be = ((north > above) | (south > above)) & ((east > above) | (west > above))
    may_be |= ((north < below) | (south < below)) & ((east < below) | (west < below))
    y, x = np.nonzero(may_be)
    places = (y + _MARGIN) * width + x + _MARGIN
    offsets = _CIRCLE[:, 1] * width + _CIRCLE[:, 0]
    differences = flat[places[:, None] + offsets].astype(np.int16) - flat[places][:, None]
    bits = np.packbits(np.stack([differences > threshold, differences < -threshold]), axis=2).astype(np.uint16)
    is_corner = _make_table()[(bits[..., 0] << 8) | bits[..., 1]].any(axis=0)
    strengths = np.maximum(np.abs(differences[is_corner]) - threshold, 0).sum(axis=1, dtype=np.int64)
    return places[is_corner], strengths


@cache
def _make_table() -> NDArray[np.bool_]:
    """Return for 16 bits in a circle whether _ARC of them in a row are set."""
    codes = np.arange(65536, dtype=np.uint32)
    codes |= codes << 16
    runs = codes.copy()
    for step in range(1, _ARC):
        runs &= codes >> step
    return (runs & 0xFFFF) > 0


def _keep_maxima(places: Places, strengths: NDArray[np.int64], width: int, count: int) -> Places:
    """Return the places that are stronger than their eight neighbours, at most the `count` strongest."""
    order = np.argsort(-strengths, kind="stable")
    ranks = np.full(int(places.max(initial=0)) + 2 * width + 2, len(places))
    ranks[places[order]] = np.arange(len(places))
    around = np.array([y * width + x for y in (-1, 0, 1) for x in (-1, 0, 1)])
    own = np.arange(len(places))
    strongest: Places = places[order][(ranks[places[order][:, None] + around] >= own[:, None]).all(axis=1)]
    return strongest[:count]


def _measure_corners(pixels: NDArray[np.float32], places: Places, width: int) -> NDArray[np.float32]:
    """Return Harris's measure at these places of the flat picture, float32 (n,)."""
    reach = np.arange(-_BLOCK - 1, _BLOCK + 2)
    patches = pixels[places[:, None, None] + reach[:, None] * width + reach]
    across = (patches[:, :, 2:] - patches[:, :, :-2])[:, 1:-1] / 255
    down = (patches[:, 2:] - patches[:, :-2])[:, :, 1:-1] / 255
    xx, yy, xy = ((a * b).sum(axis=(1, 2)) for a, b in ((across, across), (down, down), (across, down)))
    measure: NDArray[np.float32] = xx * yy - xy * xy - _SENSITIVITY * (xx + yy) ** 2
    return measure


def _find_directions(flat: Level, places: Places, width: int) -> NDArray[np.float64]:
    """Return the directions to the centroids of the discs around these places, float64 (n,)."""
    x, y = (steps.ravel() for steps in np.meshgrid(*[np.arange(-RADIUS, RADIUS + 1)] * 2))
    inside = x * x + y * y <= RADIUS * RADIUS
    x, y = x[inside], y[inside]
    patches = flat[places[:, None] + (y * width + x)].astype(np.float32)
    moments = patches @ np.stack([x, y], axis=1).astype(np.float32)
    return np.arctan2(moments[:, 1], moments[:, 0]).astype(np.float64)
