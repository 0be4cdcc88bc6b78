"""The records that answers are made of: frozen, with an honest repr, and `to_dict()` for JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from indexers.catalogue.snapshot import moment
from indexers.types import ItemRow, Json
from retrieval.records.base import Record, frame

if TYPE_CHECKING:
    pass

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
"""The last column of Parquet, where asked for."""


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
        """The record of a row."""
        values = {one.name: getattr(row, one.name) for one in dataclasses.fields(row)}
        values["hash"] = row.hash.hex() if row.hash else None
        values["added_at"] = moment(row.added_at)
        return cls(uri=row.uris[0] if row.uris else None, **values)


@dataclass(frozen=True, slots=True)
class Page(Record):
    """Some items in order of id. `cursor`: give it to the next call; None: these were the last."""

    items: tuple[Item, ...]
    cursor: int | None
    as_of: int

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with a row an item. Raises MissingPackage."""
        return frame(self.items)
