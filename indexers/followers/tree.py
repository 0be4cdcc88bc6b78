"""Graph and tree of a space in one file with one position; public clusters in the catalogue.

The tree may be thrown away and made again, the clusters of its three levels may not: after each update `remember`
carries their ids over to the sets that they have become, and writes who moved and what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import Transaction
from indexers.errors import StoredFileDamaged, UsageError
from indexers.followers.stored import FlatFollower, IndexFollower, StoredFollower
from indexers.tree.cluster_tree import ClusterTree
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.fixed_point import compute_fingerprints, round_vectors
from indexers.tree.identity import carry_ids
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.types import LEVELS, Change, ClusterEventRow, ClusterRow, Ids, ItemClusters, Space, TreeLevels, Vectors
from indexers.vectors.searcher import Searcher

FORMAT = 1
BLOCK = 4096
SETTLED = 1000
"""Items from which on levels stay as they were chosen; before, they are chosen again whenever items have doubled."""

Namer = Callable[[Snapshot, Sequence[ClusterRow], ItemClusters], dict[int, str]]


class TreeFollower(StoredFollower):
    """The neighbour graph and the cluster tree over it. It searches in the flat file and the index of its space, which
    come before it in the order of followers."""

    name: ClassVar[str] = "tree"
    changes_worth_saving: ClassVar[int] = 200
    limit: ClassVar[int] = 1000
    """Nodes from which on all pairs are compared."""

    def __init__(
        self,
        space: Space,
        flat: FlatFollower,
        index: IndexFollower | None,
        folder: Path,
        collection: str,
        namer: Namer | None = None,
    ) -> None:
        details = {"format": FORMAT, "dimension": space.dimension, "metric": space.metric, "limit": self.limit}
        super().__init__(space, "tree", folder, collection, details)
        self._flat, self._index, self._namer = flat, index, namer
        self.reset()

    def reset(self) -> None:
        self.position = 0
        self.graph, self.tree = NeighbourGraph(), ClusterTree(self.space.dimension, self.limit)
        self._due, self._made, self._renewed = 0, False, False
        self._known: tuple[TreeLevels, ItemClusters] | None = None

    def restart(self) -> None:
        """Make graph and tree anew, and choose the levels again."""
        self.reset()
        self._renewed = True

    # ---- following

    def apply(self, changes: Sequence[Change], snapshot: Snapshot) -> None:
        renewed = self._renewed
        there = np.array([one.item_id for one in changes if one.kind == "vector set"], np.int64)
        gone = np.array([one.item_id for one in changes if one.kind == "vector removed"], np.int64)
        there, gone = there[self._flat.index.has(there)], gone[self.tree.items.has(gone)]
        vectors = self._flat.index.take(there)
        pairs = self.graph.update(gone, there, compute_fingerprints(round_vectors(vectors)), self._find)
        self.tree.update(there, vectors, gone, pairs.new, pairs.gone)
        self._made = self._made or self.position == 0
        self._renewed, self._due = renewed, snapshot.number

    def _find(self, items: Ids, count: int) -> tuple[Ids, Vectors]:
        searcher = Searcher(self._flat.index, self._index.index if self._index else None)
        count = min(count, len(self._flat.index))
        ids, scores = np.empty((len(items), count), np.int64), np.empty((len(items), count), np.float32)
        for start in range(0, len(items), BLOCK):
            part = slice(start, start + BLOCK)
            found = searcher.search(self._flat.index.take(items[part]), count, metric=searcher.native_metric)
            ids[part], scores[part] = found.ids, found.scores
        return ids, scores

    # ---- remembering

    def needs_record(self, snapshot: Snapshot) -> bool:
        there = snapshot.clusters.clustering(self.space.id)
        return there is None or there.position < self._due or self._made or self._renewed

    def record(self, writing: Transaction) -> None:
        before = writing.clusters.clustering(self.space.id)
        if before and before.position > self.position:
            return  # what another process has written is newer
        levels = self._levels(before)
        old = self._remembered(writing, before)
        items = _united(self.tree.items.ids(), old.item_ids)
        labels, changes, born = self._carried(writing, old, items, levels)
        if before and before.levels != levels.levels:
            changes.insert(0, ClusterEventRow(None, None, "levels changed"))
        writing.clusters.add(born)
        now = self._written(writing, items, labels, old if before else None)
        writing.clusters.happened(self.space.id, [one._replace(change=self.position) for one in changes])
        writing.clusters.set_clustering(self.space.id, levels)
        self._name(writing, born, now)
        self._made = self._renewed = False
        self._known = levels, now

    def find_assignment(self, clustering: TreeLevels | None) -> ItemClusters | None:
        """The clusters of each item as of then, if they are in memory."""
        return self._known[1] if self._known and self._known[0] == clustering else None

    def _name(self, writing: Transaction, born: Sequence[ClusterRow], now: ItemClusters) -> None:
        """New clusters, and when all is made anew those too that no person has named."""
        if self._renewed:
            known = writing.clusters.rows(np.unique(now.cluster_ids[now.cluster_ids > 0]).tolist())
            born = [row for row in known.values() if not row.named_by_person]
        if self._namer and born:
            for one, name in self._namer(writing, born, now).items():
                writing.clusters.name(one, name, False)

    def _levels(self, before: TreeLevels | None) -> TreeLevels:
        """As they were chosen; anew if they never were, among far fewer items, or when asked to."""
        count = len(self.tree)
        grown = before is not None and before.item_count < SETTLED and count >= max(2 * before.item_count, 1)
        if before and not grown and not self._renewed:
            return before._replace(position=self.position)
        found = self.tree.choose_levels()
        return TreeLevels(self.position, (found.coarse, found.medium, found.fine), count, self.position)

    def _remembered(self, writing: Transaction, before: TreeLevels | None) -> ItemClusters:
        """The clusters of before; of a new space those of another one, by the items that they share."""
        if before:
            return self.find_assignment(before) or writing.clusters.membership(self.space.id)
        others = writing.clusters.clustered()
        first = [one for one in others if one == writing.space] or others
        if first:
            return writing.clusters.membership(first[0])
        return ItemClusters(np.empty(0, np.int64), np.empty((0, len(LEVELS)), np.int64), np.empty(0, np.int64))

    def cut_clusters(self, threshold: float) -> Ids:
        """The cluster of each item (of `tree.items.ids()`) at a cut, by its node + 1; 0 where it is loose."""
        node = self.tree.cut(threshold=threshold).nodes
        return np.where(np.bincount(node)[node] >= MIN_CLUSTER_SIZE, node + 1, 0) if len(node) else node

    def _carried(
        self, writing: Transaction, old: ItemClusters, items: Ids, levels: TreeLevels
    ) -> tuple[NDArray[np.int64], list[ClusterEventRow], list[ClusterRow]]:
        here = self.tree.items.ids()
        labels = np.zeros((len(items), len(LEVELS)), np.int64)
        changes: list[ClusterEventRow] = []
        born: list[ClusterRow] = []
        next_id = writing.clusters.first_new()
        for place, level in enumerate(LEVELS):
            before, after = np.zeros(len(items), np.int64), np.full(len(items), -1)
            before[np.searchsorted(items, old.item_ids)] = old.cluster_ids[:, place]
            after[np.searchsorted(items, here)] = self.cut_clusters(levels.levels[place])
            found = carry_ids(before, after, next_id, level)
            labels[:, place] = found.labels
            changes += found.changes
            born += [ClusterRow(one, level, None, False, self.position) for one in found.born]
            next_id += len(found.born)
        if not writing.clusters.clustering(self.space.id):  # compared with those of another space: no news
            changes = [one for one in changes if one.kind == "born"]
        return labels, changes, born

    def _written(
        self, writing: Transaction, items: Ids, labels: NDArray[np.int64], known: ItemClusters | None
    ) -> ItemClusters:
        """Write who moved; the membership of now."""
        here = self.tree.items.has(items)
        since = np.full(len(items), self.position)
        fresh = np.ones(len(items), bool)
        if known is not None:
            place = np.searchsorted(items, known.item_ids)
            stays = labels[place, 1] == known.cluster_ids[:, 1]
            since[place[stays]] = known.since[stays]
            fresh[place] = (labels[place] != known.cluster_ids).any(1)
            writing.clusters.displace(self.space.id, items[place[~here[place]]])
        moved = fresh & here
        writing.clusters.place(self.space.id, items[moved], labels[moved], since[moved])
        return ItemClusters(items[here], labels[here], since[here])

    def find_contradictions(self, snapshot: Snapshot) -> list[str]:
        """Where graph, tree and remembered clusters don't hold the same; all are at the snapshot's moment."""
        want = np.array([one.item_id for one in snapshot.changes(0, self.space.id)], np.int64)
        found = []
        for name, have in (("graph", self.graph.items()), ("tree", self.tree.items.ids())):
            if not np.array_equal(have, want):
                found.append(f"the {name} holds {len(have)} items, the catalogue {len(want)}")
        there = snapshot.clusters.clustering(self.space.id)
        member = snapshot.clusters.membership(self.space.id)
        if found or there is None or there.position != self.position:
            return found
        if not np.array_equal(member.item_ids, want):
            return [f"clusters are remembered of {len(member.item_ids)} items, the catalogue holds {len(want)}"]
        for place, level in enumerate(LEVELS):
            nodes, labels = self.cut_clusters(there.levels[place]), member.cluster_ids[:, place]
            pairs = np.unique(np.stack([nodes, labels]), axis=1)
            if len(np.unique(pairs[0])) < pairs.shape[1] or len(np.unique(pairs[1])) < pairs.shape[1]:
                found.append(f"the remembered clusters of {level} are not those of the tree")
        return found

    # ---- keeping

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
            raise StoredFileDamaged(f"{path} is not a tree of this version: {error}") from error

    def load(self, snapshot: Snapshot) -> str | None:
        reason = super().load(snapshot)
        self._due = self.position
        return reason


def _united(one: Ids, other: Ids) -> Ids:
    """All of two sorted sets, sorted."""
    if np.array_equal(one, other):
        return one
    both = np.sort(np.concatenate([one, other]), kind="stable")  # two sorted parts: nothing but a merge
    return both[np.append(True, both[1:] != both[:-1])] if len(both) else both
