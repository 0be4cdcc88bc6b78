"""Pairs and groups of duplicates, and moves of their files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from indexers.types import Json
from retrieval.records.base import HANDLE, Record
from retrieval.records.notebook import render_thumbnails
from retrieval.records.pictures import PictureSource


@dataclass(frozen=True, slots=True)
class Pair(Record):
    """Two items that were compared."""

    a: int
    """The first item's id."""
    b: int
    """The second item's id."""
    kind: str
    """same pixels, same picture, inside another picture, photo of a print, same template, same scene or different."""
    score: float
    """How certain it is that they show the same picture, 0 to 1."""
    evidence: Json = field(repr=False, hash=False)
    """The figures of the comparison; `differs` lists how `b` differs from `a`."""


def list_differences(pair: Pair, keep: int) -> list[str]:
    """Return what was done to the duplicate, seen from the one to keep. (The evidence describes b, seen from a.)"""
    opposite = {"brighter": "darker", "darker": "brighter"} if pair.b == keep else {}
    return [opposite.get(word, word) for word in pair.evidence.get("differs", ())]


@dataclass(frozen=True, slots=True)
class DuplicateGroup(Record):
    """Duplicates of one picture."""

    id: int
    """The id, which depends only on the contents of the pictures."""
    kind: str
    """same bytes, same pixels or same picture: the weakest kind among its pairs."""
    items: tuple[int, ...]
    """The ids of its members."""
    keep: int
    """The item to keep."""
    reason: str
    """Why this item is the one to keep."""
    pairs: tuple[Pair, ...]
    """The proven pairs of its members."""
    weakest: float
    """The lowest score of its pairs."""
    weakest_pair: tuple[int, int] | None = None
    """The two items with that score."""
    diameter: float = 0.0
    """1 - the lowest score of any two members; 1 if two of them were not proven to be duplicates."""
    path: tuple[int, ...] = ()
    """With a diameter of 1: a chain of items from the one to keep to the member farthest from it; each is a duplicate
    of the item before it."""
    missing: tuple[int, ...] = ()
    """Items that were duplicates too, and whose files have vanished."""
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def _repr_html_(self) -> str:
        captions = [
            (item_id, f"item {item_id}" + (f", keep: {self.reason}" if item_id == self.keep else ""))
            for item_id in self.items
        ]
        return render_thumbnails(f"{len(self.items)} duplicates ({self.kind})", captions, self._pictures)


@dataclass(frozen=True, slots=True)
class Match(Record):
    """An item that a picture is a duplicate of."""

    item: int
    """The item's id."""
    key: str
    """The item's key."""
    uri: str | None
    """The item's first path or URI."""
    kind: str
    """same bytes, same pixels or same picture; or, of which neither replaces the other, inside another picture or photo
    of a print."""
    score: float
    """How certain it is that they show the same picture, 0 to 1."""
    evidence: Json = field(repr=False, hash=False)
    """The figures that prove it."""


@dataclass(frozen=True, slots=True)
class Move(Record):
    """One file that moves because another stays."""

    source: str
    """Where it was."""
    target: str
    """Where it goes."""
    kept: str
    """The file that stays."""
    done: bool = False
    """True if it was moved."""
    left: str = ""
    """Why it was not moved."""
    sidecar_of: str = ""
    """Where the picture was that this XMP file belongs to, and with which it moves; empty for a picture."""


@dataclass(frozen=True, slots=True)
class ItemValue(Record):
    """What an item says under a key."""

    item: int
    """The item's id."""
    value: Any = field(hash=False)
    """The value."""


@dataclass(frozen=True, slots=True)
class MergedValue(Record):
    """What becomes of a key of the item that is kept, when it takes over what its duplicates say."""

    key: str
    """A metadata key; or text, taken_at (with the time zone), place (latitude, longitude, altitude) or address."""
    rule: str
    """union, first, longest, earliest, greatest, own or ask; or the item that was chosen, such as "item 7"."""
    before: Any = field(hash=False)
    """What the item says; None if nothing."""
    after: Any = field(hash=False)
    """What it will say."""
    is_open: bool
    """True if the items differ, and a person has to choose first."""
    values: tuple[ItemValue, ...]
    """What each item says that says something."""


@dataclass(frozen=True, slots=True)
class Merge(Record):
    """What the item that is kept takes over from its duplicates."""

    keep: int
    """The item that is kept."""
    items: tuple[int, ...]
    """The items that it takes over from."""
    values: tuple[MergedValue, ...]
    """Of each key under which one of them says something."""
