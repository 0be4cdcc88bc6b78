"""The three levels of a tree, kept up to date: what an update of the tree left as it was is not cut again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array
from indexers.tree.branches import Branches
from indexers.tree.coarse import ClusterSums, CutTree, join_clusters
from indexers.tree.codes import describe_nodes, find_seldom_left, find_strangers, split_clusters
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.level_parameters import LevelParameters
from indexers.tree.nodes import Nodes
from indexers.tree.walks import LinkFinder, Walk, find_root
from indexers.tree.ward import MOST
from indexers.types import LEVELS

FEW = 8
"""Clusters of medium below which coarse is medium."""


class LevelLabels(NamedTuple):
    """The cluster of each leaf on each level, int64 by slot: a number above 0; 0 where it is in none.

    The number tells the cluster's leaf of the smallest key, so that it mostly stays while items come and go.
    """

    coarse: Ints
    medium: Ints
    fine: Ints


class Paint:
    """A value of each leaf, that of its node among the tops of a cut.

    values: int64 by slot; only those of leaves are meant.
    """

    def __init__(self) -> None:
        self.values = NO_INTS
        self._tops, self._value_of = NO_INTS, NO_INTS  # by slot, of what was painted last; -1 of all else

    def update(self, walk: Walk, tops: Ints, values: Ints) -> Ints:
        """Paint the leaves of these tops; not those of a node that had that value before and in which nothing changed.

        values: int64, at least 0. Returns the values of all leaves by slot.
        """
        used = len(walk.is_fresh)
        if used > len(self.values):
            self.values = grow_array(self.values, used * 9 // 8)
            self._value_of = grow_array(self._value_of, used * 9 // 8, -1)
        is_new = (self._value_of[tops] != values) | walk.is_fresh[tops]
        self._value_of[self._tops] = -1
        self._value_of[tops], self._tops = values, tops
        self.values[walk.find_leaves(tops[is_new])] = np.repeat(values[is_new], walk.count[tops[is_new]])
        return self.values


class LevelCut:
    """A cut of a tree by these parameters.

    walk: what is known of the tree's links; none that another cut updates. tops: int64, the slots of the nodes of
    medium, those of few items, too. above: int64, all merges above them.
    """

    def __init__(self, levels: LevelParameters, walk: Walk | None = None) -> None:
        self.levels, self.walk = levels, walk or Walk()
        self.tops = self.above = NO_INTS
        self._weight: float | None = None  # bits of a step out of a cluster
        self._best, self._is_split = np.zeros(0, np.int64), np.zeros(0, bool)  # by slot
        self._lowest = np.ones(0)  # by slot, the least similarity of the merges within
        self._whole = NO_INTS  # clusters before strangers leave them
        self._strange = self._stranger_of = NO_INTS  # merges at which strangers came, and the cluster of each
        self._is_known = np.zeros(0, bool)  # by slot, the nodes of medium that were such before and did not change
        self._parts = self._part_of = NO_INTS  # those of clusters that fine takes apart, and the cluster of each
        self._paints = [Paint() for _ in LEVELS]
        self._sums = ClusterSums()

    def update(self, nodes: Nodes, find_links: LinkFinder) -> LevelLabels:
        """Take in what is different in the tree, and return the levels.

        *medium*: the clusters of the shortest code. *fine*: each of them where a code of its own inside gets shorter by
        more clusters; of noise it does not. *coarse*: medium clusters joined by Ward's linkage, by their sizes.
        """
        self.update_medium(nodes, find_links)
        cuts = [self._cut_coarse(nodes), (self.tops, number_clusters(nodes, self.tops)), self._cut_fine(nodes)]
        return LevelLabels(*(paint.update(self.walk, *cut) for paint, cut in zip(self._paints, cuts, strict=True)))

    def update_medium(self, nodes: Nodes, find_links: LinkFinder) -> None:
        """Take in what is different in the tree, and cut it into the clusters of medium."""
        before = self.tops
        branches = self.walk.update(nodes, find_links(self.levels.rule.nearest))
        weight = self.levels.weigh_steps(self.walk.count_ends(nodes))
        is_other, self._weight = weight != self._weight, weight
        if is_other and len(branches.slots) < np.count_nonzero(nodes.size):
            branches = Branches(nodes)
        self._update_costs(branches, weight, is_other | self.walk.is_fresh[branches.slots])
        whole, above = self._join_seldom_left(nodes, *_descend(nodes, find_root(nodes), self._is_split), weight)
        stays = self._find_unchanged(whole, self._whole)
        keep = stays[self._stranger_of]
        fresh, fresh_of = find_strangers(nodes, whole[~stays[whole]])
        self._strange = np.concatenate([self._strange[keep], fresh])
        self._stranger_of = np.concatenate([self._stranger_of[keep], fresh_of])
        is_strange = np.zeros(nodes.used, bool)
        is_strange[self._strange] = True
        tops, released = _descend(nodes, whole, is_strange)
        self._whole, self.above = whole, np.concatenate([above, released])
        self.tops = tops
        self._is_known = self._find_unchanged(self.tops, before)

    def _update_costs(self, branches: Branches, weight: float, is_fresh: NDArray[np.bool_]) -> None:
        """Compute anew what the fresh nodes of a part of the tree cost, if a step out weighs so many bits."""
        slots, walk, nodes = branches.slots, self.walk, branches.nodes
        if nodes.used > len(self._best):
            self._best = grow_array(self._best, nodes.used * 9 // 8)
            self._is_split = grow_array(self._is_split, nodes.used * 9 // 8)
            self._lowest = grow_array(self._lowest, nodes.used * 9 // 8, 1)
        code = describe_nodes(walk.ends[slots], walk.inside[slots], self.levels.rule.medium)
        best, is_split = branches.find_splits(np.where(is_fresh, code.price(weight), self._best[slots]))
        self._best[slots] = best
        self._is_split[slots] = np.where(is_fresh, is_split, self._is_split[slots])
        self._lowest[slots] = branches.spread_least(np.where(is_fresh, nodes.height[slots], self._lowest[slots]))

    def _join_seldom_left(self, nodes: Nodes, tops: Ints, above: Ints, weight: float) -> tuple[Ints, Ints]:
        """Join those clusters of a cut that a longer walk seldom leaves; return the nodes of the cut, and all above."""
        rule = self.levels.rule
        if rule.long <= rule.medium:
            return tops, above
        branches = Branches(nodes, np.sort(np.concatenate([above, tops])))
        is_split = np.zeros(nodes.used, bool)
        is_split[above] = True
        is_split[find_seldom_left(branches, self.walk, rule.long, weight)] = False
        return _descend(nodes, find_root(nodes), is_split)

    def _find_unchanged(self, tops: Ints, before: Ints) -> NDArray[np.bool_]:
        """Return for each slot if it is among the tops, was so before, and nothing in it is different."""
        was_top = np.zeros((2, len(self.walk.is_fresh)), bool)
        was_top[0, tops] = was_top[1, before] = True
        unchanged: NDArray[np.bool_] = was_top[0] & was_top[1] & ~self.walk.is_fresh
        return unchanged

    def _cut_coarse(self, nodes: Nodes) -> tuple[Ints, Ints]:
        """Return the nodes of coarse, and the number of the cluster of each."""
        if np.count_nonzero(nodes.size[self.tops] >= MIN_CLUSTER_SIZE) < FEW:
            return self.tops, number_clusters(nodes, self.tops)
        return self.join(nodes, int(min(self.levels.coarse, MOST)))

    def _cut_fine(self, nodes: Nodes) -> tuple[Ints, Ints]:
        """Return the nodes of fine, and the number of the cluster of each."""
        keep = self._is_known[self._part_of]
        unknown = self.tops[~self._is_known[self.tops]]
        parts, part_of = split_clusters(nodes, self.walk, unknown, self.levels.rule.fine)
        self._parts = np.concatenate([self._parts[keep], parts])
        self._part_of = np.concatenate([self._part_of[keep], part_of])
        is_apart = np.zeros(nodes.used, bool)
        is_apart[self._part_of] = True
        tops = np.concatenate([self.tops[~is_apart[self.tops]], self._parts])
        return tops, number_clusters(nodes, tops)

    def join(self, nodes: Nodes, count: int) -> tuple[Ints, Ints]:
        """Join the clusters of medium until `count` are left; return their nodes, and the number of each's cluster."""
        tree = self.make_cut_tree(nodes)
        return tree.branches.slots[tree.branches.leaves], join_clusters(tree, count, self._sums)

    def make_cut_tree(self, nodes: Nodes) -> CutTree:
        """Return the tree down to the clusters of medium."""
        branches = Branches(nodes, np.sort(np.concatenate([self.above, self.tops])))
        return CutTree(branches, self._lowest[branches.slots])


def number_clusters(nodes: Nodes, tops: Ints) -> Ints:
    """Return the number of each node as a cluster; 0 of one of fewer than MIN_CLUSTER_SIZE items."""
    return np.where(nodes.size[tops] >= MIN_CLUSTER_SIZE, nodes.least[tops] + 1, 0).astype(np.int64)


def _descend(nodes: Nodes, front: Ints, is_split: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the topmost nodes within the given ones that are not split, and all that are split above them."""
    tops, above = [NO_INTS], [NO_INTS]
    while len(front):
        split = is_split[front]
        tops.append(front[~split])
        above.append(front[split])
        front = np.concatenate([nodes.left[above[-1]], nodes.right[above[-1]]]).astype(np.int64)
    return np.concatenate(tops), np.concatenate(above)
