"""Agglomeration over a graph, in rounds: all pairs of nodes that are each other's nearest neighbour merge at once.

If the dissimilarity is reducible (a merged node is never nearer to a third node than the nearer of its halves was) and
all pairs are edges, the result is the tree of hierarchical clustering itself (Murtagh 1983; Müllner 2011); over a graph
it is nearly what merging the nearest pair again and again would give. After a round only the edges at merged nodes are
updated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import scale_to_unit, sort_unique
from indexers.clusterers.base import Ints, ProgressCallback
from indexers.clusterers.steps.dendrogram import Floats, sort_merges
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours

CROWN = 1000
"""With at most this many nodes left, all pairs become edges."""
NEAR = 15
"""New edges per node if the graph has fallen apart while more than CROWN nodes are left."""
CHUNK = 1024
"""Pairs of rows that are multiplied at once."""
Dissimilarity = Callable[["NodeSums", Ints, Ints, Floats], Floats]
"""A function of the nodes, the two ends of each edge and the product of their sums, which returns the dissimilarity of
the two ends."""


class NodeSums:
    """What each node of the growing tree knows about its rows. A merged node takes the place of its first half.

    sums: float32 (n, d), the sum of the node's rows; changed in place.
    size: float64 (n,), the number of rows.
    square: float64 (n,), the squared length of the sum.
    """

    def __init__(self, sums: NDArray[np.float32]) -> None:
        self.sums = sums
        self.size = np.ones(len(sums))
        self.square = np.einsum("ij,ij->i", sums, sums).astype(np.float64)

    def multiply_sums(self, a: Ints, b: Ints) -> Floats:
        """Compute the product of the sums of each pair of nodes."""
        product = np.empty(len(a))
        for start in range(0, len(a), CHUNK):
            chunk = slice(start, start + CHUNK)
            product[chunk] = np.einsum("ij,ij->i", self.sums[a[chunk]], self.sums[b[chunk]])
        return product

    def merge(self, a: Ints, b: Ints, product: Floats) -> None:
        """Merge each node of `b` into the one of `a`, given the products of their sums."""
        self.sums[a] += self.sums[b]
        self.size[a] += self.size[b]
        self.square[a] += self.square[b] + 2 * product


class Merging:
    """Merges all nodes into one tree. `edges`: int64 (m, 2), pairs of different nodes, each once."""

    def __init__(self, nodes: NodeSums, edges: Ints, dissimilarity: Dissimilarity) -> None:
        self.nodes, self.dissimilarity = nodes, dissimilarity
        self.alive = np.arange(len(nodes.size))
        self.node_ids = self.alive.copy()
        self.height = np.zeros(len(self.alive))
        self.has_all_pairs = False
        self.children: list[Ints] = []
        self.distances: list[Floats] = []
        self._link(edges)

    def run(self, progress: ProgressCallback) -> tuple[Ints, Floats]:
        """Return the children and distances of all merges in scikit-learn's form. The distance of a merge is never
        smaller than that of a merge inside it."""
        count = len(self.nodes.size)
        while len(self.alive) > 1:
            if len(self.alive) <= CROWN and not self.has_all_pairs:
                self._link_all_pairs()
            elif not len(self.a):
                centres = scale_to_unit(self.nodes.sums[self.alive])
                self._link(self.alive[build_edges(find_neighbours(centres, NEAR))])
            self._merge_round()
            progress(count - len(self.alive), count - 1, "merging")
        children = np.concatenate([np.empty((0, 2), np.int64), *self.children])
        return sort_merges(children, np.concatenate([np.empty(0), *self.distances]), count)

    def _link(self, edges: Ints) -> None:
        self.a, self.b = edges.T
        self.product = self.nodes.multiply_sums(self.a, self.b)
        self.distance = self.dissimilarity(self.nodes, self.a, self.b, self.product)

    def _link_all_pairs(self) -> None:
        self.has_all_pairs = True
        self._link(self.alive[np.stack(np.triu_indices(len(self.alive), 1), 1)])

    def _merge_round(self) -> None:
        edge = self._find_mutual_edges()
        a, b = self.a[edge], self.b[edge]
        height_inside = np.maximum(self.height[a], self.height[b])
        self.height[a] = np.maximum(self.distance[edge], height_inside)
        self.children.append(np.stack([self.node_ids[a], self.node_ids[b]], 1))
        self.distances.append(self.height[a])
        self.node_ids[a] = 2 * len(self.node_ids) - len(self.alive) + np.arange(len(a))
        self.nodes.merge(a, b, self.product[edge])
        self.alive = np.setdiff1d(self.alive, b, assume_unique=True)
        self._update_edges(a, b)

    def _find_mutual_edges(self) -> Ints:
        """Find the edges that are the shortest at both of their ends. Ties go to the first edge, so that at least one
        edge qualifies."""
        shortest, first = np.full(len(self.node_ids), np.inf), np.full(len(self.node_ids), len(self.a))
        for end in (self.a, self.b):
            np.minimum.at(shortest, end, self.distance)
        for end in (self.a, self.b):
            edge = np.flatnonzero(self.distance == shortest[end])
            np.minimum.at(first, end[edge], edge)
        numbers = np.arange(len(self.a))
        return np.flatnonzero((first[self.a] == numbers) & (first[self.b] == numbers))

    def _update_edges(self, merged: Ints, absorbed: Ints) -> None:
        """Turn the edges of halves into edges of the merged nodes, each once."""
        count = len(self.node_ids)
        now, is_merged = np.arange(count), np.zeros(count, bool)
        now[absorbed] = merged
        is_merged[merged] = True
        a, b = now[self.a], now[self.b]
        is_moved = is_merged[a] | is_merged[b]
        a, b = a[is_moved & (a != b)], b[is_moved & (a != b)]
        key = sort_unique(np.minimum(a, b) * count + np.maximum(a, b))
        old = (self.a[~is_moved], self.b[~is_moved], self.product[~is_moved], self.distance[~is_moved])
        self._link(np.stack([key // count, key % count], 1))
        new = (self.a, self.b, self.product, self.distance)
        self.a, self.b, self.product, self.distance = (np.concatenate(arrays) for arrays in zip(old, new, strict=True))
