"""The records of items."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from indexers.catalogue.rows import format_time
from indexers.types import ItemRow, Json, TrashedRow
from retrieval.records.base import SHOWN, Listing, Record
from retrieval.records.notebook import render_rows

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
    "seen",
    "taken_at",
    "added_at",
    "missing",
    "metadata",
)
VECTOR = "vector"
"""The last column of Parquet, with `vectors`."""


@dataclass(frozen=True, slots=True)
class Item(Record):
    """A picture, or a ready-made vector. Times are ISO 8601."""

    id: int
    """A number that is never used again."""
    key: str
    """A unique name: the key that you gave, else the hash."""
    hash: str | None
    """The hash of the file's bytes (BLAKE2, hexadecimal); None for a ready-made vector."""
    uri: str | None
    """The first of its paths and URIs."""
    uris: tuple[str, ...]
    """All its paths and URIs."""
    width: int | None
    """Pixels, as a person sees the picture."""
    height: int | None
    """Pixels, as a person sees the picture."""
    format: str | None
    """The file format, such as JPEG."""
    bytes: int | None
    """The size of the file."""
    text: str | None
    """A text about the picture."""
    taken_at: str | None
    """When it was taken."""
    added_at: str
    """When it was added."""
    metadata: Json = field(hash=False)
    """The user's own keys and values."""
    missing: bool
    """True if all its locations have vanished."""
    clusters: tuple[int, ...] = ()
    """Public ids of the clusters it lies in, coarse to fine; levels in which it is loose are left out."""
    seen: str | None = None
    """The text in the picture, once `read` has read it."""

    @classmethod
    def of(cls, row: ItemRow, clusters: tuple[int, ...] = (), seen: str | None = None) -> Item:
        """Return the record of a row of the catalogue, with the ids of its clusters and the text in its picture."""
        values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
        values["hash"] = row.hash.hex() if row.hash else None
        values["added_at"] = format_time(row.added_at)
        return cls(uri=row.uris[0] if row.uris else None, clusters=clusters, seen=seen, **values)


@dataclass(frozen=True, slots=True)
class Page(Listing[Item]):
    """A page of items."""

    items: tuple[Item, ...]
    """The items of this page."""
    cursor: int | None
    """Pass it to the next call; None: there are no more."""
    as_of: int
    """The change number that the page belongs to."""

    def _rows(self) -> tuple[Item, ...]:
        return self.items

    def _repr_html_(self) -> str:
        return render_rows([_describe(item) for item in self.items[:SHOWN]], len(self), hide_empty=True)


def _describe(item: Item) -> Json:
    """Return what people look for first: the key is left out where it is the hash, and further URIs always."""
    hidden = {"hash", "uris", *(("key",) if item.key == item.hash else ())}
    return {name: value for name, value in item.to_dict().items() if name not in hidden}


@dataclass(frozen=True, slots=True)
class TrashedItem(Record):
    """An item that was removed and can be restored. Times are ISO 8601."""

    id: int
    """The id that it had and gets back."""
    key: str
    """The key that it had."""
    hash: str | None
    """The hash of the file's bytes (BLAKE2, hexadecimal); None for a ready-made vector."""
    uri: str | None
    """The first of its paths and URIs."""
    text: str | None
    """A text about the picture."""
    metadata: Json = field(hash=False)
    """The user's own keys and values."""
    removed_at: str
    """When it was removed."""
    kept_until: str
    """When it will be deleted for good."""

    @classmethod
    def of(cls, row: TrashedRow, kept_until: int) -> TrashedItem:
        """Return the record of a removed item that is kept until a time, in microseconds since 1970."""
        state, places = row.state["item"], row.state["locations"]
        return cls(
            row.id,
            row.key,
            row.hash.hex() if row.hash else None,
            places[0]["uri"] if places else None,
            state["text"],
            state["metadata"],
            format_time(row.removed_at),
            format_time(kept_until),
        )
