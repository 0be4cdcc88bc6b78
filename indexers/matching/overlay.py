"""The evidence for people's eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.comparing import light
from indexers.matching.features import fitted
from indexers.matching.verification import Evidence

EDGE = 384
"""Pixels of the longer edge of each of the three pictures."""
_GAP = 12
_APART = 40  # grey levels that count as a difference
_COLOUR = (255, 0, 128)


def overlay(a: Image.Image, b: Image.Image, evidence: Evidence) -> Image.Image:
    """`a`, `b`, and `b` laid over `a` with differences in pink, side by side; what only `a` shows is paler.

    Upright RGB pictures, and what `verify` found about them. Without a transform the third is left out.
    """
    first, second = (one.resize(fitted(*one.size, EDGE), Image.Resampling.BICUBIC, reducing_gap=3) for one in (a, b))
    shown = [first, second]
    if evidence.transform is not None:
        shown.append(_laid_over(a, b, first, second, evidence.transform))
    sheet = Image.new("RGB", (sum(one.width + _GAP for one in shown) + _GAP, EDGE + 2 * _GAP), "white")
    left = _GAP
    for one in shown:
        sheet.paste(one, (left, _GAP + (EDGE - one.height) // 2))
        left += one.width + _GAP
    return sheet


def _laid_over(
    a: Image.Image, b: Image.Image, first: Image.Image, second: Image.Image, transform: NDArray[np.float64]
) -> Image.Image:
    matrix = transform.copy()
    matrix[:, :2] *= np.array(a.size) / first.size
    matrix *= (np.array(second.size) / b.size)[:, None]
    data, how = tuple(matrix.ravel().tolist()), Image.Transform.AFFINE
    laid = second.transform(first.size, how, data, Image.Resampling.BICUBIC)
    inside = np.asarray(Image.new("L", second.size, 255).transform(first.size, how, data)) > 0
    below, above = (np.asarray(one, np.float32) for one in (first, laid))
    mixed = np.where(inside[..., None], (below + above) / 2, 128 + below / 2)
    odd = inside & (_apart(first, laid, inside) > _APART)
    mixed[odd] = mixed[odd] * 0.35 + np.array(_COLOUR) * 0.65
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _apart(first: Image.Image, laid: Image.Image, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Grey levels by which they differ beyond a change of brightness."""
    one, other = (np.asarray(each.convert("L").filter(ImageFilter.BoxBlur(1)), np.float32) for each in (first, laid))
    if not inside.any():
        return np.zeros_like(one)
    *_, knots, values = light(one[inside][::5], other[inside][::5])
    apart: NDArray[np.float32] = np.abs(np.interp(one, knots, values) - other).astype(np.float32)
    return apart
