"""A sketch of a picture: all by which copies of it are nominated, made while it is decoded anyway."""

from __future__ import annotations

from PIL import Image

from indexers.matching.compact import extract_compact, pack_compact
from indexers.matching.descriptors import load_opencv
from indexers.matching.hashes import hash_picture
from indexers.types import Sketch

EDGE = 192
"""Pixels that both edges of the picture should have at least twice, or as many as the file has."""


def is_describing() -> bool:
    """Return whether sketches hold compact features: without OpenCV they would take half a second a picture."""
    return load_opencv() is not None


def sketch_picture(image: Image.Image) -> Sketch:
    """Sketch an upright RGB picture."""
    compact = pack_compact(extract_compact(image, "opencv")) if is_describing() else None
    return Sketch(hash_picture(image), compact)
