"""Clusterings by name: a model that was fitted once, and where every item belongs by it.

Model and members lie in the catalogue: they can't be made again from items that have changed since. What follows is who
is in which cluster.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from indexers import plugins
from indexers.arrays import scale_to_unit
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import NearkinError
from indexers.followers.base import Follower
from indexers.followers.stored import FlatFollower
from indexers.naming.namer import Names
from indexers.tree.identity import carry_ids
from indexers.types import Change, ClusterEventRow, ClusteringRow, ClusterRow, Ids, ItemClusters, Json, Space, Vectors

log = logging.getLogger("nearkin")

SAMPLING_CLUSTERER = "sampled"
"""The clusterer that lets another one learn from chosen items."""
BLOCK = 8192
"""Items that are predicted at once."""


class FittedClustering(NamedTuple):
    """A model, and what it says of `items` (sorted) as of change `position`: `labels`, -1 where one is loose."""

    name: str
    method: str
    parameters: Json
    choice: Json
    model: Any
    items: Ids
    labels: Ids
    low: float
    """The similarity to the middle of their cluster that one in twenty does not reach."""
    position: int


class ClusteringFollower(Follower):
    """Keeps the members of all clusterings by name of one space."""

    name: ClassVar[str] = "named"

    def __init__(self, space: Space, flat: FlatFollower, namer: Names | None = None) -> None:
        super().__init__(space)
        self._flat, self._namer = flat, namer
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self._models: dict[tuple[int, int], Any] = {}

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        """Nothing is held here: `remember` goes by the positions in the catalogue."""

    def needs_record(self, snapshot: Snapshot) -> bool:
        rows = snapshot.clusterings.rows(self.space.id)
        return any(not snapshot.unchanged(row.position, self.space.id) for row in rows)

    def record(self, writing: Transaction) -> None:
        for row in writing.clusterings.rows(self.space.id):
            if writing.unchanged(row.position, self.space.id):
                continue
            try:
                self._follow(row, writing)
            except (NearkinError, ImportError) as error:
                log.warning("the clustering %r stays as of change %d: %s", row.name, row.position, error)

    def _follow(self, row: ClusteringRow, writing: Transaction) -> None:
        since = row.position if row.position >= writing.oldest else 0
        changes = writing.changes(since, self.space.id)
        there = np.array([one.item_id for one in changes if one.kind == "vector set"], np.int64)
        there = there[self._flat.index.has(there)]
        if since:
            gone = np.array([one.item_id for one in changes if one.kind == "vector removed"], np.int64)
        else:  # which ones have changed is no longer known: all that are there are looked at again
            gone = np.setdiff1d(writing.clusterings.membership(row.id).item_ids, there)
        items = np.concatenate([there, gone])
        before = writing.clusterings.labels(row.id, items)
        after = np.concatenate([self._clusters(row, writing, there), np.full(len(gone), -1)])
        moved = before != after
        here = moved & (after >= 0)
        writing.clusterings.place(row.id, items[here], after[here], writing.number)
        writing.clusterings.displace(row.id, items[moved & (after < 0)])
        sizes = writing.clusterings.sizes(row.id)
        happened = describe_changes(row.name, before[moved], after[moved], sizes, writing.number)
        writing.clusters.happened(self.space.id, happened)
        writing.clusterings.follow(row.id, writing.number)

    def _clusters(self, row: ClusteringRow, snapshot: Snapshot, items: Ids) -> Ids:
        """The public cluster of each of these items, as the model sees them."""
        if not len(items):
            return items
        model = self._models.get((row.id, row.since))
        if model is None:
            kind = plugins.load("nearkin.clusterers", SAMPLING_CLUSTERER if row.choice else row.method)
            model = self._models[row.id, row.since] = kind.from_bytes(snapshot.clusterings.model(row.id))
        return np.array([*row.labels, 0], np.int64)[predict_labels(model, items, self._flat)]

    def record_clustering(self, writing: Transaction, fitted: FittedClustering) -> None:
        """Write a clustering; under a name that is there already in its place, with the ids of the clusters that it
        still has."""
        row = writing.clusterings.named(fitted.name)
        old = writing.clusterings.membership(row.id) if row else _nobody()
        items = np.union1d(old.item_ids, fitted.items)
        before, after = np.zeros(len(items), np.int64), np.full(len(items), -1)
        before[np.searchsorted(items, old.item_ids)] = old.cluster_ids[:, 0]
        after[np.searchsorted(items, fitted.items)] = fitted.labels + 1
        found = carry_ids(before, after, writing.clusters.first_new(), fitted.name)
        labels = _public(after, found.labels)
        born = [ClusterRow(one, fitted.name, None, False, fitted.position) for one in found.born]
        writing.clusters.add(born)
        one = writing.clusterings.put(_row(row, fitted, labels, self.space.id, writing.at), fitted.model.to_bytes())
        here = after >= 0
        fresh = here & ~(np.isin(items, old.item_ids) & (before == found.labels))
        writing.clusterings.place(one, items[fresh], found.labels[fresh], fitted.position)
        writing.clusterings.displace(one, items[~here])
        writing.clusters.happened(self.space.id, [one._replace(change=fitted.position) for one in found.changes])
        if self._namer and born:
            member = ItemClusters(items[here], found.labels[here][:, None], items[here])
            for cluster, name in self._namer(writing, born, member, (fitted.name,)).items():
                writing.clusters.name(cluster, name, False)


def predict_labels(model: Any, items: Ids, flat: FlatFollower) -> Ids:
    """The model's label of each item, -1 where it is loose."""
    parts = [model.predict(read_vectors(flat, items[start : start + BLOCK])) for start in range(0, len(items), BLOCK)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def read_vectors(flat: FlatFollower, items: Ids) -> Vectors:
    """What a clusterer sees of items, float32 (n, dimension): directions, where similarity is the cosine."""
    found = flat.index.take(items)
    return scale_to_unit(found) if flat.space.metric == "cosine" else found


def describe_changes(name: str, before: Ids, after: Ids, sizes: dict[int, int], position: int) -> list[ClusterEventRow]:
    """What happened to the clusters between which items have moved (0: loose, -1: not there)."""
    found = []
    for one in np.unique(np.concatenate([before, after])):
        gained, lost = int(np.count_nonzero(after == one)), int(np.count_nonzero(before == one))
        if one > 0:
            size = sizes.get(int(one), 0)
            what = "died" if not size else "grew" if gained > lost else "shrank" if lost > gained else "changed"
            found.append(ClusterEventRow(int(one), name, what, (), gained, lost, size, position))
    return found


def _nobody() -> ItemClusters:
    nothing = np.empty(0, np.int64)
    return ItemClusters(nothing, nothing[:, None], nothing)


def _public(after: Ids, ids: Ids) -> list[int]:
    """The public id of each of the model's labels; 0 for one that no item has."""
    found = np.zeros(int(after.max(initial=0)), np.int64)
    inside = after > 0
    found[after[inside] - 1] = ids[inside]
    return found.tolist()


def _row(row: ClusteringRow | None, made: FittedClustering, labels: list[int], space: int, at: int) -> ClusteringRow:
    sizes = np.bincount(made.labels[made.labels >= 0], minlength=len(labels)).tolist()
    begun = {"items": len(made.items), "sizes": sizes, "low": made.low}
    return ClusteringRow(
        id=row.id if row else 0,
        space=space,
        name=made.name,
        method=made.method,
        parameters=made.parameters,
        choice=made.choice,
        labels=labels,
        begun=begun,
        since=made.position,
        made_at=at,
        position=made.position,
        written=row.written + 1 if row else 1,
    )
