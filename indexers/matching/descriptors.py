"""Descriptors: what surrounds a point, as 256 bits. Oriented BRIEF (Rublee et al., ORB, ICCV 2011), own pattern.

The pattern is its own mirror image, so that the bits of a mirrored picture are those of the picture in another order
(`mirror_descriptors`) and need not be stored. The bits mean the same whichever engine detected the points.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

BITS = 256
RADIUS = 15
"""Pixels around a point, on its own level, that its bits depend on."""
LEVELS, FACTOR = 8, 1.2
"""Levels of the pyramid, and how much smaller each one is than the one before."""
_TURNS = 64  # directions that are distinguished
_STRIDE = 512 + 2 * (RADIUS + 1)
_importing = Lock()
_SPREAD = 6.5  # standard deviation of the pattern, in pixels


def describe_points(
    grey: Image.Image,
    points: NDArray[np.float32],
    levels: NDArray[np.int64],
    angles: NDArray[np.float32],
    chosen: NDArray[np.int64] | None = None,
) -> NDArray[np.uint8]:
    """Describe points: uint8 (n, 32), or (n, m / 8) with m chosen ones of the bits, by number and in that order.

    `points` float32 (n, 2) in continuous pixels of `grey` (mode L, both edges at most 512); `levels` of the pyramid,
    int64 (n,); `angles` float32 (n,), directions in radians (x right, y down).
    """
    pixels, starts = _stack_levels(grey)
    scale = FACTOR ** levels.astype(np.float64)
    places = np.floor(points / scale[:, None]).astype(np.int64) + RADIUS + 1
    heights, widths = _compute_level_sizes(grey)
    places[:, 0] = np.clip(places[:, 0], RADIUS + 1, widths[levels] + RADIUS)
    places[:, 1] = np.clip(places[:, 1], RADIUS + 1, heights[levels] + RADIUS)
    base = starts[levels] + places[:, 1] * _STRIDE + places[:, 0]
    turns = np.rint(angles * (_TURNS / (2 * np.pi))).astype(np.int64) % _TURNS
    offsets = _compute_offsets().reshape(_TURNS, 2, BITS)
    offsets = offsets if chosen is None else offsets[:, :, chosen]
    first, second = (pixels[base[:, None] + offsets[turns, side]] for side in (0, 1))
    return np.packbits(first < second, axis=1)


@cache
def load_opencv() -> Any:
    """Return the module cv2, imported on the first call; None where it is not installed."""
    with _importing:  # a second thread would meet half a module
        return import_module("cv2") if find_spec("cv2") is not None else None


def mirror_descriptors(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the descriptors, uint8 (n, 32), that the same points have in the mirror image."""
    return np.packbits(np.unpackbits(descriptors, axis=1).reshape(-1, 2, BITS // 2)[:, ::-1].reshape(-1, BITS), axis=1)


@cache
def _compute_offsets() -> NDArray[np.int64]:
    """Return which pixels the bits compare, int64 (_TURNS, 512): steps from the point in the stacked pyramid.

    A row for each direction: pairs of places, normally distributed; the second half of the pairs is the first half
    mirrored at the direction.
    """
    random = np.random.default_rng(20110711)
    drawn = random.normal(0, _SPREAD, (8 * BITS, 2, 2))
    near = (np.hypot(*np.moveaxis(drawn, 2, 0)) <= RADIUS - 1).all(axis=1)
    apart = np.hypot(*(drawn[:, 0] - drawn[:, 1]).T) > 3
    pairs = drawn[near & apart][: BITS // 2]
    pairs = np.concatenate([pairs, pairs * [1, -1]])
    places = np.concatenate([pairs[:, 0], pairs[:, 1]])
    angles = np.arange(_TURNS) * (2 * np.pi / _TURNS)
    turned = (places[:, 0] + 1j * places[:, 1]) * np.exp(1j * angles)[:, None]
    steps: NDArray[np.int64] = (np.rint(turned.imag) * _STRIDE + np.rint(turned.real)).astype(np.int64)
    return steps


def _compute_level_sizes(grey: Image.Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the heights and widths of the levels, int64 (LEVELS,) both."""
    edges = np.array([[grey.height], [grey.width]]) / FACTOR ** np.arange(LEVELS)
    sizes: NDArray[np.int64] = np.maximum(1, np.rint(edges)).astype(np.int64)
    return sizes[0], sizes[1]


def _stack_levels(grey: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Stack the smoothed levels, with a margin, in one flat array; return it and where each level starts."""
    heights, widths = _compute_level_sizes(grey)
    margin = RADIUS + 1
    starts = np.concatenate([[0], np.cumsum(heights + 2 * margin)])
    pixels = np.zeros((starts[-1], _STRIDE), np.uint8)
    for start, height, width in zip(starts.tolist(), heights.tolist(), widths.tolist(), strict=False):
        pixels[start + margin : start + margin + height, margin : margin + width] = _smooth_level(grey, (width, height))
        level = pixels[start : start + height + 2 * margin, : width + 2 * margin]
        level[:, :margin], level[:, -margin:] = level[:, margin, None], level[:, -margin - 1, None]
        level[:margin], level[-margin:] = level[margin], level[-margin - 1]
    return pixels.ravel(), starts[:-1] * _STRIDE


def _smooth_level(grey: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize to a level, each pixel the mean of 5 x 5. By OpenCV or by Pillow: the same up to rounding."""
    cv2 = load_opencv()
    if cv2 is None:
        return np.asarray(grey.resize(size, Image.Resampling.BOX).filter(ImageFilter.BoxBlur(2)))
    level = cv2.resize(np.asarray(grey), size, interpolation=cv2.INTER_AREA)
    smooth: NDArray[np.uint8] = cv2.blur(level, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return smooth
