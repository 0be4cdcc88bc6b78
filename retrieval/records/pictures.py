"""Where records load the pictures of their items from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


THUMBNAIL_EDGES = (160, 320, 640, 1600)
"""Pixels of the longer edge of a thumbnail: the sizes that the server makes, and the first of them by default."""


class PictureSource(Protocol):
    """Where records load the pictures of their items from."""

    def load(self, item_id: int, edge: int = 0) -> Image:
        """Return the picture of an item, its longer edge at least `edge` pixels (0: in full).

        Raises UnreadablePicture.
        """

    def make_thumbnail(self, item_id: int, edge: int = THUMBNAIL_EDGES[0]) -> bytes:
        """Return a WebP of an item's picture, its longer edge at most `edge` pixels. Raises UnreadablePicture."""
