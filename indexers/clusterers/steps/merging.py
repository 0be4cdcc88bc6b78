"""Agglomeration over a graph, in rounds: pairs of nodes that are each other's nearest neighbour merge at once.

Where the dissimilarity is reducible (a merged node is never nearer to a third than the nearer of its halves was) and
all pairs are edges, that is the tree of hierarchical clustering itself (Murtagh 1983; Müllner 2011); over a graph it is
what merging the nearest pair again and again would give, nearly. Only edges at merged nodes are looked at again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import distinct
from indexers.clusterers.base import Ints, ProgressCallback
from indexers.clusterers.steps.dendrogram import Floats, sort_merges
from indexers.clusterers.steps.neighbours import build_edges, find_neighbours, unit

CROWN = 1000
"""Nodes from which on all pairs are edges."""
NEAR = 15
"""Edges per node where a graph has fallen apart into more nodes than that."""
CHUNK = 1024
"""Pairs of rows that are multiplied at once."""
Dissimilarity = Callable[["NodeSums", Ints, Ints, Floats], Floats]
"""Nodes, the two ends of edges and the product of their sums -> how far the ends are apart."""


class NodeSums:
    """sums: float32 (n, d), the sum of the rows of a node, changed in place. size: float64 (n,), rows. square: float64
    (n,), the sum's squared length. A merged node stands where its first half stood."""

    def __init__(self, sums: NDArray[np.float32]) -> None:
        self.sums = sums
        self.size = np.ones(len(sums))
        self.square = np.einsum("ij,ij->i", sums, sums).astype(np.float64)

    def multiply_sums(self, a: Ints, b: Ints) -> Floats:
        found = np.empty(len(a))
        for start in range(0, len(a), CHUNK):
            part = slice(start, start + CHUNK)
            found[part] = np.einsum("ij,ij->i", self.sums[a[part]], self.sums[b[part]])
        return found

    def merge(self, a: Ints, b: Ints, product: Floats) -> None:
        self.sums[a] += self.sums[b]
        self.size[a] += self.size[b]
        self.square[a] += self.square[b] + 2 * product


class Merging:
    """Merges everything. `edges`: int64 (m, 2), pairs of different rows, each once."""

    def __init__(self, nodes: NodeSums, edges: Ints, apart: Dissimilarity) -> None:
        self.nodes, self.apart = nodes, apart
        self.alive = np.arange(len(nodes.size))
        self.name = self.alive.copy()
        self.height = np.zeros(len(self.alive))
        self.complete = False
        self.children: list[Ints] = []
        self.distances: list[Floats] = []
        self._link(edges)

    def run(self, progress: ProgressCallback) -> tuple[Ints, Floats]:
        """children_ and distances_ as scikit-learn has them; a merge is never given as nearer than one inside it."""
        count = len(self.nodes.size)
        while len(self.alive) > 1:
            if len(self.alive) <= CROWN and not self.complete:
                self._complete()
            elif not len(self.a):
                centres = unit(self.nodes.sums[self.alive])
                self._link(self.alive[build_edges(find_neighbours(centres, NEAR))])
            self._round()
            progress(count - len(self.alive), count - 1, "merging")
        children = np.concatenate([np.empty((0, 2), np.int64), *self.children])
        return sort_merges(children, np.concatenate([np.empty(0), *self.distances]), count)

    def _link(self, edges: Ints) -> None:
        self.a, self.b = edges.T
        self.product = self.nodes.multiply_sums(self.a, self.b)
        self.distance = self.apart(self.nodes, self.a, self.b, self.product)

    def _complete(self) -> None:
        self.complete = True
        self._link(self.alive[np.stack(np.triu_indices(len(self.alive), 1), 1)])

    def _round(self) -> None:
        edge = self._mutual()
        a, b = self.a[edge], self.b[edge]
        inside = np.maximum(self.height[a], self.height[b])
        self.height[a] = np.maximum(self.distance[edge], inside)
        self.children.append(np.stack([self.name[a], self.name[b]], 1))
        self.distances.append(self.height[a])
        self.name[a] = 2 * len(self.name) - len(self.alive) + np.arange(len(a))
        self.nodes.merge(a, b, self.product[edge])
        self.alive = np.setdiff1d(self.alive, b, assume_unique=True)
        self._relink(a, b)

    def _mutual(self) -> Ints:
        """Edges that are the shortest at both ends; of equally short ones the first, so that there is always one."""
        best, first = np.full(len(self.name), np.inf), np.full(len(self.name), len(self.a))
        for end in (self.a, self.b):
            np.minimum.at(best, end, self.distance)
        for end in (self.a, self.b):
            edge = np.flatnonzero(self.distance == best[end])
            np.minimum.at(first, end[edge], edge)
        here = np.arange(len(self.a))
        return np.flatnonzero((first[self.a] == here) & (first[self.b] == here))

    def _relink(self, merged: Ints, gone: Ints) -> None:
        """Edges of halves become edges of the whole, each once."""
        count = len(self.name)
        now, changed = np.arange(count), np.zeros(count, bool)
        now[gone] = merged
        changed[merged] = True
        a, b = now[self.a], now[self.b]
        moved = changed[a] | changed[b]
        a, b = a[moved & (a != b)], b[moved & (a != b)]
        key = distinct(np.minimum(a, b) * count + np.maximum(a, b))
        kept = (self.a[~moved], self.b[~moved], self.product[~moved], self.distance[~moved])
        self._link(np.stack([key // count, key % count], 1))
        fresh = (self.a, self.b, self.product, self.distance)
        self.a, self.b, self.product, self.distance = (np.concatenate(both) for both in zip(kept, fresh, strict=True))
