"""What a transaction writes of what files say, and of what filters and text search read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue import full_text
from indexers.catalogue.file_metadata import TEXT, FileMetadata, FileMetadataWriter
from indexers.catalogue.metadata import flatten_metadata
from indexers.catalogue.part_writer import PartWriter
from indexers.catalogue.readings import Reading, ReadingWriter
from indexers.catalogue.schema import attribute, item, location
from indexers.types import QUALITY, Arrival, FoundFile, Json


class FileWriter(PartWriter):
    """A snapshot that brings items to what their files say."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.files: FileMetadataWriter = FileMetadataWriter(connection)
        self.readings: ReadingWriter = ReadingWriter(connection)
        self._unworded: set[int] = set()
        """Items whose words may have changed, in texts or in paths, besides those of which a change is logged."""

    def _note_files(self, rows: Sequence[tuple[Arrival, int, bool]]) -> None:
        """Take over what arrivals say of items, of which is said whether they are new: those have taken it over."""
        rows = [(arrival, item_id, is_new) for arrival, item_id, is_new in rows if arrival.facts or arrival.file]
        files = self.files.load([item_id for _, item_id, is_new in rows if not is_new])
        self._note_captures({item_id: arrival for arrival, item_id, is_new in rows if arrival.facts and not is_new})
        noted = [item_id for arrival, item_id, is_new in rows if not is_new and files[item_id].note(arrival)]
        self._follow_files({item_id: files[item_id] for item_id in noted})

    def _note_captures(self, arrivals: Mapping[int, Arrival]) -> None:
        """Take over how pictures were taken, which an older version may not have read; those items have changed."""
        known: dict[int, tuple[bytes | None, Json]] = {}
        for chunk in split_chunks(list(arrivals)):
            query = sa.select(item.c.id, item.c.hash, item.c.capture).where(item.c.id.in_(chunk))
            known |= {row.id: (row.hash, row.capture) for row in self._all(query)}
        for item_id, arrival in arrivals.items():
            capture = arrival.facts.capture if arrival.facts else {}
            content, before = known.get(item_id, (None, {}))
            if content is not None and content == arrival.hash and before != capture:
                self._do(sa.update(item).where(item.c.id == item_id).values(capture=capture))
                self._log_change(item_id, None, "changed")

    def note_sidecars(self, sidecars: Sequence[tuple[int, FoundFile, Json | None]]) -> None:
        """Take over what the sidecars of files say: (item, the picture's file, what is said or None)."""
        files = self.files.load([item_id for item_id, _, _ in sidecars])
        for item_id, file, said in sidecars:
            files[item_id].note_sidecar(file, said)
        self._follow_files(files)

    def _follow_files(self, files: Mapping[int, FileMetadata]) -> None:
        """Bring items to what their files say now, except for what users have said."""
        for chunk in split_chunks(list(files)):
            present = self._present_uris([item_id for item_id in chunk if len(files[item_id].sidecars) > 1])
            columns = item.c.id, item.c.metadata, item.c.text, item.c.taken_at
            for row in self._all(sa.select(*columns).where(item.c.id.in_(chunk))):
                file = files[row.id]
                here = {uri: said for uri, said in file.sidecars.items() if uri in present.get(row.id, ())}
                file.sidecars = here or file.sidecars  # those of vanished files count as long as there are no others
                before = {"metadata": row.metadata, "text": row.text, "taken_at": row.taken_at}
                values = before | apply_file(file, row.metadata, row.text)
                if values != before:
                    self._do(sa.update(item).where(item.c.id == row.id).values(**values))
                    self._log_change(row.id, None, "changed")
                    self.reindex([row.id])
            self.files.store({item_id: files[item_id] for item_id in chunk})

    def _present_uris(self, item_ids: Sequence[int]) -> dict[int, set[str]]:
        query = sa.select(location.c.item, location.c.uri).where(location.c.item.in_(item_ids))
        present: dict[int, set[str]] = {}
        for item_id, uri in self._all(query.where(location.c.missing_since.is_(None))):
            present.setdefault(item_id, set()).add(uri)
        return present

    def _follow_vanished_files(self, item_ids: Iterable[int]) -> None:
        """Let the sidecars of vanished files go, of items that have other files with sidecars."""
        sidecars = self.files.sidecars(list(dict.fromkeys(item_ids)))
        self._follow_files(self.files.load([item_id for item_id, by_uri in sidecars.items() if len(by_uri) > 1]))

    # ---- words and filters

    def put_readings(self, rows: Sequence[Reading]) -> None:
        """Write the texts that were read in pictures of items that still exist; they count as changed."""
        existing = {row.id: row.hash for row in self.items([row.item_id for row in rows])}
        rows = [row for row in rows if existing.get(row.item_id) == row.content]
        self.readings.put(rows)
        for row in rows:
            self._log_change(row.item_id, None, "changed")

    def put_qualities(self, qualities: Mapping[int, Sequence[float]]) -> None:
        """Write how good pictures are, as QUALITY names it; they count as changed."""
        for item_id, values in qualities.items():
            row = dict(zip(QUALITY, values, strict=True))
            self._do(sa.update(item).where(item.c.id == item_id).values(**row))
            self._log_change(item_id, None, "changed")

    def reindex(self, item_ids: Sequence[int]) -> None:
        """Write again what filters and text search read of these items."""
        for chunk in split_chunks(item_ids):
            self._do(sa.delete(attribute).where(attribute.c.item.in_(chunk)))
            self._index([(row.id, row.metadata) for row in self.items(chunk)])

    def _index(self, rows: Sequence[tuple[int, Json]]) -> None:
        values = [{"item": item_id, **row} for item_id, metadata in rows for row in flatten_metadata(metadata)]
        self._insert_rows(attribute, values)
        self._unworded |= {item_id for item_id, _ in rows}

    def finish(self) -> None:
        """Write the words of all items that have changed, and number the changes."""
        logged = {item_id for (item_id, space_id), kind in self._log.items() if space_id is None and kind != "removed"}
        for chunk in split_chunks(sorted(self._unworded | logged)):
            self._write_words(chunk)
        self._unworded.clear()
        super().finish()

    def _write_words(self, item_ids: Sequence[int]) -> None:
        before = self.indexed_words(item_ids)
        seen = self.texts_in_pictures(item_ids)
        after = {row.id: full_text.describe_item(row, seen.get(row.id, "")) for row in self.items(item_ids)}
        changed = [id_ for id_ in item_ids if id_ in after and before.get(id_) != after[id_].columns]
        full_text.remove_documents(self._connection, [item_id for item_id in changed if item_id in before])
        full_text.add_documents(self._connection, ((item_id, after[item_id]) for item_id in changed))

    def _claim(self, item_id: int, keys: Sequence[str]) -> None:
        """Note that a user has said something of an item under these keys: files change it no more."""
        files = self.files.load([item_id]) if keys else {}
        if keys and files[item_id].claim(keys):
            self.files.store(files)


def join_text(metadata: Json, text: str | None) -> Json:
    return metadata if text is None else metadata | {TEXT: text}


def apply_file(file: FileMetadata, metadata: Json, text: str | None) -> Json:
    """Return an item's metadata, text and date as its files have them now, except for what users have said."""
    merged = file.apply(join_text(metadata, text))
    return {"text": merged.pop(TEXT, None), "metadata": merged, "taken_at": file.find_date()}
