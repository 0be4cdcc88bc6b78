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
    """Scale deep values to 0..255: 16-bit ones by 65,535, all others by the smallest usual white that holds them.

    `top`: the value of white, where it is known. The usual whites are 1 (fractions only), 255, 65,535, for large
    unsigned integers 4,294,967,295, and else the largest value itself.
    """
    if pixels.dtype.itemsize == 2 and pixels.dtype.kind == "u" and not top:
        return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    values = np.clip(np.nan_to_num(pixels.astype(np.float32)), 0, top or None)
    if not top:
        largest = float(values.max(initial=0))
        whites = {"f": (1, 255, 65535), "i": (255, 65535)}.get(pixels.dtype.kind, (255, 65535))
        top = next((white for white in whites if largest <= white), largest)
        top = 2**32 - 1 if pixels.dtype.kind == "u" and top >= 2**31 else top
    return np.asarray(np.rint(values * (255 / top)), np.uint8)
