"""Colour profiles: what a file's numbers mean as colours, brought to sRGB, which is what models and screens expect."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms

LARGEST = 4 * 2**20
"""Bytes of a profile that is looked at; real ones are a few hundred bytes to 2 MB (for printing)."""
NO_CACHE = 0x0040  # LittleCMS remembers the last colour in the transform; without that, threads can share it


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB if it carries another profile; else as it is. A broken profile is passed over.

    Grey, RGB (transparent or not), palettes and CMYK; `image` must be loaded.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= LARGEST:
        return image
    mode = {"L": "L", "CMYK": "CMYK"}.get(image.mode, "RGB" if image.mode in ("RGB", "RGBA", "RGBX", "P", "PA") else "")
    transform = _transform(profile, mode) if mode else None
    return image if transform is None else _apply(image, mode, transform)


def _apply(image: Image.Image, mode: str, transform: Any) -> Image.Image:
    if image.mode == mode:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # in place is not asked for
        return converted
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    converted = ImageCms.applyTransform(image.convert("RGB"), transform)
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    """Made once a profile: a library has few. None: the profile is sRGB itself, not for this mode, or broken."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.PERCEPTUAL
        return ImageCms.buildTransform(source, target, mode, "RGB", intent, ImageCms.Flags(NO_CACHE))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
