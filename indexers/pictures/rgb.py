"""Convert pictures of any of Pillow's modes to RGB, and lay transparent ones over a ground on which they show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GROUNDS = (255, 128, 0)
"""The grey levels that a transparent picture may be laid over: the first is taken on which it shows."""
_ENOUGH = 2 / 3  # of the detail that the best ground shows
_VISIBLE = 24.0  # levels between neighbouring pixels from which on more contrast shows no more
_EDGE = 256  # pixels of the small version on which the grounds are compared


def flatten(image: Image.Image) -> Image.Image:
    """Convert a picture in any of Pillow's modes to RGB, 8 bits. Deep greys are scaled, not clipped.

    A transparent picture is laid over white; if its drawing would vanish there, over mid grey or black.
    """
    image.load()
    if image.mode.startswith(("I", "F")):
        image = Image.fromarray(scale_to_eight_bits(np.asarray(image)))
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    ground = Image.new("RGB", rgba.size, (choose_ground(rgba),) * 3)
    ground.paste(rgba, mask=rgba.getchannel("A"))
    return ground


def choose_ground(rgba: Image.Image) -> int:
    """Return the first of GROUNDS that shows at least two thirds of the detail that the best one shows.

    The detail of an RGBA picture on a ground is the sum of the steps between neighbouring pixels, each at most
    _VISIBLE: a white drawing has none on white; one that is half white and half black has all of it only on grey.
    """
    if rgba.getchannel("A").getextrema()[0] == 255:
        return GROUNDS[0]
    scale = max(1, -(-max(rgba.size) // _EDGE))
    small = rgba.convert("RGBa").reduce(scale)
    pixels = np.asarray(small, np.float32)
    pixels = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))  # a drawing that fills its frame has an outline too
    colours, ground_shares = pixels[..., :3], 1 - pixels[..., 3:] / np.float32(255)
    details = [_measure_detail(colours + ground * ground_shares) for ground in GROUNDS]
    return next(ground for ground, detail in zip(GROUNDS, details, strict=True) if detail >= _ENOUGH * max(details))


def _measure_detail(pixels: NDArray[np.float32]) -> float:
    steps = (np.abs(np.diff(pixels, axis=axis)).max(axis=2) for axis in (0, 1))
    return float(sum(np.minimum(step, _VISIBLE).sum() for step in steps))


def scale_to_eight_bits(pixels: NDArray[Any], top: float = 0) -> NDArray[np.uint8]:
    """Scale deep values, real ones, to 0..255: 16-bit ones by 65,535, all others by their usual white.

    `top`: the value of white, where it is known. See `_find_range` for where it is not. NaN becomes black.
    """
    if pixels.dtype.itemsize == 2 and pixels.dtype.kind == "u" and not top:
        return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    values = pixels.astype(np.float64 if pixels.dtype.itemsize == 8 else np.float32)
    black, white = (0.0, float(top)) if top else _find_range(values, pixels.dtype)
    values = np.nan_to_num(values, nan=black, posinf=white, neginf=black).clip(black, white)
    return np.asarray(np.rint((values - black) * (255 / (white - black))), np.uint8)


def _find_range(values: NDArray[Any], kind: np.dtype[Any]) -> tuple[float, float]:
    """Return the values of black and white in a picture that does not state them.

    Black is 0, and white the smallest usual one that holds all: 1 (fractions only), 255, 65,535, and for large unsigned
    integers the largest number of their size. Measurements (more than half below 0, or fractions that fill no usual
    range) are shown as measuring programs show them: between their own extremes, but for a two-hundredth on both sides.
    """
    finite = values[np.isfinite(values)]
    least, largest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if kind.kind == "u" and largest >= 2**31:
        return 0.0, float(2 ** (8 * kind.itemsize) - 1)
    usual = {"f": (1, 255, 65535), "i": (127 if kind.itemsize == 1 else 255, 65535)}.get(kind.kind, (255, 65535))
    white = next((white for white in usual if largest <= white), 0)
    is_fraction = kind.kind == "f" and white != 1
    is_measured = least < 0 and float(np.median(finite)) < 0
    if is_measured or (is_fraction and not white / 2 < largest <= white):
        low, high = (float(edge) for edge in np.percentile(finite, (0.5, 99.5)))
        low, high = (low, high) if high > low else (least, largest)
        return low, high if high > low else low + 1
    return 0.0, float(white or largest or 1)
