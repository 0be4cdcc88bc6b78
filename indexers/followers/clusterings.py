"""Named clusterings: a model that was fitted once, and the cluster of every item according to it.

Model and members lie in the catalogue, since they can't be made again from items that have changed since. What follows
the changes is which item is in which cluster.
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
from indexers.errors import NearkinError, StoredFileDamaged
from indexers.followers.base import Follower
from indexers.followers.stored import FlatFollower
from indexers.naming.namer import ClusterNamer
from indexers.tree.identity import carry_ids
from indexers.types import Change, ClusterEventRow, ClusteringRow, ClusterRow, Ids, ItemClusters, Json, Space, Vectors

log = logging.getLogger("nearkin")

SAMPLING_CLUSTERER = "sampled"
"""The clusterer that lets another one learn from chosen items."""
BLOCK = 8192
"""Items that are predicted at once."""


class FittedClustering(NamedTuple):
    """A fitted model, and its `labels` of `items` (sorted) as of change `position`; -1 where an item is in no cluster.

    choice: how the items to learn from were chosen; empty: all of them.
    """

    name: str
    method: str
    parameters: Json
    choice: Json
    model: Any
    items: Ids
    labels: Ids
    low: float
    """The similarity to the centroid of their cluster that one item in twenty does not reach."""
    position: int


class ClusteringFollower(Follower):
    """Keeps the members of all named clusterings of one space up to date. All its state lies in the catalogue."""

    name: ClassVar[str] = "named"

    def __init__(self, space: Space, flat: FlatFollower, namer: ClusterNamer | None = None) -> None:
        super().__init__(space)
        self._flat, self.namer = flat, namer
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self._models: dict[tuple[int, int], Any] = {}

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        """Do nothing: `record` goes by the positions in the catalogue."""

    def needs_record(self, snapshot: Snapshot) -> bool:
        rows = snapshot.clusterings.rows(self.space.id)
        return any(not snapshot.is_unchanged(row.position, self.space.id) for row in rows)

    def record(self, transaction: Transaction) -> None:
        for row in transaction.clusterings.rows(self.space.id):
            if transaction.is_unchanged(row.position, self.space.id):
                continue
            try:
                self._advance_clustering(row, transaction)
            except (NearkinError, ImportError) as error:
                log.warning("the clustering %r stays as of change %d: %s", row.name, row.position, error)

    def _advance_clustering(self, row: ClusteringRow, transaction: Transaction) -> None:
        since = row.position if row.position >= transaction.oldest else 0
        changes = transaction.changes(since, self.space.id)
        changed = np.array([change.item_id for change in changes if change.kind == "vector set"], np.int64)
        changed = changed[self._flat.index.has(changed)]
        if since:
            removed = np.array([change.item_id for change in changes if change.kind == "vector removed"], np.int64)
        else:  # which items have changed is no longer known: all of them are predicted again
            removed = np.setdiff1d(transaction.clusterings.item_clusters(row.id).item_ids, changed)
        items = np.concatenate([changed, removed])
        before = transaction.clusterings.cluster_ids(row.id, items)
        after = np.concatenate([self._predict_clusters(row, transaction, changed), np.full(len(removed), -1)])
        moved = before != after
        placed = moved & (after >= 0)
        transaction.clusterings.assign(row.id, items[placed], after[placed], transaction.number)
        transaction.clusterings.unassign(row.id, items[moved & (after < 0)])
        sizes = transaction.clusterings.cluster_sizes(row.id)
        events = describe_changes(row.name, before[moved], after[moved], sizes, transaction.number)
        transaction.clusters.add_events(self.space.id, events)
        transaction.clusterings.set_position(row.id, transaction.number)

    def _predict_clusters(self, row: ClusteringRow, snapshot: Snapshot, items: Ids) -> Ids:
        """Return the public cluster of each item according to the model; 0 where it is in none."""
        if not len(items):
            return items
        model = self._models.get((row.id, row.since))
        if model is None:
            clusterer = plugins.load_member("nearkin.clusterers", SAMPLING_CLUSTERER if row.choice else row.method)
            model = self._models[row.id, row.since] = clusterer.from_bytes(snapshot.clusterings.model(row.id))
        try:
            return np.array([*row.labels, 0], np.int64)[predict_labels(model, items, self._flat)]
        except (ValueError, IndexError, AttributeError) as error:  # of a model that somebody has forged
            raise StoredFileDamaged(f"its model does not fit these items: {error}") from error

    def record_clustering(self, transaction: Transaction, fitted: FittedClustering) -> None:
        """Write a clustering. It replaces one of the same name, and clusters that stay the same keep their ids."""
        row = transaction.clusterings.find(fitted.name)
        old = transaction.clusterings.item_clusters(row.id) if row else _make_no_clusters()
        items = np.union1d(old.item_ids, fitted.items)
        before, after = np.zeros(len(items), np.int64), np.full(len(items), -1)
        before[np.searchsorted(items, old.item_ids)] = old.cluster_ids[:, 0]
        after[np.searchsorted(items, fitted.items)] = fitted.labels + 1
        carried = carry_ids(before, after, transaction.clusters.next_id(), fitted.name)
        labels = _find_public_ids(after, carried.cluster_ids)
        born = [ClusterRow(cluster_id, fitted.name, None, False, fitted.position) for cluster_id in carried.born]
        transaction.clusters.add(born)
        new_row = _make_row(row, fitted, labels, self.space.id, transaction.at)
        clustering_id = transaction.clusterings.put(new_row, fitted.model.to_bytes())
        present = after >= 0
        moved = present & ~(np.isin(items, old.item_ids) & (before == carried.cluster_ids))
        transaction.clusterings.assign(clustering_id, items[moved], carried.cluster_ids[moved], fitted.position)
        transaction.clusterings.unassign(clustering_id, items[~present])
        events = [change._replace(change=fitted.position) for change in carried.events]
        transaction.clusters.add_events(self.space.id, events)
        if self.namer and born:
            item_clusters = ItemClusters(items[present], carried.cluster_ids[present][:, None], items[present])
            for cluster_id, name in self.namer(transaction, born, item_clusters, (fitted.name,)).items():
                transaction.clusters.set_name(cluster_id, name, False)


def predict_labels(model: Any, items: Ids, flat: FlatFollower) -> Ids:
    """Return the model's label of each item, -1 where it is in no cluster."""
    parts = [model.predict(read_vectors(flat, items[start : start + BLOCK])) for start in range(0, len(items), BLOCK)]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def read_vectors(flat: FlatFollower, items: Ids) -> Vectors:
    """Return the vectors of items as clusterers see them, float32 (n, dimension): of unit length in a cosine space."""
    vectors = flat.index.take(items)
    return scale_to_unit(vectors) if flat.space.metric == "cosine" else vectors


def describe_changes(name: str, before: Ids, after: Ids, sizes: dict[int, int], position: int) -> list[ClusterEventRow]:
    """Return what happened to the clusters between which items have moved.

    before, after: int64 (n,), the public clusters of the items that moved; 0 where an item is in none, -1 where it is
    not in the collection. sizes: items of each cluster afterwards.
    """
    changes = []
    for cluster_id in np.unique(np.concatenate([before, after])):
        gained, lost = int(np.count_nonzero(after == cluster_id)), int(np.count_nonzero(before == cluster_id))
        if cluster_id > 0:
            size = sizes.get(int(cluster_id), 0)
            event = "died" if not size else "grew" if gained > lost else "shrank" if lost > gained else "changed"
            changes.append(ClusterEventRow(int(cluster_id), name, event, (), gained, lost, size, position))
    return changes


def _make_no_clusters() -> ItemClusters:
    nothing = np.empty(0, np.int64)
    return ItemClusters(nothing, nothing[:, None], nothing)


def _find_public_ids(after: Ids, cluster_ids: Ids) -> list[int]:
    """Return the public id of each of the model's labels; 0 for a label that no item has."""
    public_ids = np.zeros(int(after.max(initial=0)), np.int64)
    inside = after > 0
    public_ids[after[inside] - 1] = cluster_ids[inside]
    return public_ids.tolist()


def _make_row(
    row: ClusteringRow | None, fitted: FittedClustering, labels: list[int], space_id: int, made_at: int
) -> ClusteringRow:
    """Return the row of a clustering; `row` is the one that it replaces."""
    sizes = np.bincount(fitted.labels[fitted.labels >= 0], minlength=len(labels)).tolist()
    begun = {"items": len(fitted.items), "sizes": sizes, "low": fitted.low}
    return ClusteringRow(
        id=row.id if row else 0,
        space=space_id,
        name=fitted.name,
        method=fitted.method,
        parameters=fitted.parameters,
        choice=fitted.choice,
        labels=labels,
        begun=begun,
        since=fitted.position,
        made_at=made_at,
        position=fitted.position,
        written=row.written + 1 if row else 1,
    )
