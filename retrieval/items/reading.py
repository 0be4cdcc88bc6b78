"""Reading the text in pictures, so that `search(query=)` finds its words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from indexers.arrays import split_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.readings import Reading
from indexers.errors import PictureError
from indexers.pictures.text_reader import EDGE, NAME, TextReader, check_reader
from indexers.types import Failure
from retrieval.items.pictures import PictureLoader
from retrieval.records.reports import ReadReport

BATCH = 16
"""Pictures in one transaction: what was read before an interrupt stays."""
ReportProgress = Callable[[int, int], object]
"""Called with the number of pictures that were read, and of those to read."""


class PictureReader:
    """Reads the text in a collection's pictures. The network is loaded when it is first needed."""

    def __init__(self, catalogue: Catalogue, pictures: PictureLoader, cores: int) -> None:
        self._catalogue, self._pictures = catalogue, pictures
        self._reader = TextReader(cores)

    def read(self, retry_failed: bool = False, progress: ReportProgress | None = None) -> ReadReport:
        """Read the text in the pictures that were not read yet. Raises MissingPackage, WriterBusy, WriteFailed."""
        started = time.perf_counter()
        check_reader()
        with self._catalogue.snapshot() as snapshot:
            unread = snapshot.readings.unread(NAME, retry_failed=retry_failed)
        tell = None if progress is None else lambda count: progress(count, len(unread))
        done = self.read_pictures(unread, tell)
        failed = [row for row in done if row.problem is not None]
        with self._catalogue.snapshot() as snapshot:
            uris = {row.id: row.uris for row in snapshot.items([row.item_id for row in failed])}
            number = snapshot.number
        failures = tuple(
            Failure((*uris.get(row.item_id, ()), str(row.item_id))[0], str(row.problem), "text") for row in failed
        )
        with_text = sum(bool(row.text) for row in done)
        seconds = time.perf_counter() - started
        return ReadReport(len(done) - len(failed), with_text, len(failed), failures, number, seconds)

    def read_pictures(
        self, pictures: Sequence[tuple[int, bytes]], progress: Callable[[int], object] | None = None
    ) -> list[Reading]:
        """Read the text in pictures, by item id and content hash, and record it as it comes. progress: called with the
        number of pictures that were read."""
        done: list[Reading] = []
        for part in split_chunks(pictures, BATCH):
            rows = []
            for item_id, content in part:
                rows.append(self._read_picture(item_id, content))
                if progress is not None:
                    progress(len(done) + len(rows))
            with self._catalogue.transaction() as transaction:
                transaction.put_readings(rows)
            done += rows
        return done

    def _read_picture(self, item_id: int, content: bytes) -> Reading:
        try:
            return Reading(item_id, content, NAME, self._reader.read(self._pictures.load(item_id, EDGE)))
        except PictureError as error:
            return Reading(item_id, content, NAME, "", str(error))
