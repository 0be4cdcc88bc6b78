"""A verdict as a picture, for people's eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from indexers.matching.comparing import fit_brightness
from indexers.matching.features import fit_size
from indexers.matching.verification import Verdict

EDGE = 384
"""Pixels of the longer edge of each of the three pictures."""
_GAP = 12  # pixels between the pictures
_VISIBLE_DIFFERENCE = 40  # grey levels
_COLOUR = (255, 0, 128)


def draw_overlay(a: Image.Image, b: Image.Image, verdict: Verdict) -> Image.Image:
    """Draw `a`, `b`, and `b` laid over `a` with differences in pink, side by side; what only `a` shows is paler.

    `a`, `b`: upright RGB pictures; `verdict`: that of `verify_pictures` on them. Without a transform the third picture
    is left out.
    """
    first, second = (
        image.resize(fit_size(*image.size, EDGE), Image.Resampling.BICUBIC, reducing_gap=3) for image in (a, b)
    )
    images = [first, second]
    if verdict.transform is not None:
        images.append(_blend(a, b, first, second, verdict.transform))
    sheet = Image.new("RGB", (sum(image.width + _GAP for image in images) + _GAP, EDGE + 2 * _GAP), "white")
    left = _GAP
    for image in images:
        sheet.paste(image, (left, _GAP + (EDGE - image.height) // 2))
        left += image.width + _GAP
    return sheet


def _blend(
    a: Image.Image, b: Image.Image, first: Image.Image, second: Image.Image, transform: NDArray[np.float64]
) -> Image.Image:
    matrix = transform.copy()
    matrix[:, :2] *= np.array(a.size) / first.size
    matrix *= (np.array(second.size) / b.size)[:, None]
    coefficients, method = tuple(matrix.ravel().tolist()), Image.Transform.AFFINE
    warped = second.transform(first.size, method, coefficients, Image.Resampling.BICUBIC)
    inside = np.asarray(Image.new("L", second.size, 255).transform(first.size, method, coefficients)) > 0
    below, above = (np.asarray(image, np.float32) for image in (first, warped))
    mixed = np.where(inside[..., None], (below + above) / 2, 128 + below / 2)
    differing = inside & (_measure_difference(first, warped, inside) > _VISIBLE_DIFFERENCE)
    mixed[differing] = mixed[differing] * 0.35 + np.array(_COLOUR) * 0.65
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _measure_difference(first: Image.Image, warped: Image.Image, inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the grey levels by which two pictures differ beyond a change of brightness."""
    left, right = (
        np.asarray(image.convert("L").filter(ImageFilter.BoxBlur(1)), np.float32) for image in (first, warped)
    )
    if not inside.any():
        return np.zeros_like(left)
    *_, knots, values = fit_brightness(left[inside][::5], right[inside][::5])
    differences: NDArray[np.float32] = np.abs(np.interp(left, knots, values) - right).astype(np.float32)
    return differences
