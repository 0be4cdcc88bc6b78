"""The cluster tree of a living collection: average-linkage agglomeration over a neighbour graph, kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.errors import UsageError
from indexers.tree import cuts, levels, persistence
from indexers.tree.branches import Branches
from indexers.tree.fixed_point import SCALE
from indexers.tree.leaves import TreeChange, apply_change, check_change
from indexers.tree.level_cut import LevelCut, LevelLabels
from indexers.tree.level_parameters import LevelParameters
from indexers.tree.splits import find_pieces
from indexers.tree.state import TreeState
from indexers.tree.update import Update
from indexers.tree.walks import LinkFinder, LinkLists, link_leaves

ItemLinker = Callable[[int], LinkLists]
"""Returns so many links of each distinct vector; the leaves are named by an item of each."""


@dataclass(frozen=True)
class UpdateResult:
    """What is different after an update.

    born: int64, nodes whose set of items was nowhere in the tree before. died: uint64, the content hashes of the sets
    that no longer exist (their node numbers may be in use again). examined: nodes whose links were examined, counted
    once per round.
    """

    born: Ints
    died: NDArray[np.uint64]
    examined: int


@dataclass(frozen=True)
class Cut:
    """The clusters at one height of the tree. items: int64 ids, sorted. nodes: int64, the topmost node of the cluster
    of each."""

    items: Ints
    nodes: Ints


class ClusterTree(TreeState):
    """Average-linkage clusters over a neighbour graph, as a binary tree that can be cut at any similarity or count.

    Items become *leaves* (one per distinct rounded vector), and leaves are joined in rounds with falling thresholds:
    every node links to its most similar neighbour if that is at least the threshold, and within each group of linked
    nodes exact average linkage merges whatever is at least that similar (`groups`). Heights fall towards the root. From
    the first round of at most `limit` nodes on it is exact average linkage among all of them. If more than `limit` are
    left that no edge joins, each of these parts gets edges to the `PART_NEIGHBOURS` most similar ones, and thresholds
    fall anew (`rounds`).

    `update` keeps the tree equal, node for node and round for round, to one built at once over the same vectors and
    edges (the module `update` says how). Nodes are numbered; a number stays with a set of items for as long as that set
    is a node that takes part in rounds, and is used again later. `contents` identifies a set of items for good.

    dimension: of the vectors. limit: the number of nodes from which on all pairs are compared.
    """

    def __len__(self) -> int:
        """Return the number of items."""
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
        """Add, remove and change items, and edges of the neighbour graph; return what is different.

        added: ids, (n,), below 2^31; an item that is in the tree gets another vector.
        vectors: (n, dimension), of any length; a zero vector has similarity 0 to everything.
        removed: ids.
        new_pairs, gone_pairs: (m, 2), undirected edges between items, each named once. The edges of a removed item must
            all be named as gone. So must those of an item whose vector is replaced; its edges afterwards are new.

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
        update = Update(self.nodes, self.groups, self.crown, self.rounds, self.parts, self.limit)
        update.run(leaves)
        created = np.concatenate([NO_INTS, *update.created])
        died = update.dead_slots
        born_content, died_content = self.nodes.content[created], self.nodes.content[died]
        result = UpdateResult(
            created[~np.isin(born_content, died_content)],
            died_content[~np.isin(died_content, born_content)],
            update.examined,
        )
        update.commit()
        self.rounds = update.rounds
        return result

    # ---- reading ----------------------------------------------------------------------------------------------------

    def cut(self, threshold: float | None = None, count: int | None = None) -> Cut:
        """Cut the tree at a similarity, or into a number of clusters (as near as leaves and separate parts allow).

        The similarity of a merge is averaged over all pairs of items of the two nodes, but is never more than that of
        the merges within them or the threshold of the round before: heights fall towards the root. Raises UsageError.
        """
        if (threshold is None) == (count is None):
            raise UsageError(f"threshold is {threshold} and count {count}; give one of the two")
        if count is not None and count < 1:
            raise UsageError(f"count is {count}; a cut has at least one cluster")
        nodes = self.nodes
        merges = (
            cuts.select_merges_at(nodes, threshold)
            if threshold is not None
            else cuts.select_merges_for_count(nodes, count or 1)
        )
        items = self.items.ids()
        return Cut(items, cuts.find_tops(nodes, merges)[self.items.leaf[items]])

    def choose_levels(self, link_items: ItemLinker | None = None) -> LevelParameters:
        """Return parameters of levels that suit people, chosen from the tree as it is now; see `levels`.

        link_items: without it, the neighbours that the tree has edges to are compared.
        """
        return levels.choose_levels(self.nodes, self._make_link_finder(link_items))

    def has_outgrown(self, parameters: LevelParameters) -> bool:
        """Return True if the parameters were chosen for far fewer items than there are now."""
        return levels.has_outgrown(self.nodes, parameters)

    def cut_levels(
        self, parameters: LevelParameters, link_items: ItemLinker | None = None, kept: LevelCut | None = None
    ) -> LevelLabels:
        """Return the cluster of each of all items on each level, a number above 0; 0 where it is in none.

        kept: what an earlier cut of this tree by the same parameters and links has left, so that only what changed
        since is cut again.
        """
        leaf = self.items.leaf[self.items.ids()].astype(np.int64)
        cut = levels.cut_levels(self.nodes, parameters, self._make_link_finder(link_items), kept)
        return LevelLabels(cut.coarse[leaf], cut.medium[leaf], cut.fine[leaf])

    def cut_into(self, parameters: LevelParameters, count: int, link_items: ItemLinker | None = None) -> Ints:
        """Return the cluster of each of all items of a cut into so many, above 0; 0 where it is in none.

        Only clusters of at least five items count, as people count them; if there are not so many, all that there are.
        """
        leaf = self.items.leaf[self.items.ids()]
        return levels.cut_into(self.nodes, parameters, count, self._make_link_finder(link_items))[leaf]

    def make_piece_finder(self) -> Callable[[Sequence[Ints]], Ints]:
        """Return a function of groups of items, for the tree as it is: for each of all items it returns its piece, a
        number: the largest branch with items of one group at most."""
        leaf, branches = self.items.leaf, cache(lambda: Branches(self.nodes))

        def find(groups: Sequence[Ints]) -> Ints:
            pieces = find_pieces(branches(), [leaf[group].astype(np.int64) for group in groups])
            found: Ints = pieces[leaf[self.items.ids()]]
            return found

        return find

    def cut_medium(self) -> Cut:
        """Return the clusters of medium, chosen from the tree as it is now; those of few items are clusters, too."""
        items = self.items.ids()
        return Cut(items, levels.find_medium(self.nodes, self._make_link_finder(None))[self.items.leaf[items]])

    def _make_link_finder(self, link_items: ItemLinker | None) -> LinkFinder:
        def find_links(nearest: int) -> LinkLists:
            if link_items is None:
                return link_leaves(self.nodes, nearest)
            links = link_items(nearest)
            return links._replace(leaf=np.where(links.leaf >= 0, self.items.leaf[links.leaf], -1))

        return find_links

    def members(self, node: int) -> Ints:
        """Return the ids of the items of a node, sorted."""
        return self.items.in_leaves(cuts.find_leaves(self.nodes, node))

    def merges(self) -> Ints:
        """Return the nodes that are merges, the most similar first and children before parents."""
        return cuts.order_merges(self.nodes)

    def children(self, node: int) -> tuple[int, int] | None:
        """Return the two nodes that a merge joined; None for a leaf."""
        left, right = int(self.nodes.left[node]), int(self.nodes.right[node])
        return (left, right) if left >= 0 else None

    def parent(self, node: int) -> int | None:
        """Return the merge that a node is part of; None for a root."""
        parent = int(self.nodes.parent[node])
        return parent if parent >= 0 else None

    def roots(self) -> Ints:
        """Return the topmost node; none of an empty tree."""
        is_node = self.nodes.size[: self.nodes.used] > 0
        return np.flatnonzero(is_node & (self.nodes.parent[: self.nodes.used] < 0))

    def sizes(self, nodes: ArrayLike) -> Ints:
        """Return the number of items of each node."""
        return self.nodes.size[np.asarray(nodes, np.int64)]

    def heights(self, nodes: ArrayLike) -> NDArray[np.float64]:
        """Return the least similarity at which a node and those within it were merged, 1 for a leaf."""
        return cuts.find_heights(self.nodes)[np.asarray(nodes, np.int64)]

    def contents(self, nodes: ArrayLike) -> NDArray[np.uint64]:
        """Return a hash of the vectors of each node's items, which depends on nothing else."""
        return self.nodes.content[np.asarray(nodes, np.int64)]

    def sums(self, nodes: ArrayLike) -> NDArray[np.float64]:
        """Return the sum of the unit vectors of each node's items, exact in units of 1/4000, (n, dimension)."""
        sums = np.empty((len(np.atleast_1d(np.asarray(nodes))), self.dimension))
        for place, node in enumerate(np.atleast_1d(np.asarray(nodes, np.int64)).tolist()):
            sums[place] = self.nodes.add_up(node)
        return sums / SCALE

    # ---- the state as arrays ----------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the tree as plain arrays, vectors included."""
        return persistence.collect_arrays(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ClusterTree:
        """Return the tree that `to_arrays` described. Raises UsageError for another format."""
        about = arrays["about"]
        if int(about[0]) != persistence.FORMAT:
            raise UsageError(
                f"the tree's format is {int(about[0])}, this version reads {persistence.FORMAT}; build the tree again"
            )
        tree = cls(int(about[1]), int(about[2]))
        persistence.restore_tree(tree, arrays)
        return tree

    @property
    def nbytes(self) -> dict[str, int]:
        """The bytes in memory: `vectors` (those of the leaves), `graph` (their neighbours), and the `tree` itself."""
        return persistence.count_bytes(self)
