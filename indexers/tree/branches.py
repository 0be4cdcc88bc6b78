"""The branches of a tree as intervals of its leaves, the links within each, and the best cut per branch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints
from indexers.tree.nodes import Nodes

Floats = NDArray[np.float64]


class Branches:
    """A tree as intervals of its leaves from left to right, or the part of one that lies within given nodes.

    Nodes are named by their places in `slots`; of a whole tree these are the slots themselves. A node whose children
    are not among them is a leaf here, whatever it holds.

    leaves: int64, in that order. merges: int64, all others. left, right: int64, -1 of a leaf. size: int64, items.
    rank: int64, the place of each leaf, and of each merge that of the first leaf of its right side. first, last: int64,
    the interval of each node; last is excluded.
    """

    def __init__(self, nodes: Nodes, slots: Ints | None = None) -> None:
        self.nodes = nodes
        self.slots = np.arange(nodes.used) if slots is None else slots
        self._place = np.full(nodes.used + 1, -1, np.int32)  # the last one is that of no slot, -1
        self._place[self.slots] = np.arange(len(self.slots))
        self.left, self.right = self.find_places(nodes.left[self.slots]), self.find_places(nodes.right[self.slots])
        self.size = nodes.size[self.slots]
        self.merges = np.flatnonzero(self.left >= 0)
        is_leaf = (self.left < 0) & (self.size > 0)
        offset, self._depth = self._find_offsets()
        order = np.argsort(offset[is_leaf], kind="stable")
        self.leaves = np.flatnonzero(is_leaf)[order]
        rank_of = np.zeros(int(self.size[self.leaves].sum()) + 1, np.int64)  # of each offset
        rank_of[offset[self.leaves] + self.size[self.leaves]] = 1
        rank_of = np.cumsum(rank_of)
        self.first, self.last = rank_of[offset], rank_of[offset + self.size]
        self.rank = self.first.copy()
        self.rank[self.merges] = self.first[self.right[self.merges]]
        by_depth = self.merges[np.argsort(-self._depth[self.merges], kind="stable")]
        steps = np.flatnonzero(np.diff(self._depth[by_depth])) + 1
        self._rows = [(row, self.left[row], self.right[row]) for row in np.split(by_depth, steps)]

    def find_places(self, slots: NDArray[np.integer]) -> Ints:
        """Return the places of slots; -1 where a slot is not part of this, or is -1."""
        places: Ints = self._place[slots].astype(np.int64)
        return places

    def _find_offsets(self) -> tuple[Ints, Ints]:
        """Return the items to the left of each node, and its distance from the root, by doubling steps upwards."""
        above = self.find_places(self.nodes.parent[self.slots])
        roots = np.flatnonzero(above < 0)
        above[roots] = roots
        offset, depth = np.zeros(len(self.slots), np.int64), np.ones(len(self.slots), np.int64)
        offset[self.right[self.merges]] = self.size[self.left[self.merges]]
        depth[roots] = 0
        start = np.zeros(len(self.slots), np.int64)
        start[roots] = np.cumsum(self.size[roots]) - self.size[roots]
        while True:
            further = above[above]
            if np.array_equal(further, above):
                return offset + start[above], depth
            offset += offset[above]
            depth += depth[above]
            above = further

    def find_root(self) -> Ints:
        """Return the topmost nodes; of a whole tree it is one, of an empty tree none."""
        return np.flatnonzero((self.size > 0) & (self.find_places(self.nodes.parent[self.slots]) < 0))

    def find_joints(self, source: Ints, target: Ints) -> Ints:
        """Return for each pair of leaves the lowest merge that holds both: the least deep one between them."""
        count, used = len(self.leaves), len(self.slots)
        keys = np.full(count, used * used, np.int64)
        keys[self.rank[self.merges]] = self._depth[self.merges] * used + self.merges
        table = [keys]  # of each power of two: the least of so many from a place on
        while 2 ** len(table) < count:
            half = 2 ** (len(table) - 1)
            table.append(np.minimum(table[-1], np.append(table[-1][half:], np.full(half, used * used))))
        flat, a, b = np.concatenate(table), self.rank[source], self.rank[target]
        low, high = np.minimum(a, b) + 1, np.maximum(a, b)
        power = np.frexp((high - low + 1).astype(np.float64))[1].astype(np.int64) - 1
        joints: Ints = np.minimum(flat[power * count + low], flat[power * count + high + 1 - (1 << power)]) % used
        return joints

    def add_up(self, values: NDArray[np.int64], at: Ints) -> NDArray[np.int64]:
        """Return for each node the sum of values of the leaves, or of the merges, within it.

        values: one for each of the nodes `at`, which are all leaves or all merges.
        """
        sums = np.zeros(len(self.leaves) + 1, np.int64)
        sums[self.rank[at] + 1] = values
        sums = np.cumsum(sums)
        start = np.minimum(self.first + (1 if len(at) and self.left[at[0]] >= 0 else 0), self.last)
        total: NDArray[np.int64] = sums[self.last] - sums[start]
        return total

    def find_least_cut(self, cost: Ints, roots: Ints | None = None) -> Ints:
        """Return the nodes of the cut below `roots` with the least sum of costs."""
        return self.descend(self.find_root() if roots is None else roots, self.find_splits(cost)[1])

    def find_splits(self, cost: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the least cost of a cut of each node, and whether that is less than its own.

        By dynamic programming upwards. Costs are whole numbers: sums of them are the same in any order.
        """
        best, is_split = cost.copy(), np.zeros(len(cost), bool)
        for merges, left, right in self._rows:
            apart, together = best[left] + best[right], cost[merges]
            is_split[merges] = apart < together
            best[merges] = np.minimum(apart, together)
        return best, is_split

    def spread_least(self, values: Floats) -> Floats:
        """Return the least of the values of each node and those within it."""
        least = values.copy()
        for merges, left, right in self._rows:
            least[merges] = np.minimum(np.minimum(least[left], least[right]), least[merges])
        return least

    def descend(self, nodes: Ints, is_split: NDArray[np.bool_]) -> Ints:
        """Return the topmost nodes within the given ones that are not split, from left to right."""
        tops, front = [nodes[:0]], nodes
        while len(front):
            split = is_split[front]
            tops.append(front[~split])
            front = np.concatenate([self.left[front[split]], self.right[front[split]]])
        found = np.concatenate(tops)
        return found[np.argsort(self.first[found], kind="stable")]

    def repeat(self, values: Ints, tops: Ints) -> Ints:
        """Return for each of `leaves` the value of its node among the tops of a cut, which go from left to right."""
        return np.repeat(values, self.last[tops] - self.first[tops])
