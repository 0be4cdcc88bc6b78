"""Where the files of known pictures lie, and where they lay before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexers.arrays import split_chunks
from indexers.catalogue.schema import item, location
from indexers.types import FoundFile


class Place(NamedTuple):
    """A location of an item of known content, with its file as last seen."""

    key: str
    hash: bytes
    uri: str
    is_missing: bool
    size: int | None
    mtime_ns: int | None
    inode: int | None

    @property
    def has_own_key(self) -> bool:
        """Whether the item was given a key, rather than that of its content."""
        return self.key != self.hash.hex()

    def holds(self, file: FoundFile) -> bool:
        """Return True if a file is the one that was seen here, under whatever name."""
        seen = (self.size, self.mtime_ns, self.inode)
        return bool(self.inode) and seen == (file.size, file.mtime_ns, file.inode)


class PlaceReader:
    """Reads the locations of items whose content is known."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, uris: Iterable[str] = (), hashes: Iterable[bytes] = ()) -> list[Place]:
        """Return the places at these URIs and those of items with these contents, the oldest first."""
        columns = location.c.uri, location.c.missing_since, location.c.size, location.c.mtime_ns, location.c.inode
        query = sa.select(location.c.id, item.c.key, item.c.hash, *columns).join(item, item.c.id == location.c.item)
        query = query.where(item.c.hash.is_not(None))
        places: dict[int, Place] = {}
        for column, values in ((location.c.uri, uris), (item.c.hash, hashes)):
            for chunk in split_chunks(list(dict.fromkeys(values))):
                for number, key, digest, uri, missing_since, *stat in self._connection.execute(
                    query.where(column.in_(chunk))
                ):
                    places[number] = Place(key, digest, uri, missing_since is not None, *stat)
        return [places[number] for number in sorted(places)]
