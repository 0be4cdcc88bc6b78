"""A random walk over the nearest neighbours of the leaves of a tree: how often it stays within each node.

What an update of the tree and of the neighbours leaves as it was is not looked at again. The numbers of a node are
whole, and depend on what lies within it alone: they are those of a full count, which is the same work where nothing is
known yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array, sort_unique
from indexers.tree.branches import Branches
from indexers.tree.nodes import Nodes


class LinkLists(NamedTuple):
    """The links from each leaf to its most similar ones, by row.

    leaf: the slot of each row's leaf, -1 where there is none; a leaf has one row. near: int32 (rows, n), the rows that
    it is linked to, -1 where there are fewer. changed: int64 (rows,), when each row was last written, by a clock whose
    time is `now`.
    """

    leaf: Ints
    near: NDArray[np.int32]
    changed: Ints
    now: int


LinkFinder = Callable[[int], LinkLists]
"""Returns the links from each leaf to so many of its most similar neighbours."""


class Walk:
    """What is known of the walk, by slot and by row.

    ends: int64 by slot, the ends of links at the leaves within a node. inside: int64 by slot, those of links that stay
    within it. row: int64, the row of each leaf. order: int64, the leaves from left to right; rank: int64 by slot, the
    place of each in it. leftmost: int64 by slot, the first leaf of each node. count: int64 by slot, its leaves.
    is_fresh: bool by slot, the nodes that the last update found different.
    """

    def __init__(self) -> None:
        self.ends, self.inside, self.count = np.zeros((3, 0), np.int64)
        self.row, self.rank, self.leftmost = np.full((3, 0), -1)
        self.order = NO_INTS
        self.leaf, self.reach, self.near = NO_INTS, NO_INTS, np.empty((0, 0), np.int32)
        self._seen = -1  # the time of the links that were taken in last
        self.is_fresh = np.empty(0, bool)
        self._incoming = NO_INTS  # links to each row
        # the tree as it was
        self._left, self._right = np.full((2, 0), -1, np.int32)
        self._content, self._height, self._is_node = np.empty(0, np.uint64), np.empty(0), np.empty(0, bool)

    def update(self, nodes: Nodes, links: LinkLists) -> Branches:
        """Take in what is different in the tree and its links since the last time.

        Return the part of the tree that changed: the nodes within which anything is different, which `is_fresh` marks,
        and as leaves the largest branches within which nothing is.
        """
        self._grow(nodes.used, len(links.leaf), links.near.shape[1])
        is_fresh = self._take_links(nodes.used, links)
        is_fresh |= self._take_nodes(nodes)
        fresh = _climb(nodes, is_fresh)
        sides = np.concatenate([nodes.left[fresh], nodes.right[fresh], find_root(nodes)]).astype(np.int64)
        branches = Branches(nodes, np.sort(np.concatenate([fresh, sides[(sides >= 0) & ~is_fresh[sides]]])))
        self.is_fresh = is_fresh
        self._count(branches)
        return branches

    def count_ends(self, nodes: Nodes) -> int:
        """Return the ends of all links."""
        return int(self.ends[find_root(nodes)].sum())

    def find_leaves(self, slots: Ints) -> Ints:
        """Return the leaves of nodes, one node after another."""
        count = self.count[slots]
        begin = self.rank[self.leftmost[slots]]
        return self.order[np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))]

    def _grow(self, used: int, rows: int, nearest: int) -> None:
        """Make room for so many slots and rows."""
        fills = {"ends": 0, "inside": 0, "count": 0, "row": -1, "rank": -1, "leftmost": -1}
        fills |= {"_left": -1, "_right": -1, "_content": 0, "_height": 1, "_is_node": False}
        if used > len(self.ends):
            for name, fill in fills.items():
                setattr(self, name, grow_array(getattr(self, name), used * 9 // 8, fill))
        if not len(self.leaf):
            self.near = np.empty((0, nearest), np.int32)
        if rows > len(self.leaf):
            self.leaf, self.reach = grow_array(self.leaf, rows, -1), grow_array(self.reach, rows, -1)
            self._incoming = grow_array(self._incoming, rows)
            self.near = grow_array(self.near, rows, -1)

    def _take_links(self, used: int, links: LinkLists) -> NDArray[np.bool_]:
        """Take in the links; return for each slot if it is a leaf that has lost or won any."""
        leaf, is_stirred = links.leaf, np.zeros(used, bool)
        moved = np.flatnonzero(leaf != self.leaf)
        rows = np.flatnonzero(links.changed > self._seen)
        self._seen = links.now
        rows = rows[(links.near[rows] != self.near[rows]).any(1)]
        old, new = self.near[rows], links.near[rows]
        # Of a row that there was before, only the ends of those links are different that it lost or won.
        is_known = (self.leaf[rows] >= 0) & (leaf[rows] >= 0)
        is_same = np.zeros((2, *old.shape), bool)
        for place, (here, beside) in enumerate(((old, new), (new, old))):
            is_same[place, is_known] = (here[is_known, :, None] == beside[is_known, None, :]).any(2)
        self._incoming -= np.bincount(old[old >= 0], minlength=len(leaf))
        self._incoming += np.bincount(new[new >= 0], minlength=len(leaf))
        self.leaf[moved], self.near[rows] = leaf[moved], new
        is_row = leaf[moved] >= 0
        self.row[leaf[moved[is_row]]] = moved[is_row]
        ends = np.concatenate([rows, moved, old[~is_same[0] & (old >= 0)], new[~is_same[1] & (new >= 0)]])
        stirred = leaf[ends]
        is_stirred[stirred[stirred >= 0]] = True
        return is_stirred

    def _take_nodes(self, nodes: Nodes) -> NDArray[np.bool_]:
        """Take in the nodes; return which of them are new, or have other children or another height."""
        used = nodes.used
        is_node = nodes.size[:used] > 0
        is_other = ~self._is_node[:used]
        for name in ("left", "right", "content", "height"):
            is_other |= getattr(self, f"_{name}")[:used] != getattr(nodes, name)[:used]
        is_other &= is_node
        self._is_node[:used] = is_node
        slots = np.flatnonzero(is_other)
        for name in ("left", "right", "content", "height"):
            getattr(self, f"_{name}")[slots] = getattr(nodes, name)[slots]
        return is_other

    def _count(self, branches: Branches) -> None:
        """Count leaves and links anew within the part of the tree that changed."""
        slots, leaves, merges = branches.slots, branches.leaves, branches.merges
        ends = slots[leaves]
        alone = np.flatnonzero(self.is_fresh[ends])
        leaf = ends[alone]
        self.count[leaf], self.leftmost[leaf], self.inside[leaf] = 1, leaf, 0
        rows = self.row[leaf]
        self.ends[leaf] = (self.near[rows] >= 0).sum(1) + self._incoming[rows]
        # The leaves of a branch in which nothing changed lie side by side as before.
        count, begin = self.count[ends], self.rank[self.leftmost[ends]]
        begin[alone] = len(self.order) + np.arange(len(alone))
        self.order = np.concatenate([self.order, leaf])[
            np.repeat(begin - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
        ]
        self.rank[self.order] = np.arange(len(self.order))
        joined = np.bincount(self._find_joints(branches, count), minlength=len(slots))[merges]
        self.ends[slots] = branches.add_up(self.ends[ends], leaves)
        inside = branches.add_up(self.inside[ends], leaves) + branches.add_up(2 * joined, merges)
        self.inside[slots] = inside
        self.count[slots] = branches.add_up(count, leaves)
        self.leftmost[slots[merges]] = self.leftmost[ends[branches.first[merges]]]

    def _find_joints(self, branches: Branches, count: Ints) -> Ints:
        """Return the joint of each link between two leaves of the part, as a place in it.

        count: the leaves of the tree within each leaf of the part, from left to right.
        """
        is_stale = self.is_fresh | ~self._is_node[: len(self.is_fresh)]
        fresh = branches.slots[branches.leaves]
        fresh = self.row[fresh[self.is_fresh[fresh]]]
        rows = sort_unique(np.concatenate([np.flatnonzero((self.reach >= 0) & is_stale[self.reach]), fresh]))
        rows = rows[self.leaf[rows] >= 0]
        near = np.where(self.near[rows] >= 0, self.near[rows], rows[:, None])  # for want of others, the leaf itself
        branch = np.repeat(branches.leaves, count)  # of each leaf of the tree, from left to right
        source = branch[self.rank[self.leaf[rows]]]
        target = branch[self.rank[self.leaf[near]]]
        owner, column = np.nonzero(target != source[:, None])
        joints = branches.find_joints(source[owner], target[owner, column])
        size = np.zeros(near.shape, np.int64)
        size[owner, column] = branches.size[joints]
        at = np.full(near.shape, -1)
        at[owner, column] = branches.slots[joints]
        self.reach[rows] = at[np.arange(len(rows)), size.argmax(1)] if len(rows) else -1
        return joints


def find_root(nodes: Nodes) -> Ints:
    """Return the topmost node; none of an empty tree."""
    return np.flatnonzero((nodes.size[: nodes.used] > 0) & (nodes.parent[: nodes.used] < 0))


def _climb(nodes: Nodes, is_fresh: NDArray[np.bool_]) -> Ints:
    """Mark all nodes above marked ones, too; return the slots of all."""
    fresh = [np.flatnonzero(is_fresh)]
    while len(fresh[-1]):
        above = nodes.parent[fresh[-1]].astype(np.int64)
        above = above[above >= 0]
        above = sort_unique(above[~is_fresh[above]])
        is_fresh[above] = True
        fresh.append(above)
    return np.concatenate(fresh)


def link_leaves(nodes: Nodes, nearest: int) -> LinkLists:
    """Return the links from each leaf to its most similar ones of the graph, equally near ones by key."""
    leaves = np.flatnonzero(nodes.old.birth[: nodes.used] == 0)
    owner, neighbour = nodes.near.get(leaves)
    is_other = leaves[owner] != neighbour  # equal vectors may have an edge to each other
    pair = sort_unique(leaves[owner[is_other]] * nodes.capacity + neighbour[is_other])
    source, target = pair // nodes.capacity, pair % nodes.capacity
    forward = source < target
    similarity = np.empty(len(pair))
    similarity[forward] = nodes.similarity(source[forward], target[forward])
    similarity[~forward] = similarity[np.searchsorted(pair, (target * nodes.capacity + source)[~forward])]
    order = np.lexsort((nodes.key[target], -similarity, source))
    rank = np.empty(len(pair), np.int64)
    rank[order] = np.arange(len(pair)) - np.searchsorted(source, source[order])
    near = np.full((nodes.used, nearest), -1, np.int32)
    links = LinkLists(np.full(nodes.used, -1), near, np.ones(nodes.used, np.int64), now=0)  # any may have changed
    links.leaf[leaves] = leaves
    is_near = rank < nearest
    near[source[is_near], rank[is_near]] = target[is_near]
    return links
