"""Measuring how good pictures are that were added before that was measured."""

from __future__ import annotations

from collections.abc import Callable

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import PictureError
from indexers.matching.clarity import EDGE
from indexers.matching.quality import Quality, measure_quality
from retrieval.items.pictures import PictureLoader

BATCH = 100
"""Pictures in one transaction: what was measured before an interrupt stays."""


class PictureMeasurer:
    """Measures the pictures of a collection."""

    def __init__(self, catalogue: Catalogue, pictures: PictureLoader) -> None:
        self._catalogue, self._pictures = catalogue, pictures

    def measure(self, progress: Callable[[int, int], object] | None = None) -> int:
        """Measure the pictures that were not yet, and return their number. What can't be read is left out."""
        with self._catalogue.snapshot() as snapshot:
            unmeasured = snapshot.qualities.unmeasured()
        count = done = 0
        for chunk in split_chunks(unmeasured, BATCH):
            qualities: dict[int, Quality] = {}
            for item_id in chunk:
                try:
                    qualities[item_id] = measure_quality(self._pictures.load(item_id, EDGE))
                except PictureError:
                    continue
                finally:
                    done += 1
                    if progress is not None:
                        progress(done, len(unmeasured))
            with self._catalogue.transaction() as transaction:
                transaction.put_qualities(qualities)
            count += len(qualities)
        return count
