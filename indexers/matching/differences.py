"""What was done to a copy, in words."""

from __future__ import annotations

import numpy as np

from indexers.matching.comparing import GREY, Comparison, covered
from indexers.matching.features import Features
from indexers.matching.geometry import Similarity

_WHOLE = 0.97  # the share of a picture that counts as all of it
_LEVEL = 1.2  # degrees that don't count as rotated
_SIZE = 0.03  # the logarithm of a scale that doesn't count as resized
_LIGHT = 6.0  # grey levels
_FLAT = 20.0  # grey levels, of what is around a picture


def differences(
    a: Features, b: Features, similarity: Similarity, pixels: Comparison, scale: float, rotation: float
) -> tuple[str, ...]:
    """For two pictures that are the same; `scale`, `rotation` (degrees) in pixels as given. Empty for twins."""
    words = []
    if similarity.mirrored:
        words.append("mirrored")
    if abs(rotation) > _LEVEL:
        words.append(f"rotated {abs(round(rotation))}°")
    if abs(np.log(max(scale, 1e-6))) > _SIZE:
        words.append("resized")
    rotated = abs(rotation) > _LEVEL
    words += _edges(a, b, similarity, rotated)
    if min(a.chroma, b.chroma) < GREY < max(a.chroma, b.chroma) / 1.5:
        words.append("grey")
    if abs(lighter := pixels.offset + 128 * (pixels.gain - 1)) > _LIGHT:
        words.append("brighter" if lighter > 0 else "darker")
    if not rotated and _added(pixels):  # else empty corners look so
        words.append("text or logo added")
    return tuple(words) or (() if _twins(a, b) else ("recompressed",))


def _edges(a: Features, b: Features, similarity: Similarity, rotated: bool) -> list[str]:
    """What of a is not in b has been cut off; what of b is not in a is a border if nothing is to be seen there. The
    corners that a rotation leaves empty are neither."""
    words = set()
    if covered(a, b, similarity).mean() < _WHOLE:
        words.add("border" if rotated and _empty(a, b, similarity) else "cropped")
    if covered(b, a, similarity.inverse()).mean() < _WHOLE:
        words.add("border" if _empty(b, a, similarity.inverse()) else "cropped")
    return sorted(words - {"border"} if rotated else words)


def _empty(one: Features, other: Features, similarity: Similarity) -> bool:
    around = one.thumbnail[~covered(one, other, similarity, -1.0)].astype(np.float32)
    return not len(around) or float(np.abs(around - np.median(around)).mean()) < _FLAT


def _added(pixels: Comparison) -> bool:
    """Blocks that disagree beside each other, in pictures that agree otherwise."""
    odd = pixels.blocks > 1.5
    beside = (odd[1:] & odd[:-1]).sum() + (odd[:, 1:] & odd[:, :-1]).sum()
    return bool(beside >= 1 and odd.sum() >= 2 and pixels.agreeing > 0.4)


def _twins(a: Features, b: Features) -> bool:
    return np.array_equal(a.descriptors, b.descriptors) and np.array_equal(a.thumbnail, b.thumbnail)
