"""Where records load the pictures of their items from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image


class PictureSource(Protocol):
    """Where records load the pictures of their items from."""

    def load(self, item_id: int, edge: int = 0) -> Image:
        """Return the picture of an item, at least `edge` pixels long (0: in full). Raises UnreadablePicture."""

    def make_thumbnail(self, item_id: int, edge: int = 160) -> bytes:
        """Return a WebP of an item's picture. Raises UnreadablePicture."""
