"""The neighbour graph and the cluster tree of a space, in one file with one position; public clusters in the catalogue.

The tree may be thrown away and made again, but the clusters of its three levels may not: after each update `record`
carries their ids over to the sets of items that they have become, and writes which items moved and what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import StoredFileDamaged, UsageError
from indexers.followers.stored import FlatFollower, IndexFollower, StoredFollower
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.corrections import correct_levels
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.identity import carry_ids, find_touched
from indexers.tree.level_cut import LevelCut, LevelLabels
from indexers.tree.level_parameters import LevelParameters
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.types import LEVELS, Change, ClusterEventRow, ClusterRow, Ids, ItemClusters, Space, TreeLevels, Vectors
from indexers.vectors.searcher import Searcher

FORMAT = 2
BLOCK = 4096
"""Items whose neighbours are searched for at once."""

NO_CLUSTERS = ItemClusters(NO_INTS, np.empty((0, len(LEVELS)), np.int64), NO_INTS)
UNKNOWN = -2
"""The number of a cluster that is not known."""

Namer = Callable[[Snapshot, Sequence[ClusterRow], ItemClusters], dict[int, str]]


class Recorded(NamedTuple):
    """What was recorded last.

    version: of the catalogue's clusters; None of another space's. clusters: those of each item. labels: int32 (3, n),
    the numbers that the cut had given them, by which it is told which items may have moved; UNKNOWN if they are not
    known.
    """

    version: tuple[int, int] | None
    clusters: ItemClusters
    labels: NDArray[np.int32]

    @classmethod
    def of(cls, version: tuple[int, int] | None, clusters: ItemClusters) -> Recorded:
        """Return clusters of whose cut nothing is known."""
        return cls(version, clusters, np.full((len(LEVELS), len(clusters.item_ids)), UNKNOWN, np.int32))

    def align(self, items: Ids) -> Recorded:
        """Return the same for `items`, which are all of these and more: -1 is what is known of the others."""
        part, cluster_ids, since = self.clusters
        if len(items) == len(part):
            return self
        cluster_ids, since = _align(cluster_ids.T, part, items).T, _align(since[None], part, items)[0]
        clusters = ItemClusters(items, np.ascontiguousarray(cluster_ids), since)
        return Recorded(self.version, clusters, _align(self.labels, part, items))


class TreeFollower(StoredFollower):
    """The neighbour graph and the cluster tree over it.

    It searches in the flat file and the index of its space, which come before it in the order of followers.
    """

    name: ClassVar[str] = "tree"
    changes_worth_saving = 200
    limit: ClassVar[int] = 1000
    """The number of nodes from which on all pairs are compared."""

    def __init__(
        self,
        space: Space,
        flat: FlatFollower,
        index: IndexFollower | None,
        folder: Path,
        collection: str,
        namer: Namer | None = None,
        private: Path | None = None,
    ) -> None:
        details = {"format": FORMAT, "dimension": space.dimension, "metric": space.metric, "limit": self.limit}
        super().__init__(space, "tree", folder, collection, details, private)
        self._flat, self._index, self._namer = flat, index, namer
        self._searcher: Searcher | None = None
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self.graph, self.tree = NeighbourGraph(), ClusterTree(self.space.dimension, self.limit)
        self._applied = 0  # the change up to which the catalogue needs a record
        self._rebuilt, self._restarted, self._may_differ = False, False, False
        self._recorded: Recorded | None = None
        self._cut: LevelCut | None = None  # what the last record has left

    def restart(self) -> None:
        """Empty graph and tree, and let the levels be chosen again."""
        self.reset()
        self._restarted = True

    # ---- changes

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        changed = np.array([change.item_id for change in changes if change.kind == "vector set"], np.int64)
        removed = np.array([change.item_id for change in changes if change.kind == "vector removed"], np.int64)
        changed, removed = changed[self._flat.index.has(changed)], removed[self.tree.items.has(removed)]
        vectors = self._flat.index.take(changed)
        edges = self.graph.update(removed, RoundedVectors(self.tree, changed, vectors), self._find_neighbours)
        self.tree.update(changed, vectors, removed, edges.new, edges.gone)
        self._rebuilt = self._rebuilt or self.position == 0
        self._applied = snapshot.number

    def _find_neighbours(self, items: Ids, count: int) -> tuple[Ids, Vectors]:
        searcher = self._share_searcher()
        count = min(count, len(self._flat.index))
        ids, scores = np.empty((len(items), count), np.int64), np.empty((len(items), count), np.float32)
        for start in range(0, len(items), BLOCK):
            part = slice(start, start + BLOCK)
            neighbours = searcher.search(self._flat.index.take(items[part]), count, metric="cosine")
            ids[part], scores[part] = neighbours.ids, neighbours.scores
        return ids, scores

    def _share_searcher(self) -> Searcher:
        """Return the searcher of the files as they are now: what it has learnt of their vectors serves again."""
        flat, index = self._flat.index, self._index.index if self._index else None
        if self._searcher is None or self._searcher.flat is not flat or self._searcher.index is not index:
            self._searcher = Searcher(flat, index)
        return self._searcher

    def measure_recall(self) -> float:
        """Return the share of places that are right in a sample of the lists of the graph."""
        vectors = RoundedVectors(self.tree, np.empty(0, np.int64), np.empty((0, self.space.dimension)))
        return self.graph.measure_recall(vectors)

    # ---- the record in the catalogue

    def needs_record(self, snapshot: Snapshot) -> bool:
        recorded = snapshot.clusters.tree_levels(self.space.id)
        is_older = recorded is None or recorded.position < self._applied
        if is_older or (self._rebuilt and not self.is_private) or self._restarted:
            return True
        return recorded is not None and recorded.corrections != snapshot.corrections.version()

    def differs_from_record(self, snapshot: Snapshot) -> bool:
        recorded = snapshot.clusters.tree_levels(self.space.id)
        if recorded is None or recorded.position > self.position or self.is_private:
            return False  # what is only derived for one user changes nobody's clusters
        if self._may_differ and self._applied <= recorded.position:
            self._may_differ = False
            self._rebuilt = self._rebuilt or bool(self._find_other_clusters(snapshot, recorded))
        return self._rebuilt

    def record(self, transaction: Transaction) -> None:
        before = transaction.clusters.tree_levels(self.space.id)
        if before and before.position > self.position:
            return  # what another process has written is newer
        levels = self._choose_levels(before)._replace(corrections=transaction.corrections.version())
        labels = self._update_levels(levels.levels, transaction)
        old, present = self._read_clusters_before(transaction, before), self.tree.items.ids()
        items = _merge_sorted(present, old.clusters.item_ids)
        old = old.align(items)
        cluster_ids, places, events, born = self._carry_levels(transaction, old, _align(labels, present, items))
        if not before:  # compared with clusters of another space: no news, and none of this space are recorded yet
            events = [event for event in events if event.kind == "born"]
            old, places = Recorded.of(None, NO_CLUSTERS).align(items), np.arange(len(items))
        if before and before.levels != levels.levels:
            events.insert(0, ClusterEventRow(None, None, "levels changed"))
        elif before and self._rebuilt and not self._restarted and events:
            events.insert(0, ClusterEventRow(None, None, "rebuilt"))
        transaction.clusters.add(born)
        current = self._write_moves(transaction, old.clusters, cluster_ids, places, present)
        events = [event._replace(change=self.position) for event in events]
        transaction.clusters.add_events(self.space.id, events)
        transaction.clusters.set_tree_levels(self.space.id, levels)
        self._name_clusters(transaction, born, current)
        self._rebuilt = self._restarted = self._may_differ = False
        version = levels.position, transaction.clusters.last_event_id()
        self._recorded = Recorded(version, current, labels)

    def recall_item_clusters(self, version: tuple[int, int] | None) -> ItemClusters | None:
        """Return the clusters of each item as this process recorded them at `version`; None if it did not."""
        return self._recorded.clusters if self._recorded and self._recorded.version == version else None

    def _update_levels(self, levels: tuple[float, float, float], snapshot: Snapshot) -> NDArray[np.int32]:
        """Cut into levels again what changed since the last record: return what `cut_levels` does, (3, n)."""
        kept, self._cut = self._cut, None  # what stops half-way is made anew
        parameters = LevelParameters(*levels)
        if kept is None or kept.levels != parameters:
            kept = LevelCut(parameters)
        labels = np.stack(self.cut_levels(levels, snapshot, kept), dtype=np.int32, casting="unsafe")
        self._cut = kept
        return labels

    def _name_clusters(self, transaction: Transaction, born: Sequence[ClusterRow], current: ItemClusters) -> None:
        """Name new clusters, and after a restart all that no person has named."""
        if self._restarted:
            rows = transaction.clusters.rows(np.unique(current.cluster_ids[current.cluster_ids > 0]).tolist())
            born = [row for row in rows.values() if not row.named_by_person]
        if self._namer and born:
            for cluster_id, name in self._namer(transaction, born, current).items():
                transaction.clusters.set_name(cluster_id, name, False)

    def _choose_levels(self, before: TreeLevels | None) -> TreeLevels:
        """Return the levels chosen before.

        They are chosen again if they never were, if items have doubled since, or after a restart.
        """
        count = len(self.tree)
        outgrown = before is not None and (
            count >= max(2 * before.item_count, 1) or self.tree.has_outgrown(LevelParameters(*before.levels))
        )
        if before and not outgrown and not self._restarted:
            return before._replace(position=self.position)
        chosen = self.tree.choose_levels(self.graph.link_items)
        return TreeLevels(self.position, (chosen.coarse, chosen.medium, chosen.fine), count, self.position)

    def _read_clusters_before(self, transaction: Transaction, before: TreeLevels | None) -> Recorded:
        """Return the clusters recorded last; of a new space those of another space, whose ids carry over by items."""
        if before:
            version = transaction.clusters_version(self.space.id)
            if self._recorded and self._recorded.version == version:
                return self._recorded
            return Recorded.of(version, _read_known_clusters(transaction, self.space.id))
        alike = {row.id for row in (*transaction.spaces(), *transaction.part_spaces()) if row.parts == self.space.parts}
        clustered = [space_id for space_id in transaction.clusters.clustered_space_ids() if space_id in alike]
        spaces = [space_id for space_id in clustered if space_id == transaction.current_space_id] or clustered
        return Recorded.of(None, _read_known_clusters(transaction, spaces[0]) if spaces else NO_CLUSTERS)

    def cut_levels(
        self, levels: tuple[float, float, float], snapshot: Snapshot, kept: LevelCut | None = None
    ) -> LevelLabels:
        """Cut into levels, and correct them as people said.

        Return for each of `tree.items.ids()` a number above 0 for its cluster; 0 if in none.
        kept: an earlier cut of this tree by these levels, so that only what changed is cut again.
        """
        labels = self.tree.cut_levels(LevelParameters(*levels), self.graph.link_items, kept)
        corrections = [row for row in snapshot.corrections.rows() if row.kind != "hide"]
        take = self._flat.index.take
        return correct_levels(labels, self.tree.items.ids(), corrections, self.tree.make_piece_finder(), take)

    def cut_into(self, levels: tuple[float, float, float] | None, count: int) -> Ids:
        """Cut into so many clusters: return for each of `tree.items.ids()` a number above 0; 0 if in none.

        levels: as chosen; None: they are chosen. There are fewer if so many have not MIN_CLUSTER_SIZE items.
        """
        link = self.graph.link_items
        parameters = LevelParameters(*levels) if levels else self.tree.choose_levels(link)
        return self.tree.cut_into(parameters, count, link)

    def cut_clusters(self, threshold: float) -> Ids:
        """Cut at a similarity: return for each of `tree.items.ids()` its cluster's node + 1; 0 where it is in none."""
        nodes = self.tree.cut(threshold=threshold).nodes
        return np.where(np.bincount(nodes)[nodes] >= MIN_CLUSTER_SIZE, nodes + 1, 0) if len(nodes) else nodes

    def _carry_levels(
        self, transaction: Transaction, old: Recorded, labels: NDArray[np.int32]
    ) -> tuple[NDArray[np.int64], Ids, list[ClusterEventRow], list[ClusterRow]]:
        """Return the public cluster of each item on each level, int64 (n, 3), the places of those items whose clusters
        may be others than before, what happened, and the new clusters."""
        cluster_ids = np.maximum(old.clusters.cluster_ids, 0)
        is_touched = np.zeros(len(cluster_ids), bool)
        events: list[ClusterEventRow] = []
        born: list[ClusterRow] = []
        next_id = transaction.clusters.next_id()
        ended = np.array(transaction.clusters.ended_ids(self.space.id), np.int64)
        for column, level in enumerate(LEVELS):
            touched = find_touched(old.labels[column], labels[column])
            after = labels[column, touched].astype(np.int64)
            carried = carry_ids(cluster_ids[touched, column], after, next_id, level, ended)
            cluster_ids[touched, column], is_touched[touched] = carried.cluster_ids, True
            events += carried.events
            born += [ClusterRow(cluster_id, level, None, False, self.position) for cluster_id in carried.born]
            next_id += len(carried.born)
        return cluster_ids, np.flatnonzero(is_touched), events, born

    def _write_moves(
        self, transaction: Transaction, old: ItemClusters, cluster_ids: NDArray[np.int64], places: Ids, present: Ids
    ) -> ItemClusters:
        """Write which items at these places moved, and which are gone; return the clusters of those present."""
        items, differs = old.item_ids, cluster_ids[places] != old.cluster_ids[places]
        is_present = np.ones(len(items), bool) if len(items) == len(present) else self.tree.items.has(items)
        transaction.clusters.unassign(self.space.id, items[~is_present])
        since = old.since.copy()
        since[places[differs[:, 1]]] = self.position
        moved = places[differs.any(1) & is_present[places]]
        transaction.clusters.assign(self.space.id, items[moved], cluster_ids[moved], since[moved])
        if len(items) == len(present):
            return ItemClusters(items, cluster_ids, since)
        return ItemClusters(present, cluster_ids[is_present], since[is_present])

    def find_contradictions(self, snapshot: Snapshot) -> list[str]:
        """Return where graph, tree, recorded clusters and catalogue differ; all must be at the snapshot's moment."""
        catalogued = np.array([change.item_id for change in snapshot.changes(0, self.space.id)], np.int64)
        problems = []
        for name, items in (("graph", self.graph.items()), ("tree", self.tree.items.ids())):
            if not np.array_equal(items, catalogued):
                problems.append(f"the {name} holds {len(items)} items, the catalogue {len(catalogued)}")
        recorded = snapshot.clusters.tree_levels(self.space.id)
        item_clusters = snapshot.clusters.item_clusters(self.space.id)
        if problems or recorded is None or recorded.position != self.position:
            return problems
        if not np.array_equal(item_clusters.item_ids, catalogued):
            count = len(item_clusters.item_ids)
            return [f"{count} items have recorded clusters, the catalogue holds {len(catalogued)}"]
        if self._rebuilt or (self.is_private and not self._recorded):
            return []  # clusters that are not recorded yet, or were by another user's tree
        return self._find_other_clusters(snapshot, recorded)

    def _find_other_clusters(self, snapshot: Snapshot, recorded: TreeLevels) -> list[str]:
        """Return which levels of the tree have other clusters than are recorded."""
        item_clusters, problems = snapshot.clusters.item_clusters(self.space.id), []
        if not np.array_equal(item_clusters.item_ids, self.tree.items.ids()):
            return ["the recorded clusters are not those of the tree's items"]
        if recorded.corrections != snapshot.corrections.version():
            return []  # not recorded yet
        cut = self.cut_levels(recorded.levels, snapshot)
        for column, level in enumerate(LEVELS):
            pairs = np.unique(np.stack([cut[column], item_clusters.cluster_ids[:, column]]), axis=1)
            if len(np.unique(pairs[0])) < pairs.shape[1] or len(np.unique(pairs[1])) < pairs.shape[1]:
                problems.append(f"the recorded {level} clusters are not those of the tree")
        return problems

    # ---- the file

    def write(self, path: Path) -> None:
        arrays = {f"graph_{name}": array for name, array in self.graph.to_arrays().items()}
        arrays |= {f"tree_{name}": array for name, array in self.tree.to_arrays().items()}
        with open(path, "xb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    def read(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        parts = {
            kind: {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}
            for kind in ("graph_", "tree_")
        }
        try:
            self.graph, self.tree = NeighbourGraph.from_arrays(parts["graph_"]), ClusterTree.from_arrays(parts["tree_"])
        except (KeyError, UsageError) as error:
            raise StoredFileDamaged(f"{path} does not hold a tree of this version: {error}") from error

    def load(self, snapshot: Snapshot) -> str | None:
        reason = super().load(snapshot)
        self._applied = self.position
        recorded = snapshot.clusters.tree_levels(self.space.id)
        self._may_differ = recorded is not None and recorded.position > self.position
        return reason


def _read_known_clusters(transaction: Transaction, space_id: int) -> ItemClusters:
    """Return the recorded clusters of each item; 0 for ids that no cluster ever had: tables are as long as the largest
    id, and whoever wrote the catalogue may have written any."""
    item_clusters, next_id = transaction.clusters.item_clusters(space_id), transaction.clusters.next_id()
    ids = item_clusters.cluster_ids
    return item_clusters._replace(cluster_ids=np.where((ids > 0) & (ids < next_id), ids, 0))


def _align(values: NDArray[Any], part: Ids, items: Ids) -> NDArray[Any]:
    """Return values of some items, (m, part), for all of them, (m, items), both sorted: -1 for the others."""
    if len(part) == len(items):
        return values
    aligned = np.full((len(values), len(items)), -1, values.dtype)
    is_first = np.array_equal(items[: len(part)], part)  # mostly: new items have the largest ids
    aligned[:, slice(len(part)) if is_first else np.searchsorted(items, part)] = values
    return aligned


def _merge_sorted(left: Ids, right: Ids) -> Ids:
    """Return the union of two sorted sets, sorted."""
    if np.array_equal(left[: len(right)], right):
        return left
    items = np.sort(np.concatenate([left, right]), kind="stable")  # of two sorted parts it is only a merge
    return items[np.append(True, items[1:] != items[:-1])] if len(items) else items
