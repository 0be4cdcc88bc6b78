"""How the pictures of a collection were taken: read for all at once, to find those that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.schema import item, location
from indexers.types import Json


class ShotRow(NamedTuple):
    """An item with a picture that is there.

    taken_at, camera: what files or people say; `capture`: what EXIF says of the shot itself, empty if the picture was
    read by an older version. uri: where it lies, if it has any place.
    """

    id: int
    hash: bytes
    width: int
    height: int
    format: str
    taken_at: str | None
    camera: str | None
    capture: Json
    uri: str | None


class ShotReader:
    """Reads shots."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, item_ids: Sequence[int] | None = None) -> list[ShotRow]:
        """Return the shots of all items, or of these, by id; items without a picture, or whose files have vanished, are
        left out."""
        places = sa.select(location.c.uri).where(location.c.item == item.c.id)
        uri = places.where(location.c.missing_since.is_(None)).order_by(location.c.id).limit(1).scalar_subquery()
        columns = item.c.id, item.c.hash, item.c.width, item.c.height, item.c.format, item.c.taken_at
        camera = item.c.metadata["camera"].as_string()
        query = sa.select(*columns, camera, item.c.capture, uri, sa.exists(places)).order_by(item.c.id)
        query = query.where(item.c.hash.is_not(None), item.c.width.is_not(None))
        queries = [query] if item_ids is None else [query.where(item.c.id.in_(ids)) for ids in split_chunks(item_ids)]
        rows = [row for part in queries for row in self._connection.execute(part)]
        return [ShotRow(*row[:-1]) for row in rows if row[-2] is not None or not row[-1]]

    def times(self) -> dict[int, str]:
        """Return by item id when pictures were taken, of those of which that is known."""
        rows = self._connection.execute(sa.select(item.c.id, item.c.taken_at).where(item.c.taken_at.is_not(None)))
        return {row.id: row.taken_at for row in rows}
