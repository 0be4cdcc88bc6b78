"""Pairs and groups of duplicates, and moves of their files."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Json
from retrieval.records.base import Record
from retrieval.records.notebook import render_thumbnails
from retrieval.records.pictures import PictureSource


@dataclass(frozen=True, slots=True)
class Pair(Record):
    """Two items that were compared. `score`: how certain it is that they show the same picture, 0 to 1."""

    a: int
    b: int
    kind: str
    score: float
    evidence: Json = field(repr=False)


def list_differences(pair: Pair, keep: int) -> list[str]:
    """Return what was done to the duplicate, seen from the one to keep. (The evidence tells it of b, seen from a.)"""
    opposite = {"brighter": "darker", "darker": "brighter"} if pair.b == keep else {}
    return [opposite.get(word, word) for word in pair.evidence.get("differs", ())]


@dataclass(frozen=True, slots=True)
class DuplicateGroup(Record):
    """Duplicates of one picture.

    `id` depends on their contents alone. `keep`: the item to keep, `reason`: why. `pairs`: what is proven between
    members. `weakest`: the lowest score among them, which `weakest_pair` has. `diameter`: 1 - the lowest score of any
    two members, 1 if two of them were not proven to be duplicates; then `path` leads, from duplicate to duplicate,
    from the item to keep to the member that is farthest from it.
    """

    id: int
    kind: str
    items: tuple[int, ...]
    keep: int
    reason: str
    pairs: tuple[Pair, ...]
    weakest: float
    weakest_pair: tuple[int, int] | None = None
    diameter: float = 0.0
    path: tuple[int, ...] = ()
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False)

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
    key: str
    uri: str | None
    kind: str
    score: float
    evidence: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Move(Record):
    """One file: `source` goes to `target`, because `kept` stays. `done`: it was moved; `left`: why it was not."""

    source: str
    target: str
    kept: str
    done: bool = False
    left: str = ""
