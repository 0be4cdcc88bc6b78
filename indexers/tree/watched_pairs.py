"""The pairs of neighbours that an update watches from round to round, and the edges that appeared and vanished."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import Ints, contains, sort_unique
from indexers.tree.nodes import Nodes
from indexers.tree.rounds import NodeChanges


class WatchedPairs:
    """All pairs of neighbours of which one is dirty, or between which there may be a new edge.

    a, b: int64 (n,), the nodes of each pair. similarity: theirs, times SCALE squared. edged: clean nodes whose edges
    changed. cut: edges, (m, 2), that vanished between clean nodes.

    changes: those at the beginning of the stage that starts in round `round_index`. full: whether this is a full run,
    in which every node is dirty.
    """

    def __init__(self, nodes: Nodes, changes: NodeChanges, full: bool, round_index: int = 0) -> None:
        self.nodes, self.full = nodes, full
        self.edged, self.cut = changes.edged, changes.cut
        nodes.marked[self.edged] = True
        owner, near = nodes.find_neighbours(changes.dirty, round_index)
        a, b = changes.new.T
        self._set(np.concatenate([changes.dirty[owner], a]), np.concatenate([near, b]))

    def release(self) -> None:
        """Take the marks off the nodes."""
        self.nodes.marked[self.edged] = False

    def _set(self, a: Ints, b: Ints) -> None:
        """Watch these pairs, each once."""
        pair = sort_unique(np.minimum(a, b) * self.nodes.capacity + np.maximum(a, b))
        self.a, self.b = pair // self.nodes.capacity, pair % self.nodes.capacity
        self.similarity = self.nodes.similarity(self.a, self.b)

    def are_cut(self, a: Ints, b: Ints) -> NDArray[np.bool_]:
        """Return which of the edges a[i] - b[i] vanished."""
        if not len(self.cut):
            return np.zeros(len(a), bool)
        width = self.nodes.capacity
        cut = np.concatenate([self.cut[:, 0] * width + self.cut[:, 1], self.cut[:, 1] * width + self.cut[:, 0]])
        return contains(np.sort(cut), a * width + b)

    def advance(self, round_index: int, born: Ints, fresh: Ints, unlisted: Ints) -> None:
        """Write the neighbour lists of a round that need it, and watch the pairs of that round.

        born: joints that were just made. fresh: nodes that are dirty from this round on. unlisted: nodes that may have
        no list yet.
        """
        nodes, new = self.nodes, self.nodes.new
        if len(self.edged):
            nodes.marked[self.edged] = False
            self.edged = sort_unique(new.step_up(self.edged, round_index))
            nodes.marked[self.edged] = True
        if len(self.cut):
            cut = new.step_up(self.cut, round_index)
            self.cut = cut[cut[:, 0] != cut[:, 1]]
        renewed = np.concatenate([self.edged, unlisted])
        renewed = renewed[(new.birth[renewed] == round_index) & ~nodes.dirty[renewed]]
        listed = sort_unique(np.concatenate([born, renewed])) if len(renewed) else np.sort(born)
        if len(listed):
            nodes.list_neighbours(listed, round_index)
        self._step_up(round_index, fresh)
        if not self.full:
            # The list of a clean node that was just born, beside a dirty one, may name nodes that are no more.
            near = np.concatenate([self.a, self.b])
            near = sort_unique(near[(new.birth[near] == round_index) & ~nodes.dirty[near]])
            near = near[~contains(listed, near)]
            if len(near):
                nodes.list_neighbours(near, round_index)

    def _step_up(self, round_index: int, fresh: Ints) -> None:
        """Carry the pairs from the round before to this one, and add those of fresh nodes."""
        nodes, new, a, b = self.nodes, self.nodes.new, self.a, self.b
        has_moved = (new.death[a] < round_index) | (new.death[b] < round_index)
        is_fresh = nodes.scratch
        is_fresh[fresh] = True
        keep = ~has_moved
        if not self.full:
            keep &= self._matter(a, b) & ~is_fresh[a] & ~is_fresh[b]
        place = np.flatnonzero(has_moved)
        x, y = new.step_up(a[place], round_index), new.step_up(b[place], round_index)
        needed = (x != y) & ~is_fresh[x] & ~is_fresh[y]
        if not self.full:
            needed &= self._matter(x, y)
        x, y = x[needed], y[needed]
        if len(fresh):
            owner, near = nodes.find_neighbours(fresh, round_index)
            x, y = np.concatenate([x, fresh[owner]]), np.concatenate([y, near])
        is_fresh[fresh] = False
        unmoved = (a[keep], b[keep], self.similarity[keep])
        self._set(x, y)
        self.a, self.b, self.similarity = (
            np.concatenate(columns) for columns in zip(unmoved, (self.a, self.b, self.similarity), strict=True)
        )

    def _matter(self, a: Ints, b: Ints) -> NDArray[np.bool_]:
        """Return which pairs can make a difference: one node is dirty, or there may be a new edge between the two."""
        dirty, marked = self.nodes.dirty, self.nodes.marked
        matter: NDArray[np.bool_] = dirty[a] | dirty[b] | (marked[a] & marked[b])
        return matter
