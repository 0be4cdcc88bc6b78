"""The pictures of parts: cut out of those of their items, or a page or frame of their files."""

from __future__ import annotations

from contextlib import closing

from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.parts import PartRow
from indexers.errors import ItemNotFound, UnreadablePicture
from indexers.finders.base import crop, scale_box
from indexers.pictures import images
from indexers.pictures.stills import Sampling
from retrieval.items.pictures import PictureLoader
from retrieval.records.pictures import THUMBNAIL_EDGES

FULL = 4000
"""The longer edge of a page or frame in full."""


class PartPictures:
    """Loads the pictures of parts: a PictureSource of their ids."""

    def __init__(self, catalogue: Catalogue, pictures: PictureLoader) -> None:
        self._catalogue, self._pictures = catalogue, pictures

    def load(self, part_id: int, edge: int = 0) -> Image:
        """Return the picture of a part, RGB and upright; with an edge, its longer edge has about that many pixels, as
        far as it is that large. Raises ItemNotFound, UnreadablePicture."""
        with self._catalogue.snapshot() as snapshot:
            row = snapshot.parts.rows([part_id]).get(part_id)
            items = snapshot.items([row.item_id]) if row else []
        if row is None or not items:
            raise ItemNotFound(f"there is no part with the id {part_id!r}")
        if row.page is not None or row.start is not None:
            picture, size = self._load_still(row, edge), None
        else:
            size = (items[0].width, items[0].height)
            picture = self._pictures.load(row.item_id, _find_edge(row, size, edge))
        if row.box is not None:
            known = size is not None and None not in size
            picture = crop(picture, scale_box(row.box, size, picture.size) if known else row.box)  # type: ignore[arg-type]
        return picture if edge == 0 or max(picture.size) <= edge else images.shrink(picture, edge)

    def make_thumbnail(self, part_id: int, edge: int = THUMBNAIL_EDGES[0]) -> bytes:
        """Return a WebP of a part's picture whose longer edge has at most `edge` pixels. Raises as `load`."""
        return images.encode_webp(self.load(part_id, edge), edge)

    def _load_still(self, row: PartRow, edge: int) -> Image:
        only = float(row.page) if row.page is not None else row.start
        with closing(self._pictures.extract(row.item_id, Sampling(edge or FULL, only=only))) as stills:
            for still in stills:
                return still.image
        raise UnreadablePicture(f"the page or frame of part {row.id} can't be read (any more)")


def _find_edge(row: PartRow, size: tuple[int | None, int | None], edge: int) -> int:
    """Return the edge at which a picture of some size is loaded, so that the box has `edge` pixels; 0: in full."""
    width, height = size
    if row.box is None or edge == 0 or width is None or height is None:
        return edge if row.box is None else 0
    return int(edge * max(width, height) / max(*row.box[2:], 1)) + 1
