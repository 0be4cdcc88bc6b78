"""The graph of nearest neighbours of a living collection, kept right as items come and go.

A node is a distinct vector (in the tree's fixed point), so that exact copies are one node with several items. Each node
keeps a list of its k nearest other ones. A new node looks for its neighbours, and enters the lists of those that it is
nearer to than their last; one that goes leaves all lists, and lists that got short are filled again. Where the index
only finds most neighbours, whoever is looked at later finds the rest: what A finds near, A is offered to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import grow_array
from indexers.types import Ids, Vectors

NEIGHBOURS = 15
"""Neighbours kept of each node."""
WIDE, NARROW = 64, 24
"""Neighbours looked up: of a new node among many, which may enter lists of nodes far down its own; of all at once."""
AGAIN = 4
"""Where copies fill the answer, so many times as many are asked for."""

FindNeighbours = Callable[[Ids, int], tuple[Ids, Vectors]]
"""Items (n,) and a count -> the items nearest to each, (n, count), -1 where there are no more, and similarities."""
Fingerprints = NDArray[np.uint64]


class EdgeChanges(NamedTuple):
    """Undirected edges, (m, 2), by one item of each of the two nodes."""

    new: Ids
    gone: Ids


class NeighbourGraph:
    """near: int32 (slots, k), the neighbours of each node, nearest first, -1 where there are fewer; similarity:
    float32, likewise. item: int64 (slots,), an item of each node, -1 in an unused slot. slot: int32 by item, -1 where
    there is none. prints: uint64, the fingerprint of each node's vector.
    """

    def __init__(self, k: int = NEIGHBOURS) -> None:
        self.k = k
        self.near = np.empty((0, k), np.int32)
        self.similarity = np.empty((0, k), np.float32)
        self.item = np.empty(0, np.int64)
        self.prints = np.empty(0, np.uint64)
        self.slot = np.empty(0, np.int32)
        self.copies: dict[int, list[int]] = {}  # by slot: its other items
        self._keys = np.empty(0, np.uint64)  # sorted prints, and the slots that have them
        self._owners = np.empty(0, np.int64)
        self._free: list[int] = []
        self._seen: list[tuple[Ids, NDArray[np.int32]]] = []  # in an update: rows as they were before

    def __len__(self) -> int:
        """Nodes."""
        return len(self._keys)

    def items(self) -> Ids:
        return np.flatnonzero(self.slot >= 0)

    def list_neighbours(self, items: Ids) -> Ids:
        """The neighbours of each of all its items (sorted), int64 (n, k), as places among them, nearest first, -1 where
        there are fewer. The copies of an item have it as the first of theirs."""
        slot = self.slot[items]
        near = self.near[slot]
        place = np.where(near >= 0, np.searchsorted(items, self.item[near]), -1)
        copies = np.flatnonzero(self.item[slot] != items)
        first = np.searchsorted(items, self.item[slot[copies]])
        place[copies] = np.concatenate([first[:, None], place[copies, :-1]], 1)
        return place

    def update(
        self, removed: Ids, added: Ids, fingerprints: Fingerprints, find_neighbours: FindNeighbours
    ) -> EdgeChanges:
        """Items go, and come (with the fingerprints of their vectors; one that is there gets another vector). `find`
        must know the items as they are afterwards. Returns how the edges have changed."""
        self._seen = []
        self._logged = np.zeros(len(self.item), bool)
        here = self._here(np.concatenate([removed, added]))
        dying = self._leave(np.unique(here))
        hurt = self._forget(dying)
        fresh = self._enter(added, fingerprints)
        looked = np.concatenate([fresh, hurt])
        self._look(looked, find_neighbours, NARROW if 2 * len(looked) > len(self) else WIDE)
        pairs = self._pairs()
        self.item[dying] = -1
        self._free += dying.tolist()
        self._seen = []
        return pairs

    # ---- items

    def _here(self, items: Ids) -> Ids:
        inside = items[(items >= 0) & (items < len(self.slot))]
        return inside[self.slot[inside] >= 0]

    def _leave(self, items: Ids) -> Ids:
        """Items leave their nodes; the slots of those that have none left (which keep the name of the last one for as
        long as the update lasts)."""
        slots = self.slot[items].astype(np.int64)
        self.slot[items] = -1
        dying = []
        for one, slot in zip(items.tolist(), slots.tolist(), strict=True):
            others = self.copies.get(slot)
            if others is None:
                dying.append(slot)
                continue
            if self.item[slot] == one:
                self.item[slot] = others.pop(0)
            else:
                others.remove(one)
            if not others:
                del self.copies[slot]
        gone = np.array(dying, np.int64)
        place = np.searchsorted(self._keys, self.prints[gone])
        self._keys, self._owners = np.delete(self._keys, place), np.delete(self._owners, place)
        return gone

    def _enter(self, items: Ids, prints: Fingerprints) -> Ids:
        """Items enter the nodes of their vectors; the slots of new nodes."""
        if not len(items):
            return np.empty(0, np.int64)
        unique, first, group = np.unique(prints, return_index=True, return_inverse=True)
        place = np.searchsorted(self._keys, unique)
        known = np.zeros(len(unique), bool)
        if len(self._keys):
            known = self._keys[np.minimum(place, len(self._keys) - 1)] == unique
        slots = np.empty(len(unique), np.int64)
        slots[known] = self._owners[place[known]]
        fresh = slots[~known] = self._allocate(int(np.count_nonzero(~known)))
        self.item[fresh], self.prints[fresh] = items[first[~known]], unique[~known]
        self._keys = np.insert(self._keys, place[~known], unique[~known])
        self._owners = np.insert(self._owners, place[~known], fresh)
        if items.max() >= len(self.slot):
            self.slot = grow_array(self.slot, int(items.max()) * 9 // 8 + 16, -1)
        self.slot[items] = slots[group]
        for one, slot in zip(items.tolist(), slots[group].tolist(), strict=True):
            if self.item[slot] != one:
                self.copies.setdefault(slot, []).append(one)
        return fresh

    def _allocate(self, count: int) -> Ids:
        if len(self._free) < count:
            used = len(self.item)
            length = max(used + count - len(self._free), used * 9 // 8 + 16)
            self.near = grow_array(self.near, length, -1)
            self.similarity = grow_array(self.similarity, length, -np.inf)
            self.item = grow_array(self.item, length, -1)
            self.prints = grow_array(self.prints, length, 0)
            self._logged = grow_array(self._logged, length, False)
            self._free = [*range(length - 1, used - 1, -1), *self._free]
        taken = self._free[len(self._free) - count :]
        del self._free[len(self._free) - count :]
        return np.array(taken[::-1], np.int64)

    # ---- lists

    def _log(self, slots: Ids) -> None:
        """Before lists are changed: remember how they were."""
        first = slots[~self._logged[slots]]
        self._logged[first] = True
        self._seen.append((first, self.near[first]))

    def _forget(self, dying: Ids) -> Ids:
        """Dying nodes leave all lists; the nodes whose lists got short."""
        if not len(dying):
            return dying
        gone = np.zeros(len(self.item), bool)
        gone[dying] = True
        named = gone[self.near] & (self.near >= 0)
        rows = np.flatnonzero(named.any(1))
        self._log(np.union1d(rows, dying))
        self.near[rows], self.similarity[rows] = _closed(self.near[rows], self.similarity[rows], ~named[rows])
        self.near[dying], self.similarity[dying] = -1, -np.inf
        return rows[~gone[rows]]

    def _look(self, slots: Ids, find: FindNeighbours, count: int) -> None:
        """Fill the lists of these nodes, and offer them to those that they find near."""
        slots = slots.astype(np.int64)
        short = slots
        offered: list[tuple[Ids, Ids, Vectors]] = []
        while len(short):
            owner, near, similarity = self._found(short, find, count)
            self._merge(short[owner], near, similarity)
            offered.append((near, short[owner], similarity))
            if count >= len(self.slot):
                break
            lacking = (self.near[short] >= 0).sum(1) < min(self.k, len(self) - 1)
            short, count = short[lacking], count * AGAIN
        if offered:
            self._merge(*(np.concatenate(part) for part in zip(*offered, strict=True)))

    def _found(self, slots: Ids, find: FindNeighbours, count: int) -> tuple[Ids, Ids, Vectors]:
        """Other nodes near these: for each its owner's place in `slots`, its slot, and how similar it is."""
        ids, similarity = find(self.item[slots], count + 1)
        owner, place = np.nonzero((ids >= 0) & (ids < len(self.slot)))
        near = self.slot[ids[owner, place]].astype(np.int64)
        other = (near >= 0) & (near != slots[owner])
        return owner[other], near[other], similarity[owner, place][other]

    def _merge(self, owner: Ids, other: Ids, similarity: Vectors) -> None:
        """Give nodes the nearest of what they have and what they are offered."""
        better = similarity > self.similarity[owner, self.k - 1]
        owner, other, similarity = owner[better], other[better], similarity[better]
        if not len(owner):
            return
        rows, place = np.unique(owner, return_inverse=True)
        have, filled = np.nonzero(self.near[rows] >= 0)
        place = np.concatenate([have, place])
        other = np.concatenate([self.near[rows][have, filled].astype(np.int64), other])
        similarity = np.concatenate([self.similarity[rows][have, filled], similarity])
        _, once = np.unique(place * len(self.item) + other, return_index=True)
        place, other, similarity = place[once], other[once], similarity[once]
        order = np.lexsort((self.prints[other], -similarity, place))
        place, other, similarity = place[order], other[order], similarity[order]
        rank = np.arange(len(place)) - np.searchsorted(place, place)
        kept = rank < self.k
        self._log(rows)
        self.near[rows], self.similarity[rows] = -1, -np.inf
        self.near[rows[place[kept]], rank[kept]] = other[kept]
        self.similarity[rows[place[kept]], rank[kept]] = similarity[kept]

    # ---- edges

    def _pairs(self) -> EdgeChanges:
        """What the lists that were written say otherwise than before. An edge is there if one of its two nodes names
        the other."""
        if not self._seen:
            return EdgeChanges(np.empty((0, 2), np.int64), np.empty((0, 2), np.int64))
        slots = np.concatenate([part for part, _ in self._seen])
        width = len(self.item)
        old = _directed(slots, np.concatenate([rows for _, rows in self._seen]), width)
        new = _directed(slots, self.near[slots], width)
        lost, won = np.setdiff1d(old, new, assume_unique=True), np.setdiff1d(new, old, assume_unique=True)
        gone = lost[~self._named(lost % width, lost // width)]
        back = won % width * width + won // width
        there = np.isin(back, old) | (~self._logged[won % width] & self._named(won % width, won // width))
        return EdgeChanges(self._as_items(won[~there], width), self._as_items(gone, width))

    def _named(self, owner: Ids, other: Ids) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.near[owner] == other[:, None]).any(1)
        return found

    def _as_items(self, keys: Ids, width: int) -> Ids:
        a, b = keys // width, keys % width
        once = np.unique(np.minimum(a, b) * width + np.maximum(a, b))
        return np.stack([self.item[once // width], self.item[once % width]], axis=1)

    def edges(self) -> Ids:
        """All undirected edges, (m, 2), by an item of each node."""
        keys = _directed(np.arange(len(self.item)), self.near, max(len(self.item), 1))
        return self._as_items(keys, max(len(self.item), 1))

    # ---- keeping

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        items = self.items()
        return {
            "near": self.near,
            "similarity": self.similarity,
            "item": self.item,
            "prints": self.prints,
            "items": items,
            "slots": self.slot[items],
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NeighbourGraph:
        graph = cls(arrays["near"].shape[1])
        graph.near, graph.similarity = arrays["near"], arrays["similarity"]
        graph.item, graph.prints = arrays["item"], arrays["prints"]
        items, slots = arrays["items"], arrays["slots"].astype(np.int64)
        graph.slot = np.full(int(items.max(initial=-1)) + 1, -1, np.int32)
        graph.slot[items] = slots
        for place in np.flatnonzero(graph.item[slots] != items).tolist():
            graph.copies.setdefault(int(slots[place]), []).append(int(items[place]))
        used = np.flatnonzero(graph.item >= 0)
        order = np.argsort(graph.prints[used], kind="stable")
        graph._keys, graph._owners = graph.prints[used][order], used[order]
        graph._free = np.flatnonzero(graph.item < 0).tolist()
        return graph


def _directed(slots: Ids, rows: NDArray[np.int32], width: int) -> Ids:
    owner, place = np.nonzero(rows >= 0)
    return np.sort(slots[owner] * width + rows[owner, place])


def _closed(near: Any, similarity: Any, keep: NDArray[np.bool_]) -> tuple[Any, Any]:
    """Rows without what is not kept, the gaps at their ends."""
    order = np.argsort(~keep, axis=1, kind="stable")
    kept = np.take_along_axis(keep, order, 1)
    near, similarity = np.take_along_axis(near, order, 1), np.take_along_axis(similarity, order, 1)
    return np.where(kept, near, -1), np.where(kept, similarity, -np.inf).astype(np.float32)
