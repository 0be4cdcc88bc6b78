"""The cluster tree of a living collection: average-linkage agglomeration over a neighbour graph, kept up to date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.errors import UsageError
from indexers.tree import cuts
from indexers.tree import persistence as saved
from indexers.tree.fixed_point import SCALE
from indexers.tree.leaves import TreeChange, apply_change, check_change
from indexers.tree.levels import LevelThresholds, choose_levels
from indexers.tree.state import TreeState
from indexers.tree.update import Update


@dataclass(frozen=True)
class UpdateResult:
    """What came out different in an update.

    born: int64, nodes whose set of items existed at no place of the tree before. died: uint64, the content hashes of
    the sets that no longer exist (their node numbers may be in use again). looked: nodes whose links were looked at,
    rounds counted separately.
    """

    born: Ints
    died: NDArray[np.uint64]
    examined: int


@dataclass(frozen=True)
class Cut:
    """items: int64 ids, sorted. node: int64, the cluster of each, by its topmost node."""

    items: Ints
    nodes: Ints


class ClusterTree(TreeState):
    """Items become *leaves* (one per distinct rounded vector) and leaves are joined in rounds with falling thresholds:
    every node links to its most similar neighbour if that is at least the threshold, and within each group of linked
    nodes exact average linkage merges whatever is at least that similar (`groups`). The tree is binary and its heights
    fall towards the root, so that it can be cut at any similarity or count. From the first round of at most `limit`
    nodes on it is exact average linkage among all of them.

    `update` keeps the tree equal, node for node and round for round, to one built at once over the same vectors and
    edges (`update` says how). Nodes are numbered; a number stays with a set of items while that set is a node that
    takes part in rounds, and is used again later. `content` names a set of items for good.

    dimension: of the vectors. limit: nodes from which on all pairs are compared.
    """

    def __len__(self) -> int:
        """Items."""
        return len(self.items.ids())

    def __repr__(self) -> str:
        leaves = int(self.rounds.counts[0])
        return f"ClusterTree({self.dimension}, limit={self.limit}): {len(self)} items, {leaves} leaves"

    def update(
        self,
        added: ArrayLike = (),
        vectors: ArrayLike | None = None,
        removed: ArrayLike = (),
        new_pairs: ArrayLike = (),
        gone_pairs: ArrayLike = (),
    ) -> UpdateResult:
        """Items come, go and change, and so do edges of the neighbour graph.

        added: ids, (n,), below 2^31; one that is there already gets another vector. vectors: (n, dimension), of any
        length; a zero vector has similarity 0 to everything. removed: ids. new_pairs, gone_pairs: (m, 2), undirected
        edges between items, each named once. The edges of an item that is removed must all be named as gone. So must
        those of an item whose vector is replaced; those that it has afterwards are new.

        Raises UsageError (BadVector for vectors) before anything is changed.
        """
        ids = np.asarray(added, np.int64).ravel()
        change = TreeChange(
            ids,
            np.asarray(np.empty((0, self.dimension)) if vectors is None else vectors),
            np.asarray(removed, np.int64).ravel(),
            np.asarray(new_pairs, np.int64).reshape(-1, 2),
            np.asarray(gone_pairs, np.int64).reshape(-1, 2),
        )
        check_change(self.items, self.dimension, change)
        leaves = apply_change(self.nodes, self.items, change)
        work = Update(self.nodes, self.groups, self.crown, self.rounds, self.limit)
        work.run(leaves)
        created = np.concatenate([NO_INTS, *work.created])
        died = work.died
        born_content, died_content = self.nodes.content[created], self.nodes.content[died]
        result = UpdateResult(
            created[~np.isin(born_content, died_content)],
            died_content[~np.isin(died_content, born_content)],
            work.looked,
        )
        work.commit()
        self.rounds = work.rounds
        return result

    # ---- reading ----------------------------------------------------------------------------------------------------

    def cut(self, threshold: float | None = None, count: int | None = None) -> Cut:
        """Cut at a similarity, or into a number of clusters (as near as leaves and separate parts allow).

        A similarity is that of two merged nodes, averaged over all pairs of their items; but never more than the
        threshold of the round before, so that heights fall towards the root.
        """
        if (threshold is None) == (count is None):
            raise UsageError(f"threshold is {threshold} and count {count}; give one of the two")
        if count is not None and count < 1:
            raise UsageError(f"count is {count}; a cut has at least one cluster")
        nodes = self.nodes
        taken = (
            cuts.select_merges_at(nodes, threshold)
            if threshold is not None
            else cuts.select_merges_for_count(nodes, count or 1)
        )
        items = self.items.ids()
        return Cut(items, cuts.find_tops(nodes, taken)[self.items.leaf[items]])

    def find_threshold(self, count: int) -> float:
        """A similarity at which a cut has the number of clusters of at least five items (what people count) that is
        nearest to `count`; of several the one from which it is farthest to the next merge."""
        return cuts.find_threshold(self.nodes, count)

    def choose_levels(self) -> LevelThresholds:
        """Similarities that suit people, chosen from the tree as it is now; see levels.levels."""
        return choose_levels(self.nodes)

    def members(self, node: int) -> Ints:
        """The items of a node, sorted."""
        return self.items.in_leaves(cuts.find_leaves(self.nodes, node))

    def merges(self) -> Ints:
        """All merges, most similar first, children before parents: node numbers."""
        return cuts.order_merges(self.nodes)

    def children(self, node: int) -> tuple[int, int] | None:
        """The two halves of a merge; none for a leaf."""
        left, right = int(self.nodes.left[node]), int(self.nodes.right[node])
        return (left, right) if left >= 0 else None

    def parent(self, node: int) -> int | None:
        above = int(self.nodes.parent[node])
        return above if above >= 0 else None

    def roots(self) -> Ints:
        """The topmost nodes: one, unless more than `limit` parts have no edge between them."""
        there = self.nodes.size[: self.nodes.used] > 0
        return np.flatnonzero(there & (self.nodes.parent[: self.nodes.used] < 0))

    def sizes(self, nodes: ArrayLike) -> Ints:
        """Items of each node."""
        return self.nodes.size[np.asarray(nodes, np.int64)]

    def heights(self, nodes: ArrayLike) -> NDArray[np.float64]:
        """The similarity at which each node came together, 1 for a leaf."""
        return self.nodes.height[np.asarray(nodes, np.int64)]

    def contents(self, nodes: ArrayLike) -> NDArray[np.uint64]:
        """A hash of the items of each node, the same wherever and whenever the same vectors are together."""
        return self.nodes.content[np.asarray(nodes, np.int64)]

    def sums(self, nodes: ArrayLike) -> NDArray[np.float64]:
        """The sum of the unit vectors of each node's items, exact in units of 1/4000, (n, dimension)."""
        found = np.empty((len(np.atleast_1d(np.asarray(nodes))), self.dimension))
        for place, node in enumerate(np.atleast_1d(np.asarray(nodes, np.int64)).tolist()):
            kept = cuts.find_summed_nodes(self.nodes, node)
            found[place] = self.nodes.sums.get(self.nodes.row[kept], "f8").sum(0)
        return found / SCALE

    # ---- keeping ----------------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The tree as plain arrays, vectors included."""
        return saved.collect_arrays(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ClusterTree:
        """A tree as `state` gave it. Raises UsageError for another format."""
        about = arrays["about"]
        if int(about[0]) != saved.FORMAT:
            raise UsageError(f"the tree's format is {int(about[0])}, this program reads {saved.FORMAT}; build it anew")
        tree = cls(int(about[1]), int(about[2]))
        saved.restore_tree(tree, arrays)
        return tree

    @property
    def nbytes(self) -> dict[str, int]:
        """Memory: `vectors` (the leaves', in fixed point), `graph` (leaf lists), and the `tree` itself."""
        return saved.count_bytes(self)
