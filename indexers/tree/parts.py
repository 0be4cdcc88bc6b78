"""The parts of a stage: what is left where no edge of the stage before leads on, and the edges that join them.

Each part has edges to the parts most similar to it on average, among equals to those of the smallest keys. So the edges
depend on nothing but the set of parts, whatever was there before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, contains, sort_unique
from indexers.tree.nodes import Nodes
from indexers.tree.storage import EdgeTable

PART_NEIGHBOURS = 8
"""Parts to which each part has edges."""
QUERIES = 256
"""Parts that are compared with all others at once."""

Floats = NDArray[np.float64]


class Parts:
    """The parts of one stage.

    slots: int64 (n,), sorted. near: int64 (n, PART_NEIGHBOURS), the most similar others of each, nearest first, -1
    where there are fewer; similarity: float64, likewise, -inf where there is none.
    """

    def __init__(self) -> None:
        self.slots = NO_INTS
        self.near = np.empty((0, PART_NEIGHBOURS), np.int64)
        self.similarity = np.empty((0, PART_NEIGHBOURS))

    def update(self, nodes: Nodes, alive: Ints) -> tuple[Ints, Ints, Ints]:
        """Make these the parts, sorted; return what is different for those that are clean in this update.

        Clean parts whose edges changed; the edges that appear between clean parts, int64 (m, 2); those that vanish.
        """
        before = self.edges(nodes.capacity)
        kept = contains(alive, self.slots)
        place = np.searchsorted(alive, self.slots[kept])
        near = np.full((len(alive), PART_NEIGHBOURS), -1)
        similarity = np.full(near.shape, -np.inf)
        near[place], similarity[place] = self.near[kept], self.similarity[kept]
        is_fresh = np.ones(len(alive), bool)
        is_fresh[place] = False
        # A list that has lost a neighbour is made again; the others need to know of the fresh parts only.
        is_stale = contains(alive, near.ravel()).reshape(near.shape).sum(axis=1) < PART_NEIGHBOURS
        near[is_stale], similarity[is_stale] = -1, -np.inf
        self.slots, self.near, self.similarity = alive, near, similarity
        self._fill_lists(nodes, np.flatnonzero(is_stale), is_fresh, ~is_stale)
        after = self.edges(nodes.capacity)
        new, cut = np.setdiff1d(after, before, assume_unique=True), np.setdiff1d(before, after, assume_unique=True)
        new, cut = (np.stack(np.divmod(edges, nodes.capacity), 1) for edges in (new, cut))
        cut_stays = contains(alive, cut.ravel()).reshape(-1, 2)
        ends = sort_unique(np.concatenate([new.ravel(), cut[cut_stays]]))
        return ends[~nodes.dirty[ends]], new[~nodes.dirty[new].any(1)], cut[cut_stays.all(1)]

    def restore(self, nodes: Nodes, slots: Ints, near: Ints) -> None:
        """Fill an empty object with what was stored."""
        self.slots, self.near, self.similarity = slots, near, np.full(near.shape, -np.inf)
        place, column = np.nonzero(near >= 0)
        self.similarity[place, column] = nodes.similarity(slots[place], near[place, column])

    def edges(self, width: int) -> Ints:
        """Return each edge once, as smaller slot * width + larger slot, sorted."""
        place, column = np.nonzero(self.near >= 0)
        a, b = self.slots[place], self.near[place, column]
        return sort_unique(np.minimum(a, b) * width + np.maximum(a, b))

    def link(self, width: int) -> EdgeTable:
        """Return the neighbours of each part, in both directions."""
        a, b = np.divmod(self.edges(width), width)
        return EdgeTable(np.concatenate([a, b]), np.concatenate([b, a]))

    def _fill_lists(self, nodes: Nodes, queries: Ints, is_fresh: NDArray[np.bool_], is_full: NDArray[np.bool_]) -> None:
        """Make the lists at the places `queries`, and let those of them that are fresh enter the full ones."""
        rows, offered, values = [NO_INTS], [NO_INTS], [np.empty(0)]
        for start in range(0, len(queries), QUERIES):
            chunk = queries[start : start + QUERIES]
            similarity = self._compare(nodes, chunk)
            least = np.full(len(chunk), -np.inf)
            if len(self.slots) > PART_NEIGHBOURS:
                rank = len(self.slots) - PART_NEIGHBOURS
                least = np.partition(similarity, rank, axis=1)[:, rank]
            row, column = np.nonzero((similarity >= least[:, None]) & (similarity > -np.inf))
            self._merge(nodes, chunk[row], self.slots[column], similarity[row, column])
            new = chunk[is_fresh[chunk]]
            row, column = np.nonzero(self.similarity[:, -1:] <= similarity[is_fresh[chunk]].T)
            keep = is_full[row]
            rows.append(row[keep])
            offered.append(self.slots[new[column[keep]]])
            values.append(similarity[is_fresh[chunk]][column[keep], row[keep]])
        self._merge(nodes, np.concatenate(rows), np.concatenate(offered), np.concatenate(values))

    def _compare(self, nodes: Nodes, places: Ints) -> Floats:
        """Return the average similarities of the parts at some places with all parts; -inf with themselves."""
        slots = self.slots[places]
        products = nodes.sums.multiply_all(
            nodes.row[slots], nodes.row[self.slots], nodes.size[slots], nodes.size[self.slots]
        )
        similarity = nodes.average(products, slots, self.slots)
        similarity[np.arange(len(places)), places] = -np.inf
        return similarity

    def _merge(self, nodes: Nodes, place: Ints, offered: Ints, similarity: Floats) -> None:
        """Let lists keep the most similar of what they hold and of what is offered (one offer a row)."""
        order = np.argsort(place, kind="stable")
        place, offered, similarity = place[order], offered[order], similarity[order]
        rows, start, count = np.unique(place, return_index=True, return_counts=True)
        row = np.repeat(np.arange(len(rows)), count)
        column = PART_NEIGHBOURS + np.arange(len(place)) - start[row]
        slots = np.full((len(rows), PART_NEIGHBOURS + int(count.max(initial=0))), -1)
        values = np.full(slots.shape, -np.inf)
        slots[:, :PART_NEIGHBOURS], values[:, :PART_NEIGHBOURS] = self.near[rows], self.similarity[rows]
        slots[row, column], values[row, column] = offered, similarity
        best = np.lexsort((nodes.key[slots], -values), axis=1)[:, :PART_NEIGHBOURS]
        self.near[rows] = np.take_along_axis(slots, best, 1)
        self.similarity[rows] = np.take_along_axis(values, best, 1)
