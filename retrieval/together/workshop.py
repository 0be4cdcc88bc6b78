"""Makes pictures of pictures, from their files in full."""

from __future__ import annotations

from collections.abc import Sequence

from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.errors import BadQuery, UsageError
from retrieval.checks import ItemName
from retrieval.items.pictures import PictureLoader
from retrieval.records.together import Alignment, Stitched

MOST = 50
"""Pictures that are put together at once, at most."""


class Workshop:
    """Aligns, stitches, fuses and cleans. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, pictures: PictureLoader) -> None:
        self._catalogue, self._pictures = catalogue, pictures

    def align(self, a: ItemName, b: ItemName, model: str) -> Alignment:
        """Return how one picture lies on another. Raises UsageError where nothing shows that they overlap."""
        from indexers.matching.registration import MODELS, detect_points, register_points

        if model not in MODELS:
            raise BadQuery(f"model is one of {', '.join(MODELS)}; got {model!r}")
        first, second = self._resolve([a, b])
        points = [detect_points(self._pictures.load(item_id)) for item_id in (first, second)]
        found = register_points(points[0], points[1], model)
        if found is None:
            raise UsageError(f"the items {first} and {second} don't overlap, as far as their points show")
        rows = tuple(tuple(float(value) for value in row) for row in found.matrix)
        figures = found.residual, found.overlap, found.inliers, found.matches
        return Alignment(first, second, model, rows, *figures, self._pictures)

    def stitch(self, names: Sequence[ItemName]) -> Stitched:
        """Return pictures that overlap as one. Raises UsageError."""
        from indexers.matching.stitching import stitch_pictures

        items = self._resolve(names)
        mosaic = stitch_pictures([self._pictures.load(item_id) for item_id in items])
        placed, apart = (tuple(items[place] for place in places) for places in (mosaic.placed, mosaic.apart))
        matrices = tuple(tuple(tuple(float(value) for value in row) for row in matrix) for matrix in mosaic.matrices)
        return Stitched(placed, apart, mosaic.kind, *mosaic.image.size, matrices, mosaic.image)

    def fuse(self, names: Sequence[ItemName], way: str) -> Image:
        """Return pictures of one scene as one. Raises UsageError."""
        from indexers.matching.fusing import WAYS, fuse_pictures

        if way not in WAYS:
            raise BadQuery(f"kind is one of {', '.join(WAYS)}; got {way!r}")
        return fuse_pictures([self._pictures.load(item_id) for item_id in self._resolve(names)], way)

    def denoise(self, name: ItemName) -> Image:
        """Return a picture with less noise."""
        from indexers.matching.denoising import remove_noise

        with self._catalogue.snapshot() as snapshot:
            (item_id,) = snapshot.resolve([name])
        return remove_noise(self._pictures.load(item_id))

    def _resolve(self, names: Sequence[ItemName]) -> list[int]:
        with self._catalogue.snapshot() as snapshot:
            items = list(dict.fromkeys(snapshot.resolve(names)))
        if not 2 <= len(items) <= MOST:
            raise UsageError(f"2 to {MOST} different pictures are put together; got {len(items)}")
        return items
