"""Pages and programs on a screen, told by their straight edges: bars at full width, and pictures laid on plain ground.

Nothing that is photographed or drawn by hand has both sides of a rectangle meet in one pixel, on a ground that is flat
beside them: of 492 pictures of other kinds 8 do, each of them in a frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EDGE = 400
"""Pixels that the longer edge of a picture has at most when it is looked at."""
CORNERS = 2
"""Kinds of corners (top left ...) that a page shows at least, if it has no bar."""
_STEP = 12  # grey levels over an edge
_FULL, _MOST = 0.95, 0.7  # the share of a row, of a side, that is such an edge
_FLAT, _BUSY = 4.0, 8.0  # grey levels, standard deviation along a side: of the ground, of a picture on it
_SIDE, _LEAST_SIDE = 8, 16  # a side has this part of the shorter edge, and so many pixels
_NEAR = 2  # pixels by which two sides may miss each other

Pixels = NDArray[np.float32]
Places = NDArray[np.int64]


def is_page(image: Image.Image) -> bool:
    """Return True if an upright picture looks like a page or a program on a screen, with something else than words."""
    step = -(-max(image.size) // EDGE)
    pixels = np.ascontiguousarray(np.asarray(image)[::step, ::step])  # every so many, so that edges stay sharp
    grey = np.asarray(Image.fromarray(pixels).convert("L")).astype(np.float32)
    columns = np.ascontiguousarray(grey.T)
    return _has_bar(grey) or _has_bar(columns) or _count_corners(grey, columns) >= CORNERS


def _has_bar(grey: Pixels) -> bool:
    """Return True if two flat rows meet in an edge from side to side."""
    if len(grey) < 2:
        return False
    is_edge = (np.abs(np.diff(grey, axis=0)) > _STEP).mean(axis=1) >= _FULL
    is_flat = grey.std(axis=1) <= _FLAT
    return bool((is_edge & is_flat[:-1] & is_flat[1:]).any())


def _count_corners(grey: Pixels, columns: Pixels) -> int:
    """Return how many kinds of corners there are in which two sides of something busy meet on flat ground."""
    length = max(_LEAST_SIDE, min(grey.shape) // _SIDE)
    if min(grey.shape) <= 2 * length:
        return 0
    uprights = _find_sides(grey, length)
    if not any(len(upright) for upright in uprights):
        return 0
    levels = [side[:, ::-1] for side in _find_sides(columns, length)]
    far, count = length - 1, 0
    for right, upright in enumerate(uprights):
        for bottom, level in enumerate(levels):
            count += _meet(upright + np.array([far * bottom, 0]), level + np.array([0, far * right]), grey.shape)
    return count


def _find_sides(grey: Pixels, length: int) -> tuple[Places, Places]:
    """Return where upright sides begin, row and column, int64 (n, 2): left ones of something busy, and right ones."""
    centred = grey - 128
    mean = _average_along(centred, length)
    variance = _average_along(centred * centred, length) - mean * mean
    is_step = np.abs(np.diff(grey, axis=1)) > _STEP
    is_edge = _average_along(is_step.astype(np.float32), length) >= _MOST
    is_flat, is_busy = variance <= _FLAT**2, variance >= _BUSY**2
    left = np.argwhere(is_flat[:, :-1] & is_busy[:, 1:] & is_edge) + np.array([0, 1])
    return left, np.argwhere(is_flat[:, 1:] & is_busy[:, :-1] & is_edge)


def _average_along(values: Pixels, length: int) -> Pixels:
    """Return the mean of each value and those below it, `length` in all, float32 (h - length + 1, w)."""
    sums = np.zeros((len(values) + 1, values.shape[1]), np.float32)
    np.cumsum(values, axis=0, out=sums[1:])
    means: Pixels = (sums[length:] - sums[:-length]) / np.float32(length)
    return means


def _meet(ends: Places, marks: Places, shape: tuple[int, ...]) -> bool:
    """Return True if one of these places is near one of the others."""
    near = np.zeros([edge + 2 * _NEAR for edge in shape], np.bool_)
    for down in range(2 * _NEAR + 1):
        for across in range(2 * _NEAR + 1):
            near[marks[:, 0] + down, marks[:, 1] + across] = True
    return bool(near[ends[:, 0] + _NEAR, ends[:, 1] + _NEAR].any())
