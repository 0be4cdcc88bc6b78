"""The lists of nearest neighbours of a graph's nodes, as arrays, and what an update changes in them.

A list keeps some more neighbours than the graph has edges for. When a neighbour goes, the next one takes its place, and
the list is still that of the nearest: it must be made again only after it has lost all its spare ones. A list may
therefore be shorter than others. What it holds is always the beginning of the whole order, nearest first, equally near
ones by fingerprint: a new node enters a list only if it comes before the last entry, since what comes after that is not
known, unless the list names all nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array
from indexers.types import Ids, Vectors

SPARE = 5
"""Neighbours that a list keeps beyond those that count."""
MERGED = 4096
"""Lists that are merged with offers at once."""

Fingerprints = NDArray[np.uint64]


class NeighbourLists:
    """The lists, by slot.

    k: neighbours that count. near: int32 (slots, k + SPARE), nearest first, -1 where there are fewer. similarity:
    float32, likewise: products of rounded vectors, whole numbers; -inf where there is no neighbour. looked: int64
    (slots,), the update in which each list was made. changed: int64 (slots,), when each list was last written: `now`
    counts the calls of `begin`.
    """

    def __init__(self, k: int) -> None:
        self.k, self.width = k, k + SPARE
        self.near = np.empty((0, self.width), np.int32)
        self.similarity = np.empty((0, self.width), np.float32)
        self.looked = np.empty(0, np.int64)
        self.changed, self.now = np.empty(0, np.int64), 0
        self._log: list[tuple[Ids, NDArray[np.int32]]] = []  # in an update: lists as they were before
        self._is_logged = np.zeros(0, bool)

    def grow(self, length: int) -> None:
        """Make room for so many lists."""
        self.near = grow_array(self.near, length, -1)
        self.similarity = grow_array(self.similarity, length, -np.inf)
        self.looked, self.changed = grow_array(self.looked, length, 0), grow_array(self.changed, length, self.now)
        self._is_logged = grow_array(self._is_logged, length, False)

    def begin(self) -> None:
        """Begin an update: `compare` will compare with the lists as they are now."""
        self._log, self._is_logged = [], np.zeros(len(self.near), bool)
        self.now += 1

    def lengths(self, slots: Ids) -> Ints:
        """Return the number of neighbours in each list."""
        lengths = np.full(len(slots), self.width)
        short = np.flatnonzero(self.near[slots, -1] < 0)  # most lists are full
        lengths[short] = (self.near[slots[short]] >= 0).sum(1)
        return lengths

    def find_last(self, slots: Ids, other_count: int, fingerprints: Fingerprints) -> tuple[Vectors, Fingerprints]:
        """Return what a new node must come before to enter each list: the similarity and fingerprint of the last entry.

        other_count: the number of nodes besides the owner. A list that names all of them takes in any node (-inf), an
        empty one of others none (inf).
        """
        lengths = self.lengths(slots)
        last = np.maximum(lengths - 1, 0)
        similarity, keys = self.similarity[slots, last], fingerprints[self.near[slots, last]]
        similarity[lengths == 0] = np.inf
        if other_count < self.width:
            similarity[lengths == other_count] = -np.inf
        return similarity, keys

    def clear(self, slots: Ids) -> None:
        """Empty lists."""
        self._note(slots)
        self.near[slots], self.similarity[slots] = -1, -np.inf

    def remove(self, dying: Ids) -> Ids:
        """Remove nodes from all lists, and empty their own; return the others whose lists became shorter."""
        if not len(dying):
            return dying
        is_dying = np.zeros(len(self.near), bool)
        is_dying[dying] = True
        names_dying = is_dying[self.near] & (self.near >= 0)
        rows = np.flatnonzero(names_dying.any(1))
        rows, names_dying = rows[~is_dying[rows]], names_dying[rows[~is_dying[rows]]]
        self._note(rows)
        self.near[rows], self.similarity[rows] = _close_gaps(self.near[rows], self.similarity[rows], ~names_dying)
        self.clear(dying)
        return rows

    def merge(self, owner: Ids, offered: Ids, similarity: Vectors, fingerprints: Fingerprints) -> None:
        """Let each list keep the nearest of what it holds and of what is offered to its owner (one offer a row)."""
        order = np.argsort(owner, kind="stable")
        owner, offered, similarity = owner[order], offered[order], similarity[order]
        start = np.flatnonzero(np.append(True, owner[1:] != owner[:-1])) if len(owner) else NO_INTS
        count = np.diff(np.append(start, len(owner)))
        by_count = np.argsort(count, kind="stable")  # lists of about as many offers are padded to the same length
        for begin in range(0, len(start), MERGED):
            part = by_count[begin : begin + MERGED]
            length = count[part]
            row = np.repeat(np.arange(len(part)), length)
            column = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
            place = start[part][row] + column
            candidates = np.full((len(part), self.width + int(length.max())), -1, np.int64)
            values = np.full(candidates.shape, -np.inf, np.float32)
            slots = owner[start[part]]
            candidates[:, : self.width], values[:, : self.width] = self.near[slots], self.similarity[slots]
            candidates[row, self.width + column], values[row, self.width + column] = offered[place], similarity[place]
            self._note(slots)
            self.near[slots], self.similarity[slots] = self._choose_nearest(candidates, values, fingerprints)

    def _choose_nearest(
        self, candidates: Ids, similarity: Vectors, fingerprints: Fingerprints
    ) -> tuple[NDArray[np.int32], Vectors]:
        """Return the nearest of each row of candidates, each once, in order; -1 and -inf where there are fewer."""
        order = np.argsort(-similarity, axis=1)
        values = np.take_along_axis(similarity, order, 1)
        tied = np.flatnonzero(((values[:, 1:] == values[:, :-1]) & (values[:, 1:] > -np.inf)).any(1))
        near = np.take_along_axis(candidates, order[:, : self.width], 1).astype(np.int32)
        values = values[:, : self.width].copy()
        if len(tied):  # equally near, or named twice
            row, column = np.nonzero(candidates[tied] >= 0)
            slots = candidates[tied][row, column]
            _, once = np.unique(row * len(self.near) + slots, return_index=True)
            row, slots, value = row[once], slots[once], similarity[tied[row[once]], column[once]]
            order = np.lexsort((fingerprints[slots], -value, row))
            row, slots, value = row[order], slots[order], value[order]
            rank = np.arange(len(row)) - np.searchsorted(row, row)
            keep = rank < self.width
            near[tied], values[tied] = -1, -np.inf
            near[tied[row[keep]], rank[keep]], values[tied[row[keep]], rank[keep]] = slots[keep], value[keep]
        return near, values

    def _note(self, slots: Ids) -> None:
        """Note how lists are before they are changed for the first time in an update."""
        self.changed[slots] = self.now
        first = slots[~self._is_logged[slots]]
        self._is_logged[first] = True
        self._log.append((first, self.near[first, : self.k]))

    # ---- edges: there is one if at least one of two nodes has the other among its first k

    def compare(self) -> tuple[Ids, Ids]:
        """Return the edges that have appeared and vanished since `begin`, as links owner * slots + neighbour."""
        if not self._log:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        slots = np.concatenate([part for part, _ in self._log])
        width = len(self.near)
        old = encode_links(slots, np.concatenate([rows for _, rows in self._log]), width)
        new = encode_links(slots, self.near[slots, : self.k], width)
        lost, won = np.setdiff1d(old, new, assume_unique=True), np.setdiff1d(new, old, assume_unique=True)
        gone = lost[~self._is_listed(lost % width, lost // width)]
        reverse = won % width * width + won // width
        was_edge = np.isin(reverse, old) | (~self._is_logged[won % width] & self._is_listed(won % width, won // width))
        return won[~was_edge], gone

    def links(self) -> Ids:
        """Return all edges as links owner * slots + neighbour, most of them twice."""
        return encode_links(np.arange(len(self.near)), self.near[:, : self.k], max(len(self.near), 1))

    def _is_listed(self, owners: Ids, neighbours: Ids) -> NDArray[np.bool_]:
        """Return for each pair whether the owner lists the neighbour."""
        is_listed: NDArray[np.bool_] = (self.near[owners, : self.k] == neighbours[:, None]).any(1)
        return is_listed


def encode_links(slots: Ids, rows: NDArray[np.int32], width: int) -> Ids:
    """Return each link from a slot to one in its row as one number, owner * width + neighbour; sorted."""
    owner, column = np.nonzero(rows >= 0)
    return np.sort(slots[owner] * width + rows[owner, column])


def _close_gaps(
    near: NDArray[np.int32], similarity: Vectors, keep: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], Vectors]:
    """Return rows without the entries that are not kept; what is kept moves up, and -1 and -inf fill the ends."""
    order = np.argsort(~keep, axis=1, kind="stable")
    is_kept = np.take_along_axis(keep, order, 1)
    near, similarity = np.take_along_axis(near, order, 1), np.take_along_axis(similarity, order, 1)
    return np.where(is_kept, near, -1), np.where(is_kept, similarity, -np.inf).astype(np.float32)
