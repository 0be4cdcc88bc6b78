"""What surrounds a point, as 256 bits: oriented BRIEF (Rublee et al., ORB, ICCV 2011) over a pattern of our own.

The pattern is its own mirror image, so that the bits of a mirrored picture are those of the picture in another order
(`mirrored`) and need not be stored. Whoever found the points, the bits mean the same.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

BITS = 256
RADIUS = 15
"""Pixels around a point, on its own level, within which its bits look."""
LEVELS, FACTOR = 8, 1.2
"""Of the pyramid: each level is so much smaller than the one before."""
_TURNS = 64  # directions that are told apart
_STRIDE = 512 + 2 * (RADIUS + 1)
_SPREAD = 6.5  # of the pattern, in pixels


def describe(
    grey: Image.Image, points: NDArray[np.float32], levels: NDArray[np.int64], angles: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """uint8 (n, 32) for points float32 (n, 2) in continuous pixels of `grey` (mode L, both edges at most 512), each on
    its level of the pyramid and with its direction in radians (x right, y down)."""
    pixels, starts = _stacked(grey)
    scale = FACTOR ** levels.astype(np.float64)
    places = np.floor(points / scale[:, None]).astype(np.int64) + RADIUS + 1
    heights, widths = _sizes(grey)
    places[:, 0] = np.clip(places[:, 0], RADIUS + 1, widths[levels] + RADIUS)
    places[:, 1] = np.clip(places[:, 1], RADIUS + 1, heights[levels] + RADIUS)
    base = starts[levels] + places[:, 1] * _STRIDE + places[:, 0]
    turns = np.rint(angles * (_TURNS / (2 * np.pi))).astype(np.int64) % _TURNS
    values = pixels[base[:, None] + _offsets()[turns]]
    return np.packbits(values[:, :BITS] < values[:, BITS:], axis=1)


@cache
def opencv() -> Any:
    """The module cv2, imported when it is first asked for; None where it is missing."""
    return import_module("cv2") if find_spec("cv2") is not None else None


def mirrored(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The descriptors, uint8 (n, 32), that the same points have in the mirror image."""
    return np.packbits(np.unpackbits(descriptors, axis=1).reshape(-1, 2, BITS // 2)[:, ::-1].reshape(-1, BITS), axis=1)


@cache
def _offsets() -> NDArray[np.int64]:
    """Where the bits look, int64 (_TURNS, 512): steps from the point in the stacked pyramid, for each direction.

    Pairs of places, normally distributed; the second half of the pairs is the first half mirrored at the direction.
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


def _sizes(grey: Image.Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heights and widths of the levels."""
    edges = np.array([[grey.height], [grey.width]]) / FACTOR ** np.arange(LEVELS)
    sizes: NDArray[np.int64] = np.maximum(1, np.rint(edges)).astype(np.int64)
    return sizes[0], sizes[1]


def _stacked(grey: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The smoothed levels below each other in one array, flat, with a margin, and where each one starts."""
    heights, widths = _sizes(grey)
    margin = RADIUS + 1
    starts = np.concatenate([[0], np.cumsum(heights + 2 * margin)])
    pixels = np.zeros((starts[-1], _STRIDE), np.uint8)
    for start, height, width in zip(starts.tolist(), heights.tolist(), widths.tolist(), strict=False):
        pixels[start + margin : start + margin + height, margin : margin + width] = _smooth(grey, (width, height))
        level = pixels[start : start + height + 2 * margin, : width + 2 * margin]
        level[:, :margin], level[:, -margin:] = level[:, margin, None], level[:, -margin - 1, None]
        level[:margin], level[-margin:] = level[margin], level[-margin - 1]
    return pixels.ravel(), starts[:-1] * _STRIDE


def _smooth(grey: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture at that size, each pixel the mean of 5 x 5. By OpenCV or by Pillow: the same to rounding."""
    cv2 = opencv()
    if cv2 is None:
        return np.asarray(grey.resize(size, Image.Resampling.BOX).filter(ImageFilter.BoxBlur(2)))
    level = cv2.resize(np.asarray(grey), size, interpolation=cv2.INTER_AREA)
    smooth: NDArray[np.uint8] = cv2.blur(level, (5, 5), borderType=cv2.BORDER_REPLICATE)
    return smooth
