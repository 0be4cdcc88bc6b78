"""Pairs and groups of duplicates, and moves of their files"""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Json
from retrieval.records.base import Record


@dataclass(frozen=True, slots=True)
class Pair(Record):
    """Two items that were compared. `score`: how sure it is that they are the same picture, 0 to 1."""

    a: int
    b: int
    kind: str
    score: float
    evidence: Json = field(repr=False)


def differs(pair: Pair, keep: int) -> list[str]:
    """What was done to the copy, as seen from the one to keep. (The evidence says it of b, as seen from a.)"""
    other_way = {"brighter": "darker", "darker": "brighter"} if pair.b == keep else {}
    return [other_way.get(word, word) for word in pair.evidence.get("differs", ())]


@dataclass(frozen=True, slots=True)
class DuplicateGroup(Record):
    """Copies of one picture. `id` depends on their contents alone. `keep`: which to keep, `reason`: why. `pairs`: what
    is proven between members. `weakest`: the lowest score among them, which `weakest_pair` has. `diameter`: 1 - the
    lowest score of any two members, 1 if some two were not found to be copies of each other; then `path` leads, from
    copy to copy, from the one to keep to the member that is farthest from it."""

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


@dataclass(frozen=True, slots=True)
class Match(Record):
    """An item that a picture is a copy of."""

    item: int
    key: str
    uri: str | None
    kind: str
    score: float
    evidence: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Move(Record):
    """One file: `source` goes to `target`, because `kept` stays. `done`: it was moved; `left`: why it is left alone."""

    source: str
    target: str
    kept: str
    done: bool = False
    left: str = ""
