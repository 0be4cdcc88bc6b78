"""The answers of a search"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from indexers.types import Json
from retrieval.records.base import Record, Table
from retrieval.records.clusters import Cluster

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class Hit(Record):
    """One answer to a search. `score`: larger is nearer (cosine similarity, or a negated distance)."""

    item: int
    key: str
    score: float
    uri: str | None
    metadata: Json
    clusters: tuple[int, ...] = ()
    """Public ids of the clusters it lies in, coarse to fine."""
    text: str | None = None
    """What was said of it, or its words where it is a text."""


@dataclass(frozen=True, slots=True, repr=False)
class Hits(Record, Table, Sequence[Hit]):
    """The answer to a search: hits, best first. `as_of`: the change number of the catalogue that it belongs to.
    `groups`: where asked for, the clusters that they lie in."""

    hits: tuple[Hit, ...]
    as_of: int
    groups: tuple[Group, ...] = ()

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[place]

    def __repr__(self) -> str:
        best = "".join(f"\n  {hit.score:+.4f}  {hit.item:>7}  {hit.uri or hit.key}" for hit in self.hits[:5])
        more = f"\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"<{len(self)} hits as of change {self.as_of}{best}{more}>"


@dataclass(frozen=True, slots=True)
class Group(Record):
    """A cluster that was found, with its best hits. `cluster` None: hits that are loose."""

    cluster: Cluster | None
    hits: tuple[Hit, ...]
