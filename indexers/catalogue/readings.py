"""The text that was read in pictures, and which pictures have not been read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.schema import item, location, reading
from indexers.types import Json

FIELDS = ("content", "reader", "text", "problem")


class Reading(NamedTuple):
    """What was read in a picture, whose bytes have the hash `content`. problem: why nothing could be read, or None."""

    item_id: int
    content: bytes
    reader: str
    text: str
    problem: str | None = None


class ReadingReader:
    """Reads what was read in pictures."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _all(self, statement: sa.Executable) -> list[Any]:
        return list(self._connection.execute(statement).all())

    def texts(self, item_ids: Sequence[int]) -> dict[int, str]:
        """Return by id the text in the present pictures of these items, of those that have any."""
        query = sa.select(reading.c.item, reading.c.text).join(item, item.c.id == reading.c.item)
        query = query.where(reading.c.text != "", reading.c.content == item.c.hash)
        return {
            row[0]: row[1]
            for chunk in split_chunks(item_ids)
            for row in self._all(query.where(reading.c.item.in_(chunk)))
        }

    def unread(self, reader: str, *, retry_failed: bool = False) -> list[tuple[int, bytes]]:
        """Return the ids and content hashes of pictures with a file that this reader has not read as they are now.

        retry_failed: also those that it could not read.
        """
        is_read = sa.exists().where(
            reading.c.item == item.c.id, reading.c.content == item.c.hash, reading.c.reader == reader
        )
        if retry_failed:
            is_read = is_read.where(reading.c.problem.is_(None))
        has_file = sa.exists().where(location.c.item == item.c.id, location.c.missing_since.is_(None))
        query = sa.select(item.c.id, item.c.hash).where(item.c.hash.is_not(None), has_file, ~is_read)
        return [(row[0], row[1]) for row in self._all(query.order_by(item.c.id))]

    def states(self, item_ids: Sequence[int]) -> dict[int, Json]:
        """Return by id what is known of these items, as JSON, for the trash."""
        rows = self._all(sa.select(reading).where(reading.c.item.in_(item_ids)))
        return {row.item: {**row._asdict(), "content": row.content.hex()} for row in rows}


class ReadingWriter(ReadingReader):
    """Reads and writes what was read in pictures."""

    def put(self, rows: Iterable[Reading]) -> None:
        """Write readings; each replaces an earlier one. The items have to be indexed anew."""
        values = [dict(zip(("item", *FIELDS), row, strict=True)) for row in rows]
        if values:
            for chunk in split_chunks([row["item"] for row in values]):
                self._connection.execute(sa.delete(reading).where(reading.c.item.in_(chunk)))
            self._connection.execute(sa.insert(reading), values)

    def restore(self, states: Iterable[Json]) -> None:
        """Write again what `states` has returned."""
        self.put(
            Reading(state["item"], bytes.fromhex(state["content"]), *(state[name] for name in FIELDS[1:]))
            for state in states
        )
