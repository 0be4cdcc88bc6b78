"""Sidecars: XMP files beside pictures, in which photo programs write what they don't write into the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indexers.errors import PictureError
from indexers.pictures.scan import read_file
from indexers.pictures.tags import FIELDS, PLACE_FIELDS
from indexers.pictures.xmp import MAX_BYTES, parse_xmp
from indexers.types import FoundFile, Json, Limits

KEYS = {*FIELDS, *PLACE_FIELDS, "taken_at"}
"""What a sidecar may say of its picture."""


def read_sidecar(sidecar: FoundFile, roots: Sequence[Path] | None = None) -> Json | None:
    """Return what a sidecar says of its picture; None if it can't be read, or lies outside `roots`."""
    try:
        values = parse_xmp(read_file(sidecar.path, Limits(max_bytes=MAX_BYTES), roots))
    except (PictureError, ValueError):
        return None
    return {key: value for key, value in values.items() if key in KEYS}
