"""What was done to a duplicate, in words."""

from __future__ import annotations

import numpy as np

from indexers.matching.comparing import GREY, Comparison, mask_covered
from indexers.matching.features import Features
from indexers.matching.geometry import SimilarityTransform

_WHOLE = 0.97  # the share of a picture from which on it counts as all of it
_LEVEL = 1.2  # degrees up to which a picture doesn't count as rotated
_SIZE = 0.03  # the logarithm of a scale up to which a picture doesn't count as resized
_LIGHT = 6.0  # grey levels up to which it doesn't count as brighter or darker
_FLAT = 20.0  # grey levels, mean deviation, below which what surrounds a picture is a border


def describe_differences(
    a: Features, b: Features, transform: SimilarityTransform, pixels: Comparison, scale: float, rotation: float
) -> tuple[str, ...]:
    """Describe the differences of two pictures that are the same, such as "cropped"; empty for equal features.

    `scale` and `rotation` (degrees) are those in original pixels.
    """
    words = []
    if transform.mirrored:
        words.append("mirrored")
    if abs(rotation) > _LEVEL:
        words.append(f"rotated {abs(round(rotation))}°")
    if abs(np.log(max(scale, 1e-6))) > _SIZE:
        words.append("resized")
    rotated = abs(rotation) > _LEVEL
    words += _describe_edges(a, b, transform, rotated)
    if min(a.chroma, b.chroma) < GREY < max(a.chroma, b.chroma) / 1.5:
        words.append("grey")
    if abs(lighter := pixels.offset + 128 * (pixels.gain - 1)) > _LIGHT:
        words.append("brighter" if lighter > 0 else "darker")
    if not rotated and _has_addition(pixels):  # the empty corners of a rotated picture look like an addition
        words.append("text or logo added")
    return tuple(words) or (() if _have_equal_features(a, b) else ("recompressed",))


def _describe_edges(a: Features, b: Features, transform: SimilarityTransform, rotated: bool) -> list[str]:
    """Return "border", "cropped", both or none.

    What only a shows has been cut off; what only b shows is a border if it is blank. The corners that a rotation leaves
    empty are neither.
    """
    words = set()
    if mask_covered(a, b, transform).mean() < _WHOLE:
        words.add("border" if rotated and _is_blank_outside(a, b, transform) else "cropped")
    if mask_covered(b, a, transform.invert()).mean() < _WHOLE:
        words.add("border" if _is_blank_outside(b, a, transform.invert()) else "cropped")
    return sorted(words - {"border"} if rotated else words)


def _is_blank_outside(a: Features, b: Features, transform: SimilarityTransform) -> bool:
    outside = a.thumbnail[~mask_covered(a, b, transform, -1.0)].astype(np.float32)
    return not len(outside) or float(np.abs(outside - np.median(outside)).mean()) < _FLAT


def _has_addition(pixels: Comparison) -> bool:
    """Return True if blocks beside each other disagree in pictures that agree otherwise."""
    odd = pixels.blocks > 1.5
    neighbours = (odd[1:] & odd[:-1]).sum() + (odd[:, 1:] & odd[:, :-1]).sum()
    return bool(neighbours >= 1 and odd.sum() >= 2 and pixels.agreeing > 0.4)


def _have_equal_features(a: Features, b: Features) -> bool:
    return np.array_equal(a.descriptors, b.descriptors) and np.array_equal(a.thumbnail, b.thumbnail)
