"""What was done to a duplicate, in words."""

from __future__ import annotations

import numpy as np

from indexers.matching.comparing import GREY, Comparison, is_toned, mask_covered
from indexers.matching.features import Features
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.judging import Proof

_WHOLE = 0.97  # the share of a picture from which on it counts as all of it
_LEVEL = 1.2  # degrees up to which a picture doesn't count as rotated
_SIZE = 0.03  # the logarithm of a scale up to which a picture doesn't count as resized
_LIGHT = 6.0  # grey levels up to which it doesn't count as brighter or darker
_BLURRED = 8.0  # grey levels from pixel to pixel, median, below which it is a blurred border
_FLAT = 20.0  # grey levels, mean deviation, below which what surrounds a picture is a border


def describe_differences(proof: Proof, kind: str, scale: float, rotation: float) -> tuple[str, ...]:
    """Describe what makes b of a, two pictures that are the same, such as "cropped"; empty for equal features.

    `kind` of the verdict; `scale` and `rotation` (degrees) are those in original pixels.
    """
    a, b, transform, pixels = proof.a, proof.b, proof.transform, proof.comparison
    words = []
    if transform.mirrored:
        words.append("mirrored")
    rotated = abs(rotation) > _LEVEL
    if rotated:
        words.append(f"rotated {abs(round(rotation))}°")
    if abs(np.log(proof.stretch)) > _SIZE / 2:
        words.append(f"stretched by {round(100 * abs(max(proof.stretch, 1 / proof.stretch) - 1))} %")
    if proof.is_inverted:
        words.append("inverted")
    if kind == "photo of a print":
        return (*words, "seen at an angle")
    axes = max(scale, 1e-6) * np.array([proof.stretch, 1 / proof.stretch]) ** 0.5
    if (np.abs(np.log(axes)) > _SIZE).all():
        words.append("resized")
    words += (
        ["inside another picture"] if kind == "inside another picture" else _describe_edges(a, b, transform, rotated)
    )
    if min(a.chroma, b.chroma) < GREY < max(a.chroma, b.chroma) / 1.5:
        words.append("grey")
    elif pixels.colour > GREY and is_toned(a) != is_toned(b):
        words.append("toned")
    elif pixels.hue:
        words.append("other hues")
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
    if not len(outside) or float(np.abs(outside - np.median(outside)).mean()) < _FLAT:
        return True
    grey = a.thumbnail.astype(np.float32)
    steps = np.abs(np.diff(grey, axis=1, append=grey[:, -1:])) + np.abs(np.diff(grey, axis=0, append=grey[-1:]))
    return float(np.median(steps[~mask_covered(a, b, transform, -1.0)])) < _BLURRED


def _has_addition(pixels: Comparison) -> bool:
    """Return True if blocks beside each other disagree in pictures that agree otherwise."""
    odd = pixels.blocks > 1.5
    neighbours = (odd[1:] & odd[:-1]).sum() + (odd[:, 1:] & odd[:, :-1]).sum()
    return bool(neighbours >= 1 and odd.sum() >= 2 and pixels.agreeing > 0.4)


def _have_equal_features(a: Features, b: Features) -> bool:
    return np.array_equal(a.descriptors, b.descriptors) and np.array_equal(a.thumbnail, b.thumbnail)
