"""The pairs of neighbours that an update watches from round to round, and the edges that came and went."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints, contains, sort_unique
from indexers.tree.nodes import Nodes
from indexers.tree.rounds import LeafChanges


class WatchedPairs:
    """
    a, b: int64 (n,), all pairs of neighbours of which one is dirty, or that may have got an edge. similarity: theirs,
    times SCALE squared. edged: clean nodes whose edges changed. cut: edges, (m, 2), that vanished between clean nodes.
    """

    def __init__(self, nodes: Nodes, leaves: LeafChanges, first: bool) -> None:
        self.nodes, self.first = nodes, first
        self.edged, self.cut = leaves.edged, leaves.cut
        nodes.marked[self.edged] = True
        owner, near = nodes.find_neighbours(leaves.dirty, 0)
        a, b = leaves.new.T
        self.set(np.concatenate([leaves.dirty[owner], a]), np.concatenate([near, b]))

    def release(self) -> None:
        self.nodes.marked[self.edged] = False

    def set(self, a: Ints, b: Ints) -> None:
        pair = sort_unique(np.minimum(a, b) * self.nodes.capacity + np.maximum(a, b))
        self.a, self.b = pair // self.nodes.capacity, pair % self.nodes.capacity
        self.similarity = self.nodes.similarity(self.a, self.b)

    def cut_between(self, a: Ints, b: Ints) -> NDArray[np.bool_]:
        if not len(self.cut):
            return np.zeros(len(a), bool)
        wide = self.nodes.capacity
        cut = np.concatenate([self.cut[:, 0] * wide + self.cut[:, 1], self.cut[:, 1] * wide + self.cut[:, 0]])
        return contains(np.sort(cut), a * wide + b)

    def advance(self, at: int, born: Ints, fresh: Ints, unlisted: Ints) -> None:
        """The lists of neighbours and the pairs of round `at`. born: joints made just now; fresh: nodes that are dirty
        from now on; unlisted: nodes that may have no lists yet."""
        nodes, new = self.nodes, self.nodes.new
        if len(self.edged):
            nodes.marked[self.edged] = False
            self.edged = sort_unique(new.step_up(self.edged, at))
            nodes.marked[self.edged] = True
        if len(self.cut):
            cut = new.step_up(self.cut, at)
            self.cut = cut[cut[:, 0] != cut[:, 1]]
        renewed = np.concatenate([self.edged, unlisted])
        renewed = renewed[(new.birth[renewed] == at) & ~nodes.dirty[renewed]]
        listed = sort_unique(np.concatenate([born, renewed])) if len(renewed) else np.sort(born)
        if len(listed):
            nodes.list_neighbours(listed, at)
        self._step(at, fresh)
        if not self.first:
            # The list of a clean node born now, beside a dirty one, may name nodes that are no more.
            near = np.concatenate([self.a, self.b])
            near = sort_unique(near[(new.birth[near] == at) & ~nodes.dirty[near]])
            near = near[~contains(listed, near)]
            if len(near):
                nodes.list_neighbours(near, at)

    def _step(self, at: int, fresh: Ints) -> None:
        nodes, new, a, b = self.nodes, self.nodes.new, self.a, self.b
        moved = (new.death[a] < at) | (new.death[b] < at)
        is_fresh = nodes.scratch
        is_fresh[fresh] = True
        keep = ~moved
        if not self.first:
            keep &= self._watched(a, b) & ~is_fresh[a] & ~is_fresh[b]
        place = np.flatnonzero(moved)
        x, y = new.step_up(a[place], at), new.step_up(b[place], at)
        needed = (x != y) & ~is_fresh[x] & ~is_fresh[y]
        if not self.first:
            needed &= self._watched(x, y)
        x, y = x[needed], y[needed]
        if len(fresh):
            owner, near = nodes.find_neighbours(fresh, at)
            x, y = np.concatenate([x, fresh[owner]]), np.concatenate([y, near])
        is_fresh[fresh] = False
        kept = (a[keep], b[keep], self.similarity[keep])
        self.set(x, y)
        self.a, self.b, self.similarity = (
            np.concatenate(both) for both in zip(kept, (self.a, self.b, self.similarity), strict=True)
        )

    def _watched(self, a: Ints, b: Ints) -> NDArray[np.bool_]:
        """Pairs that can make a difference: one of the two is dirty, or there may be a new edge between them."""
        dirty, marked = self.nodes.dirty, self.nodes.marked
        found: NDArray[np.bool_] = dirty[a] | dirty[b] | (marked[a] & marked[b])
        return found
