"""The coarse level: clusters of medium joined by Ward's linkage."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from indexers.arrays import Ints
from indexers.tree.branches import Branches, Floats
from indexers.tree.cuts import MIN_CLUSTER_SIZE
from indexers.tree.fixed_point import SCALE
from indexers.tree.ward import choose_count, join_by_ward

MOST_JOINED = 128
"""Clusters that Ward's linkage joins; of more, those that the tree joins first are joined before."""


class CutTree(NamedTuple):
    """A tree down to the nodes of a cut.

    branches: the nodes of the cut as leaves, and all above them. heights: float64, the least similarity of the merges
    within each of its nodes.
    """

    branches: Branches
    heights: Floats


class ClusterSums:
    """The sums of the vectors of clusters, kept from one cut to the next by what the clusters hold."""

    def __init__(self) -> None:
        self._content, self._sums = np.empty(0, np.uint64), np.empty((0, 0))

    def add_up(self, branches: Branches, clusters: Ints) -> tuple[Floats, Ints]:
        """Return the sums of the vectors of clusters, in their units of length, and their sizes."""
        slots, nodes = branches.slots[clusters], branches.nodes
        content = nodes.content[slots]
        known, place, before = np.intersect1d(content, self._content, assume_unique=True, return_indices=True)
        sums = np.empty((len(slots), nodes.sums.dimension))
        is_unknown = np.ones(len(slots), bool)
        if len(known):
            is_unknown[place] = False
            sums[place] = self._sums[before]
        sums[is_unknown] = nodes.add_up_each(slots[is_unknown]) / SCALE
        self._content, self._sums = content, sums
        return sums, branches.size[clusters]


def join_clusters(tree: CutTree, count: int, sums: ClusterSums) -> Ints:
    """Return the number of the group of each node of a cut, from left to right, when `count` groups are left.

    A number above 0 that tells the group's leaf of the smallest key; 0 for what is in none. What is in no cluster joins
    what most of the items beside it in the tree are in, if that is more than half.
    """
    branches, joined = tree.branches, _join_first(tree, max(count, MOST_JOINED))
    nodes, slots, tops = branches.nodes, branches.slots, branches.leaves
    order = _order_by_key(branches, joined)
    group = np.full(len(slots), -1)
    group[order] = join_by_ward(*sums.add_up(branches, order), count)
    groups = group[joined]
    numbers, first = np.unique(group[order], return_index=True)
    number_of = np.zeros(len(numbers) + 1, np.int64)  # the last one is that of no group, -1
    number_of[numbers] = nodes.least[slots[order[first]]] + 1
    small, large = tops[branches.size[tops] < MIN_CLUSTER_SIZE], tops[branches.size[tops] >= MIN_CLUSTER_SIZE]
    group[large] = groups[np.searchsorted(branches.first[joined], branches.first[large], side="right") - 1]
    counts = np.zeros((len(tops) + 1, len(numbers)), np.int64)
    counts[branches.last[large], group[large]] = branches.size[large]
    counts = np.cumsum(counts, axis=0)
    above, waiting = small, np.arange(len(small))
    while len(waiting):
        parent = branches.find_places(nodes.parent[slots[above[waiting]]])
        waiting, parent = waiting[parent >= 0], parent[parent >= 0]
        above[waiting] = parent
        beside = counts[branches.last[parent]] - counts[branches.first[parent]]
        items = beside.sum(1)
        is_clear = 2 * beside.max(1, initial=0) > np.maximum(items, 1)
        group[small[waiting[is_clear]]] = beside[is_clear].argmax(1)
        waiting = waiting[items == 0]
    group_numbers: Ints = number_of[group[tops]]
    return group_numbers


def count_groups(tree: CutTree) -> int:
    """Return how many groups of the clusters of a cut suit people."""
    clusters = _order_by_key(tree.branches, _join_first(tree, MOST_JOINED))
    return choose_count(*ClusterSums().add_up(tree.branches, clusters))


def _join_first(tree: CutTree, limit: int) -> Ints:
    """Return the clusters of at least MIN_CLUSTER_SIZE items, from left to right.

    Of more than `limit`, the tree's most similar merges above them are made first.
    """
    branches, heights = tree.branches, tree.heights
    is_large = branches.size >= MIN_CLUSTER_SIZE
    large, merges = branches.leaves[is_large[branches.leaves]], branches.merges
    if len(large) <= limit:
        return large
    keys = branches.nodes.key[branches.slots[merges]]
    order = merges[np.lexsort((keys, branches.size[merges], -heights[merges]))]  # children before parents
    fewer = np.cumsum(is_large[branches.left[order]] & is_large[branches.right[order]])
    is_apart = np.zeros(len(branches.slots), bool)
    is_apart[order[int(np.searchsorted(fewer, len(large) - limit)) + 1 :]] = True
    joined = branches.descend(branches.find_root(), is_apart)
    places = branches.first[large]
    holds_large = np.searchsorted(places, branches.last[joined]) > np.searchsorted(places, branches.first[joined])
    clusters: Ints = joined[holds_large]
    return clusters


def _order_by_key(branches: Branches, clusters: Ints) -> Ints:
    """Return the clusters in an order that depends on their items alone."""
    return clusters[np.argsort(branches.nodes.key[branches.slots[clusters]], kind="stable")]
