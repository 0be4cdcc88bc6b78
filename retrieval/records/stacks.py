"""Stacks: pictures that belong together, and are no copies."""

from __future__ import annotations

from dataclasses import dataclass, field

from retrieval.records.base import HANDLE, Record
from retrieval.records.duplicates import Pair
from retrieval.records.notebook import render_thumbnails
from retrieval.records.pictures import PictureSource


@dataclass(frozen=True, slots=True)
class Stack(Record):
    """Pictures that belong together: shots of one moment, or a picture and what was made of it."""

    id: int
    """The id, which depends only on the kind and the contents of the pictures."""
    kind: str
    """burst, exposure bracket, focus series, raw + jpeg, raw + heic, heic + jpeg, edit, crop, screenshot or inside
    another picture."""
    items: tuple[int, ...]
    """The ids of its pictures: of a series in the order in which they were taken, else the original first."""
    cover: int
    """The item that stands for all of them."""
    reason: str
    """Why they belong together."""
    cover_reason: str = ""
    """Why this item is the cover."""
    pairs: tuple[Pair, ...] = ()
    """Of edits, crops and pictures inside others: the proven pairs with the original."""
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def _repr_html_(self) -> str:
        captions = [
            (item_id, f"item {item_id}" + (f", cover: {self.cover_reason}" if item_id == self.cover else ""))
            for item_id in self.items
        ]
        return render_thumbnails(f"{self.kind}: {self.reason}", captions, self._pictures)
