"""The records about families of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from indexers.types import Ids, Json
from retrieval.records.base import Record, Table
from retrieval.records.items import Page


def nobody() -> Ids:
    return np.empty(0, np.int64)


class Gathering(Record):
    """Shared by what has items that are fetched when they are asked for."""

    __slots__ = ()
    _members: Ids
    _page: Callable[[Ids, int, int], Page] | None

    def items(self, page: int = 1, size: int = 100) -> Page:
        """Its items, those nearest to its middle first; `cursor` of the answer is the next page, if there is one."""
        assert self._page is not None
        return self._page(self._members, page, size)

    @property
    def members(self) -> tuple[int, ...]:
        """The ids of all its items, sorted."""
        return tuple(self._members.tolist())


@dataclass(frozen=True, slots=True)
class Cluster(Gathering):
    """A family of pictures. `id`: public, and lasting (None for a cluster of an ad hoc cut that is none of the three
    levels'). `name`: a person's if `given`, else what its members say. `parent`, `children`: clusters of the coarser
    and the finer level. `medoid`: the item nearest to all others; `representatives`: it and up to eight more that cover
    the rest. `tightness`: mean similarity of two members. `new`: how many came lately."""

    id: int | None
    name: str | None
    size: int
    level: str | None
    parent: int | None
    children: tuple[int, ...]
    medoid: int
    representatives: tuple[int, ...]
    tightness: float
    new: int = 0
    given: bool = False
    born: int | None = None
    """The change at which it came up."""
    _members: Ids = field(default_factory=nobody, repr=False, compare=False)
    _page: Callable[[Ids, int, int], Page] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, repr=False)
class Clusters(Record, Table, Sequence[Cluster]):
    """Clusters, the largest first. `loose`: items in none of them. `as_of`: the change that they follow."""

    clusters: tuple[Cluster, ...]
    level: str | None
    loose: int
    as_of: int

    def __len__(self) -> int:
        return len(self.clusters)

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self.clusters)

    @overload
    def __getitem__(self, place: int) -> Cluster: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Cluster, ...]: ...
    def __getitem__(self, place: int | slice) -> Cluster | tuple[Cluster, ...]:
        return self.clusters[place]

    def __repr__(self) -> str:
        largest = "".join(f"\n  {one.size:>7}  {one.name or 'unnamed'} (id {one.id})" for one in self.clusters[:5])
        more = f"\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"<{len(self)} clusters, {self.loose} loose items, as of change {self.as_of}{largest}{more}>"


@dataclass(frozen=True, slots=True)
class Drift(Record):
    """How far a collection has gone from what a clustering was made of.

    `new`: the share of its items that came or changed since. `gone`: the share of those of then that are not there any
    more. `shift`: how differently items are spread over clusters, 0 to 1 (the Jensen-Shannon distance of then and now).
    `strange`: the share of the new items that fit their clusters worse than 19 of 20 did then, so about .05 where
    nothing has changed; None where nothing is new.
    """

    new: float
    gone: float
    shift: float
    strange: float | None


@dataclass(frozen=True, slots=True)
class NamedClustering(Record):
    """A clustering that somebody asked for. `clusters(level=name)` gives its clusters. `made_at`, `change`: when it was
    made, or made anew; `as_of`: the change that its members follow."""

    name: str
    method: str
    parameters: Json
    choice: Json
    """How the items that it learned from were chosen; empty: all."""
    space: str
    clusters: int
    items: int
    loose: int
    made_at: str
    change: int
    as_of: int
    drift: Drift


@dataclass(frozen=True, slots=True)
class Partition(Gathering):
    """A cluster of the second clustering, mini-batch k-means: every item is in just one. `id` stays with it as it
    moves. The rest as of Cluster."""

    id: int
    size: int
    medoid: int
    representatives: tuple[int, ...]
    tightness: float
    _members: Ids = field(default_factory=nobody, repr=False, compare=False)
    _page: Callable[[Ids, int, int], Page] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class ClusterEvent(Record):
    """What happened to a cluster: born, grew, shrank, changed (as many came as went), split, merged, died; or, with
    cluster None, levels changed. `others`: what it split into, was born from, took in or died into."""

    change: int
    cluster: int | None
    what: str
    others: tuple[int, ...]
    level: str | None
    gained: int
    lost: int
    size: int
    name: str | None


@dataclass(frozen=True, slots=True)
class Loose(Record):
    """An item that is in no cluster of a level. `nearest`: the cluster whose middle it is most similar to, and how."""

    item: int
    key: str
    uri: str | None
    nearest: int | None
    similarity: float


@dataclass(frozen=True, slots=True)
class Outlier(Record):
    """An item that fits nowhere. `score`: mean similarity to its nearest neighbours."""

    item: int
    key: str
    uri: str | None
    score: float
    nearest: int | None
    reason: str
