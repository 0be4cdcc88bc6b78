"""The branches of a tree as intervals of its leaves, the links within each, and the best cut per branch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints
from indexers.tree.nodes import Nodes

Floats = NDArray[np.float64]


class Links(NamedTuple):
    """Links from leaves to their nearest neighbours, int64 slots: `source[i]` names `target[i]`."""

    source: Ints
    target: Ints


class Branches:
    """The leaves of a tree from left to right, so that each node is an interval of them.

    leaves: int64, their slots in that order. rank: int64 by slot, the place of each leaf, and of each merge that of the
    first leaf of its right side. first, last: int64 by slot, the interval of each node; last is excluded.
    """

    def __init__(self, nodes: Nodes) -> None:
        self.nodes, used = nodes, nodes.used
        self.left, self.right = nodes.left[:used].astype(np.int64), nodes.right[:used].astype(np.int64)
        self.merges = np.flatnonzero(self.left >= 0)
        is_leaf = (self.left < 0) & (nodes.size[:used] > 0)
        offset, self._depth = self._find_offsets()
        order = np.argsort(offset[is_leaf], kind="stable")
        self.leaves = np.flatnonzero(is_leaf)[order]
        rank_of = np.zeros(int(nodes.size[self.leaves].sum()) + 1, np.int64)  # of each offset
        rank_of[offset[self.leaves] + nodes.size[self.leaves]] = 1
        rank_of = np.cumsum(rank_of)
        self.first, self.last = rank_of[offset], rank_of[offset + nodes.size[:used]]
        self.rank = self.first.copy()
        self.rank[self.merges] = self.first[self.right[self.merges]]
        by_depth = self.merges[np.argsort(-self._depth[self.merges], kind="stable")]
        steps = np.flatnonzero(np.diff(self._depth[by_depth])) + 1
        self._rows = [(row, self.left[row], self.right[row]) for row in np.split(by_depth, steps)]

    def _find_offsets(self) -> tuple[Ints, Ints]:
        """Return the items to the left of each node, and its distance from the root, by doubling steps upwards."""
        used = self.nodes.used
        above = self.nodes.parent[:used].astype(np.int64)
        roots = np.flatnonzero(above < 0)
        above[roots] = roots
        offset, depth = np.zeros(used, np.int64), np.ones(used, np.int64)
        offset[self.right[self.merges]] = self.nodes.size[self.left[self.merges]]
        depth[roots] = 0
        while True:
            further = above[above]
            if np.array_equal(further, above):
                return offset, depth
            offset += offset[above]
            depth += depth[above]
            above = further

    def find_root(self) -> Ints:
        """Return the topmost node; none of an empty tree."""
        return np.flatnonzero((self.nodes.size[: self.nodes.used] > 0) & (self.nodes.parent[: self.nodes.used] < 0))

    def find_joints(self, links: Links) -> Ints:
        """Return for each link the lowest merge that holds both of its ends: the least deep one between them."""
        count, used = len(self.leaves), self.nodes.used
        keys = np.full(count, used * used, np.int64)
        keys[self.rank[self.merges]] = self._depth[self.merges] * used + self.merges
        table = [keys]  # of each power of two: the least of so many from a place on
        while 2 ** len(table) < count:
            half = 2 ** (len(table) - 1)
            table.append(np.minimum(table[-1], np.append(table[-1][half:], np.full(half, used * used))))
        flat, a, b = np.concatenate(table), self.rank[links.source], self.rank[links.target]
        low, high = np.minimum(a, b) + 1, np.maximum(a, b)
        power = np.frexp((high - low + 1).astype(np.float64))[1].astype(np.int64) - 1
        joints: Ints = np.minimum(flat[power * count + low], flat[power * count + high + 1 - (1 << power)]) % used
        return joints

    def add_up(self, values: NDArray[np.int64], at: Ints) -> NDArray[np.int64]:
        """Return for every slot the sum of values of the leaves, or of the merges, within it.

        values: one for each of the slots `at`, which are all leaves or all merges.
        """
        sums = np.zeros(len(self.leaves) + 1, np.int64)
        sums[self.rank[at] + 1] = values
        sums = np.cumsum(sums)
        start = np.minimum(self.first + (1 if len(at) and self.left[at[0]] >= 0 else 0), self.last)
        total: NDArray[np.int64] = sums[self.last] - sums[start]
        return total

    def find_least_cut(self, cost: Floats, roots: Ints | None = None) -> Ints:
        """Return the nodes of the cut below `roots` with the least sum of costs, by dynamic programming upwards."""
        best, is_split = cost.copy(), np.zeros(self.nodes.used, bool)
        for merges, left, right in self._rows:
            apart, together = best[left] + best[right], cost[merges]
            is_less = apart < together - 1e-12
            is_split[merges] = is_less
            best[merges] = np.where(is_less, apart, together)
        return self.descend(self.find_root() if roots is None else roots, is_split)

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
