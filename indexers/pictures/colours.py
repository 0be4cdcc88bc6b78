"""Colour profiles say what a file's numbers mean as colours. Here they are brought to sRGB, which models and screens
expect."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4 * 2**20
"""A larger profile is ignored; real ones have a few hundred bytes to 2 MB (for printing)."""
NO_CACHE = 0x0040  # LittleCMS caches the last colour in the transform; without the cache, threads can share it


def to_srgb(image: Image.Image) -> Image.Image:
    """Return the picture in sRGB if it carries another profile, else the picture itself. A broken profile is ignored.

    Handles grey, RGB (transparent or not), palettes and CMYK. `image` must be loaded.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= MAX_PROFILE_BYTES:
        return image
    mode = {"L": "L", "CMYK": "CMYK"}.get(image.mode, "RGB" if image.mode in ("RGB", "RGBA", "RGBX", "P", "PA") else "")
    transform = _make_transform(profile, mode) if mode else None
    return image if transform is None else _apply_transform(image, mode, transform)


def _apply_transform(image: Image.Image, mode: str, transform: Any) -> Image.Image:
    if image.mode == mode:
        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # it is only when converting in place
        return converted
    alpha = image.convert("RGBA").getchannel("A") if image.has_transparency_data else None
    converted = ImageCms.applyTransform(image.convert("RGB"), transform)
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=64)
def _make_transform(profile: bytes, mode: str) -> Any:
    """Return the transform of a profile to sRGB; None if the profile is sRGB itself, not for this mode, or broken.

    Cached, since a library has few profiles.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        target = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.PERCEPTUAL
        return ImageCms.buildTransform(source, target, mode, "RGB", intent, ImageCms.Flags(NO_CACHE))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
