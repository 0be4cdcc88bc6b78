"""Work with items that are in the collection. The target is the id of an item."""

from __future__ import annotations

from collections.abc import Sequence

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.work import WorkRow
from indexers.pictures.text_reader import NAME, check_reader
from indexers.types import Json
from retrieval.items.reading import PictureReader
from retrieval.work.kinds import Beat, WorkKind


class ReadWork(WorkKind):
    """Pictures whose text is to be read."""

    name = "read"

    def __init__(self, catalogue: Catalogue, reader: PictureReader) -> None:
        self._catalogue, self._reader = catalogue, reader

    def list_missing(self) -> dict[str, Json]:
        with self._catalogue.snapshot() as snapshot:
            return {str(item_id): {"content": content.hex()} for item_id, content in snapshot.readings.unread(NAME)}

    def prepare(self) -> None:
        check_reader()

    def perform(self, rows: Sequence[WorkRow], beat: Beat) -> dict[str, str]:
        with self._catalogue.snapshot() as snapshot:
            present = {item.id: item.hash for item in snapshot.items([int(row.target) for row in rows])}
        pictures = [(int(row.target), bytes.fromhex(row.data["content"])) for row in rows]
        pictures = [picture for picture in pictures if present.get(picture[0]) == picture[1]]
        readings = self._reader.read_pictures(pictures, beat)
        return {str(reading.item_id): reading.problem for reading in readings if reading.problem is not None}
