"""A finder: a class with its facts, and a `find` that returns parts, each with a box."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PIL import Image

from indexers.finders.base import Finder, FoundPart


class Halves(Finder):
    """The left and the right half of a picture."""

    name = "halves"
    kind: ClassVar[str] = "halves"
    edge: ClassVar[int] = 256
    licence: ClassVar[str] = "none needed: there are no weights"

    def find(self, picture: Image.Image) -> Sequence[FoundPart]:
        """Return both halves, which share the middle column of an odd number."""
        width, height = picture.size
        half = -(-width // 2)
        return [FoundPart((0, 0, half, height)), FoundPart((width - half, 0, half, height))]
