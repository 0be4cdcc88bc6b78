"""The records of items."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from indexers.catalogue.snapshot import format_time
from indexers.types import ItemRow, Json
from retrieval.records.base import Listing, Record

FIELDS = (
    "id",
    "key",
    "uri",
    "uris",
    "hash",
    "width",
    "height",
    "format",
    "bytes",
    "text",
    "taken_at",
    "added_at",
    "missing",
    "metadata",
)
VECTOR = "vector"
"""The last column of Parquet, with `vectors`."""


@dataclass(frozen=True, slots=True)
class Item(Record):
    """A picture, or a ready-made vector. Times are ISO 8601; `width` and `height` as a person sees the picture."""

    id: int
    key: str
    hash: str | None
    uri: str | None
    uris: tuple[str, ...]
    width: int | None
    height: int | None
    format: str | None
    bytes: int | None
    text: str | None
    taken_at: str | None
    added_at: str
    metadata: Json
    missing: bool
    """All its locations have vanished."""

    @classmethod
    def of(cls, row: ItemRow) -> Item:
        """Return the record of a row of the catalogue."""
        values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        values["hash"] = row.hash.hex() if row.hash else None
        values["added_at"] = format_time(row.added_at)
        return cls(uri=row.uris[0] if row.uris else None, **values)


@dataclass(frozen=True, slots=True)
class Page(Listing[Item]):
    """A page of items. `cursor`: pass it to the next call; None: there are no more."""

    items: tuple[Item, ...]
    cursor: int | None
    as_of: int

    def _rows(self) -> tuple[Item, ...]:
        return self.items
