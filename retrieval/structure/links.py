"""The links of a neighbour graph as arrays, and what follows from them: paths, what is around, random walks."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, minimum_spanning_tree

from indexers.arrays import Ints, sort_unique
from indexers.tree.neighbour_graph import NeighbourGraph
from indexers.types import Ids

Floats = NDArray[np.floating]
RESTART, STEPS = 0.2, 40
"""A random walk begins again with this chance at each step; of so many steps the last changes hardly anything."""


class Links:
    """The links of a graph, each once.

    items: int64 (n,), an item of each node. a, b: int64 (m,), the ends of each link, as places in `items`; a < b.
    similarity: float32 (m,).
    """

    def __init__(self, items: Ids, a: Ints, b: Ints, similarity: Floats) -> None:
        self.items, self.a, self.b, self.similarity = items, a, b, similarity

    @classmethod
    def of(cls, graph: NeighbourGraph) -> Links:
        """Return the links of a neighbour graph."""
        slots = np.flatnonzero(graph.item >= 0)
        place = np.full(len(graph.item), -1)
        place[slots] = np.arange(len(slots))
        near, similarity = graph.near[slots], graph.similarity[slots]
        owner, column = np.nonzero(near >= 0)
        target = place[near[owner, column]]
        code = np.minimum(owner, target) * len(slots) + np.maximum(owner, target)
        once, first = np.unique(code, return_index=True)
        return cls(graph.item[slots], once // len(slots), once % len(slots), similarity[owner, column][first])

    @cached_property
    def _matrix(self) -> csr_matrix:
        """The similarities of linked nodes, (n, n), in both directions."""
        return _build_matrix(len(self.items), self.a, self.b, self.similarity)

    @cached_property
    def _angles(self) -> csr_matrix:
        """The angles between linked nodes, (n, n), in radians; at least a millionth, since a zero would be no link."""
        angles = np.maximum(np.arccos(np.clip(self.similarity.astype(np.float64), -1, 1)), 1e-6)
        return _build_matrix(len(self.items), self.a, self.b, angles)

    def find_widest_path(self, start: int, end: int) -> Ints | None:
        """Return the nodes of a path whose least similar link is as similar as that of any path can be.

        Of these paths it has the fewest nodes. None if no path leads from one to the other.
        """
        width = self._find_width(start, end)
        if width is None:
            return None
        is_wide = self.similarity >= width
        wide = _build_matrix(len(self.items), self.a[is_wide], self.b[is_wide], self.similarity[is_wide])
        return _walk_back(breadth_first_order(wide, start, directed=True)[1], start, end)

    def find_shortest_path(self, start: int, end: int) -> Ints | None:
        """Return the nodes of the path with the least sum of angles; None if there is no path."""
        before = dijkstra(self._angles, indices=start, return_predecessors=True)[1]
        return None if start != end and before[end] < 0 else _walk_back(before, start, end)

    def measure(self, path: Ints) -> Floats:
        """Return the similarities of the links of a path, (len(path) - 1,)."""
        low, high = np.minimum(path[:-1], path[1:]), np.maximum(path[:-1], path[1:])
        count = len(self.items)  # links are sorted by their ends
        found: Floats = self.similarity[np.searchsorted(self.a * count + self.b, low * count + high)]
        return found

    def find_around(self, nodes: Ints, hops: int) -> tuple[Ints, Ints]:
        """Return the nodes within so many steps of some, these included, and how many steps each is away."""
        steps = np.full(len(self.items), -1)
        steps[nodes] = 0
        front = sort_unique(nodes)
        for hop in range(1, hops + 1):
            near = sort_unique(self._matrix[front].indices.astype(np.int64))
            front = near[steps[near] < 0]
            steps[front] = hop
        around = np.flatnonzero(steps >= 0)
        return around, steps[around]

    def rank_by_walk(self, nodes: Ints, around: Ints) -> Floats:
        """Return how often a random walk that begins again and again at `nodes` is at each of `around`, (len(around),).

        It stays within `around`, which holds the nodes, and takes similar links more often: personalised PageRank
        (Page, Brin, Motwani and Winograd 1999).
        """
        inside = self._matrix[around][:, around]
        inside.data = np.maximum(inside.data, 0).astype(np.float64)
        total = np.asarray(inside.sum(1)).ravel()
        leave = csr_matrix(inside.multiply(1 / np.where(total > 0, total, 1)[:, None])).T.tocsr()
        begin = np.zeros(len(around))
        begin[np.searchsorted(around, sort_unique(nodes))] = 1
        begin /= begin.sum()
        share = begin.copy()
        for _ in range(STEPS):
            share = (1 - RESTART) * (leave @ share) + (RESTART + (1 - RESTART) * share[total <= 0].sum()) * begin
        return share

    def _find_width(self, start: int, end: int) -> np.float32 | None:
        """Return the similarity of the least similar link of the widest path; None without one.

        In a forest of the most similar links, the only path between two nodes is as wide as any (Hu, 1961).
        """
        above, depth, up = self._forest
        width = np.float32(np.inf)
        while start != end:
            if depth[start] < depth[end]:
                start, end = end, start
            if above[start] < 0:
                return None
            width, start = min(width, up[start]), int(above[start])
        return width

    @cached_property
    def _forest(self) -> tuple[Ints, Ints, Floats]:
        """The forest of links with the greatest sum of similarities: of each node the one above it, -1 for a root, its
        steps from the root, and the similarity of the two."""
        count = len(self.items)
        values, rank = np.unique(-self.similarity, return_inverse=True)  # as ranks: differences would be rounded
        chosen = minimum_spanning_tree(csr_matrix((rank + 1.0, (self.a, self.b)), (count, count))).tocoo()
        similarity = -values[chosen.data.astype(np.int64) - 1]
        forest = _build_matrix(count, chosen.row.astype(np.int64), chosen.col.astype(np.int64), similarity)
        above, depth = np.full(count, -1), np.zeros(count, np.int64)
        up = np.ones(count, np.float32)
        roots = np.unique(connected_components(forest, directed=False)[1], return_index=True)[1]
        front, is_seen = roots, np.zeros(count, bool)
        while len(front):
            is_seen[front] = True
            links = forest[front]
            owner, near = np.repeat(front, np.diff(links.indptr)), links.indices.astype(np.int64)
            is_new = ~is_seen[near]
            owner, front = owner[is_new], near[is_new]
            above[front], depth[front], up[front] = owner, depth[owner] + 1, links.data[is_new]
        return above, depth, up


def _build_matrix(count: int, a: Ints, b: Ints, values: Floats) -> csr_matrix:
    ends = np.concatenate([a, b]), np.concatenate([b, a])
    return csr_matrix((np.concatenate([values, values]), ends), (count, count))


def _walk_back(before: Ints, start: int, end: int) -> Ints:
    path = [end]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])
