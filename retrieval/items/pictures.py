"""The picture of an item, from where it lies, decoded in a process of its own where the collection asks for that."""

from __future__ import annotations

from collections.abc import Generator

from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import ItemNotFound, UnreadablePicture
from indexers.pictures import images
from indexers.pictures.extraction import extract_isolated
from indexers.pictures.media import extract
from indexers.pictures.stills import Sampling, Still
from retrieval.items.sources import read_content
from retrieval.records.pictures import THUMBNAIL_EDGES
from retrieval.spaces.spaces import Spaces


class PictureLoader:
    """Loads the pictures of a collection's items."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces) -> None:
        self._catalogue, self._spaces = catalogue, spaces

    def load(self, item_id: int, edge: int = 0) -> Image:
        """Return the upright RGB picture of an item; with an edge, at most twice and at least that many pixels long.

        Raises ItemNotFound, UnreadablePicture.
        """
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.items([item_id])
        if not rows:
            raise ItemNotFound(f"there is no item with the id {item_id!r}")
        row, isolation, limits = rows[0], self._spaces.find_isolation(), self._spaces.limits
        least = max(edge, 64) if edge else 0
        content = read_content(row.id, row.uris, row.missing, row.hash, limits, self._spaces.web)
        try:
            if isolation:
                image = isolation.decode(content, edge, least, 2 * edge).image
            else:
                image = images.decode(content, edge, limits).image
        except UnreadablePicture:
            if row.hash is None:  # a ready-made vector's place may be anything, and its bytes are not to be told of
                raise UnreadablePicture(f"the file of item {item_id} is not a picture") from None
            raise
        return image if edge == 0 or max(image.size) <= 2 * edge else images.shrink(image, least)

    def extract(self, item_id: int, sampling: Sampling) -> Generator[Still, None, None]:
        """Yield the pages or frames of an item's file. Raises ItemNotFound, UnreadablePicture."""
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.items([item_id])
        if not rows:
            raise ItemNotFound(f"there is no item with the id {item_id!r}")
        row, isolation, limits = rows[0], self._spaces.find_isolation(), self._spaces.limits
        content = read_content(row.id, row.uris, row.missing, row.hash, limits, self._spaces.web)
        if isolation:
            yield from extract_isolated(content, sampling, isolation.seconds, isolation.memory)
        else:
            yield from extract(content, sampling)

    def make_thumbnail(self, item_id: int, edge: int = THUMBNAIL_EDGES[0]) -> bytes:
        """Return a WebP of an item's picture whose longer edge has at most `edge` pixels.

        Raises ItemNotFound, UnreadablePicture.
        """
        return images.encode_webp(self.load(item_id, edge), edge)
