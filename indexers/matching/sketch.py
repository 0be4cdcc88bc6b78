"""A sketch of a picture, made while it is decoded anyway: all by which copies of it are nominated, and its clarity."""

from __future__ import annotations

from PIL import Image

from indexers.matching.clarity import measure_clarity, pack_clarity
from indexers.matching.compact import extract_compact, pack_compact
from indexers.matching.descriptors import load_opencv
from indexers.matching.hashes import hash_picture
from indexers.types import Sketch

EDGE = 192
"""Pixels that both edges of the picture should have at least twice, or as many as the file has."""


def sketch_picture(image: Image.Image, *, quickly: bool = False) -> Sketch:
    """Sketch an upright RGB picture. `quickly`: without compact features where OpenCV is missing, which makes them."""
    is_described = load_opencv() is not None or not quickly
    compact = pack_compact(extract_compact(image)) if is_described else None
    return Sketch(hash_picture(image), compact, pack_clarity(measure_clarity(image)))
