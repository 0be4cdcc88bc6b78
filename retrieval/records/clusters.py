"""The records about clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from indexers.errors import UsageError
from indexers.types import Ids, Json
from retrieval.records.base import HANDLE, Listing, Record
from retrieval.records.items import Item, Page
from retrieval.records.notebook import render_thumbnails
from retrieval.records.parts import Part, PartPage
from retrieval.records.pictures import PictureSource

Pager = Callable[[Ids, int, int], Page]
"""Takes members, page and size, and returns that page of items."""
PartPager = Callable[[Ids, int, int], PartPage]
"""Takes parts, page and size, and returns that page of parts."""


def no_items() -> Ids:
    """Return an empty array of item ids."""
    return np.empty(0, np.int64)


NOT_CONNECTED = (
    "this cluster is not connected to an open collection (it was built by hand, or unpickled), so it can't read its "
    "{}; read it again with `collection.cluster(id)`, or `collection.partitions()`"
)


class MemberList(Record):
    """Shared by clusters and partitions: items that are read when they are asked for."""

    __slots__ = ()
    size: int
    representatives: tuple[int, ...]
    _members: Ids
    _pager: Pager | None
    _pictures: PictureSource | None

    def items(self, page: int = 1, size: int = 100) -> Page:
        """Return a page of its items, those nearest to its mean first; `cursor` is the number of the next page.

        Of a cluster of parts, these are the items that hold its parts, each once.
        """
        if self._pager is None:
            raise UsageError(NOT_CONNECTED.format("items"))
        return self._pager(self._members, page, size)

    def walk(self, size: int = 500) -> Iterator[Item]:
        """Yield each of its items once, those nearest to its mean first, reading `size` of them at a time.

        Items may come and go meanwhile: those that slip from one page to another are yielded at the end.
        """
        seen: set[int] = set()
        while True:
            moments, before = set(), len(seen)
            page: int | None = 1
            while page is not None:
                rows = self.items(page, size)
                moments.add(rows.as_of)
                fresh = [item for item in rows if item.id not in seen]
                seen.update(item.id for item in fresh)
                yield from fresh
                page = rows.cursor
            if len(moments) == 1 or len(seen) == before:  # nothing changed during this pass, or it found nothing new
                return

    @property
    def members(self) -> tuple[int, ...]:
        """The ids of all its items, or of its parts, sorted."""
        return tuple(self._members.tolist())

    def _repr_html_(self) -> str:
        word = "item" if getattr(self, "of", None) is None else "part"
        captions = [(member_id, f"{word} {member_id}") for member_id in self.representatives]
        return render_thumbnails(self._title(), captions, self._pictures)

    def _title(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Cluster(MemberList):
    """A cluster of pictures, or of parts of pictures."""

    id: int | None
    """The id, which the cluster keeps; None for a cluster of a cut that is in none of the levels."""
    name: str | None
    """The name that a person gave it, else an automatic one."""
    size: int
    """The number of its items, or parts."""
    level: str | None
    """The level or the clustering that it belongs to."""
    parent: int | None
    """The cluster of the coarser level that it is part of."""
    children: tuple[int, ...]
    """The clusters of the finer level that it consists of."""
    medoid: int
    """The item nearest to all others; of a cluster of parts, the id of the part."""
    representatives: tuple[int, ...]
    """The medoid and up to eight more items, or parts, that cover the rest."""
    tightness: float
    """The mean similarity of two members."""
    new: int = 0
    """The number of items, or parts, that were added since the last update, or since the change number `since`."""
    given: bool = False
    """True if a person gave it the name."""
    born: int | None = None
    """The change at which it was created."""
    hidden: bool = False
    """True if a person hid it."""
    of: str | None = None
    """The kind of the parts that it holds, such as "regions"; None: it holds items. Medoid, representatives and members
    of a cluster of parts are ids of parts, which are never those of items."""
    _members: Ids = field(default_factory=no_items, repr=False, compare=False)
    _pager: Pager | None = field(default=None, repr=False, compare=False, metadata=HANDLE)
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)
    _part_pager: PartPager | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def parts(self, page: int = 1, size: int = 100) -> PartPage:
        """Return a page of its parts, each with its item and its box, those nearest to its mean first; `cursor` is the
        number of the next page. Raises UsageError for a cluster of items."""
        if self.of is None:
            raise UsageError(f"cluster {self.id} holds items; `collection.parts(item)` lists the parts of one")
        if self._part_pager is None:
            raise UsageError(NOT_CONNECTED.format("parts"))
        return self._part_pager(self._members, page, size)

    def _title(self) -> str:
        level = f" of {self.level}" if self.level else ""
        named = f"cluster {self.id if self.id is not None else ''}{level}: {self.name or 'unnamed'}"
        return f"{named}, {self.size} {self.of or 'items'}"


@dataclass(frozen=True, slots=True, repr=False)
class Clusters(Listing[Cluster]):
    """Clusters, the largest first."""

    clusters: tuple[Cluster, ...]
    """The clusters, the largest first."""
    level: str | None
    """The level or the clustering; None for a cut."""
    loose: int
    """The number of items, or parts, that are in none of them."""
    as_of: int
    """The change number that they follow."""
    note: str = ""
    """Why they are not what was asked for: fewer than `count`, the same on two levels, or by direction in a space where
    the length of vectors counts too. Usually empty."""
    of: str | None = None
    """The kind of the parts that are clustered; None: items."""

    def _rows(self) -> tuple[Cluster, ...]:
        return self.clusters

    def __repr__(self) -> str:
        largest = "".join(
            f"\n  {cluster.size:>7}  {cluster.name or 'unnamed'} (id {cluster.id})" for cluster in self.clusters[:5]
        )
        more = f"\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        note = f"\n  {self.note}" if self.note else ""
        loose = f"{self.loose} loose {self.of or 'items'}"
        return f"<{len(self)} clusters, {loose}, as of change {self.as_of}{largest}{more}{note}>"

    def _repr_html_(self) -> str:
        captions = [(cluster.medoid, cluster._title()) for cluster in self.clusters[:24]]
        title = f"{len(self)} clusters, {self.loose} loose {self.of or 'items'}, as of change {self.as_of}"
        return render_thumbnails(title, captions, self.clusters[0]._pictures if self.clusters else None)


@dataclass(frozen=True, slots=True)
class Correction(Record):
    """What a person said of clusters."""

    decision: int
    """The decision's id, for `undo`."""
    kind: str
    """merge, split, move, together, apart or hide."""
    level: str
    """The level of the clusters that it is about."""
    groups: tuple[tuple[int, ...], ...] = field(repr=False)
    """The ids of the items, or parts, that it is about: of each cluster merged, each group of a split, both that are
    kept apart; of a move those moved and those of the cluster."""
    clusters: tuple[int, ...]
    """The clusters that it names, by their ids then: both of a merge, the one that was split, moved to or hidden."""
    at: str
    """When it was made, in UTC (ISO 8601)."""
    exception: str
    """What of it does not hold, and why; usually empty."""
    of: str | None = None
    """The kind of the parts that it is about; None: it is about items."""


@dataclass(frozen=True, slots=True)
class Drift(Record):
    """How far a collection has drifted from what a clustering was fitted to."""

    new: float
    """The share of the current items that were added or changed since then."""
    gone: float
    """The share of the items at that time that no longer exist."""
    shift: float
    """How much the distribution of items over clusters has changed, 0 to 1 (Jensen-Shannon distance)."""
    strange: float | None
    """The share of the new items that fit their cluster worse than 19 of 20 items did when it was fitted: about .05 if
    new items are like the old ones; None if there are no new items."""


@dataclass(frozen=True, slots=True)
class NamedClustering(Record):
    """A named clustering. `clusters(level=name)` returns its clusters."""

    name: str
    """The name, by which `level` finds it."""
    method: str
    """The clustering algorithm."""
    parameters: Json = field(hash=False)
    """The parameters of the algorithm."""
    choice: Json = field(hash=False)
    """How the items for the fit were chosen; empty: all items."""
    space: str
    """The space whose vectors it was fitted to."""
    clusters: int
    """The number of its clusters."""
    items: int
    """The number of its items."""
    loose: int
    """The number of items that are in none of its clusters."""
    made_at: str
    """When it was fitted last, ISO 8601."""
    change: int
    """The change number at which it was fitted last."""
    as_of: int
    """The change number that its members follow."""
    drift: Drift
    """How far the collection has drifted since it was fitted."""


@dataclass(frozen=True, slots=True)
class Partition(MemberList):
    """A cluster of mini-batch k-means: every item is in exactly one."""

    id: int
    """Stays with it as it moves. Ids of clusters are others."""
    size: int
    """The number of its items."""
    medoid: int
    """The item nearest to all others."""
    representatives: tuple[int, ...]
    """The medoid and up to eight more items that cover the rest."""
    tightness: float
    """The mean similarity of two members."""
    _members: Ids = field(default_factory=no_items, repr=False, compare=False)
    _pager: Pager | None = field(default=None, repr=False, compare=False, metadata=HANDLE)
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def _title(self) -> str:
        return f"partition {self.id}: {self.size} items"


AnyCluster = int | str | Cluster | Partition
"""A cluster by its id, its name, or as a record."""
SomeClusters = AnyCluster | Iterable[AnyCluster] | None
"""One cluster, several, or no restriction to clusters."""


@dataclass(frozen=True, slots=True)
class ClusterEvent(Record):
    """Something that happened to a cluster."""

    change: int
    """The change number."""
    cluster: int | None
    """The cluster's id; None where levels changed or all clusters were rebuilt."""
    what: str
    """born (created), grew, shrank, changed (as many items were added as removed), split, merged, died (removed);
    levels changed; or rebuilt: the tree was lost and built again, which may be the cause of the events that follow."""
    others: tuple[int, ...]
    """Other clusters of this event: those that it split into, was split off from, absorbed or was merged into."""
    level: str | None
    """The cluster's level."""
    gained: int
    """The number of items that were added to it."""
    lost: int
    """The number of items that left it."""
    size: int
    """The number of its items afterwards."""
    name: str | None
    """The cluster's name."""


@dataclass(frozen=True, slots=True)
class Loose(Record):
    """An item, or a part of one, that is in no cluster of a level."""

    item: int
    """The item's id."""
    key: str
    """The item's key."""
    uri: str | None
    """The item's first path or URI."""
    nearest: int | None
    """The cluster with the most similar centroid."""
    similarity: float
    """The similarity to that centroid."""
    part: Part | None = None
    """The part of the item, if parts were asked for."""


@dataclass(frozen=True, slots=True)
class Outlier(Record):
    """An item, or a part of one, that is not similar to any other."""

    item: int
    """The item's id."""
    key: str
    """The item's key."""
    uri: str | None
    """The item's first path or URI."""
    score: float
    """The mean similarity to its nearest neighbours."""
    nearest: int | None
    """The most similar item; of a part, the item that holds the most similar part."""
    reason: str
    """Why it is an outlier."""
    part: Part | None = None
    """The part of the item, if parts were asked for."""
