"""The graph of nearest neighbours of a living collection, maintained as items come and go.

A node is a distinct vector (in the tree's fixed point), so that items of identical vectors share one node. Each node
keeps a list of its k nearest other nodes. A new node searches for its neighbours, and enters the lists of those to
which it is nearer than their last one; a node that goes leaves all lists, and lists that became short are filled again.
The index may miss neighbours; each result is also inserted into the found node's own list, which repairs most misses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import grow_array
from indexers.types import Ids, Vectors

NEIGHBOURS = 15
"""Neighbours that each node keeps."""
WIDE_SEARCH, NARROW_SEARCH = 64, 24
"""Neighbours searched for: wide for a few new nodes among many, which may enter lists of nodes far down their own list;
narrow if most nodes are searched for."""
GROWTH = 4
"""By this factor more is searched for if items of identical vectors fill the result."""

FindNeighbours = Callable[[Ids, int], tuple[Ids, Vectors]]
"""Item ids (n,) and a count -> the nearest items of each, int64 (n, count), -1 where there are no more, and their
similarities, float32."""
Fingerprints = NDArray[np.uint64]


class EdgeChanges(NamedTuple):
    """Undirected edges that appeared and vanished, int64 (m, 2), each by an item id of either node."""

    new: Ids
    gone: Ids


class NeighbourGraph:
    """The lists of neighbours, by slot (a number for each node).

    near: int32 (slots, k), the neighbours of each node, nearest first, -1 where there are fewer; similarity: float32,
    likewise. item: int64 (slots,), an item of each node, -1 in an unused slot. fingerprints: uint64 (slots,), of each
    node's vector. other_items: the further items of a node, by slot. slot: int32, the slot of each item id, -1 where
    there is no such item.
    """

    def __init__(self, k: int = NEIGHBOURS) -> None:
        self.k = k
        self.near = np.empty((0, k), np.int32)
        self.similarity = np.empty((0, k), np.float32)
        self.item = np.empty(0, np.int64)
        self.fingerprints = np.empty(0, np.uint64)
        self.slot = np.empty(0, np.int32)
        self.other_items: dict[int, list[int]] = {}
        self._keys = np.empty(0, np.uint64)  # the fingerprints of all nodes, sorted, and their slots
        self._key_slots = np.empty(0, np.int64)
        self._free: list[int] = []
        self._log: list[tuple[Ids, NDArray[np.int32]]] = []  # in an update: lists as they were before

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._keys)

    def items(self) -> Ids:
        """Return the ids of all items, sorted."""
        return np.flatnonzero(self.slot >= 0)

    def list_neighbours(self, items: Ids) -> Ids:
        """Return the neighbours of each of all items (sorted), int64 (n, k), as places in `items`.

        The nearest come first; -1 where there are fewer. Items of identical vectors name the first of them as their
        nearest.
        """
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
        """Remove and add items; return how the edges have changed.

        An added item that is in the graph gets another vector. fingerprints: of the vectors of `added`.
        find_neighbours: must search the items as they are afterwards.
        """
        self._log = []
        self._is_logged = np.zeros(len(self.item), bool)
        leaving = self._select_known(np.concatenate([removed, added]))
        dying = self._remove_items(np.unique(leaving))
        shortened = self._remove_from_lists(dying)
        fresh = self._add_items(added, fingerprints)
        searching = np.concatenate([fresh, shortened])
        count = NARROW_SEARCH if 2 * len(searching) > len(self) else WIDE_SEARCH
        self._fill_lists(searching, find_neighbours, count)
        changes = self._compare_edges()
        self.item[dying] = -1
        self._free += dying.tolist()
        self._log = []
        return changes

    # ---- items

    def _select_known(self, items: Ids) -> Ids:
        """Return those of the items that are in the graph."""
        inside = items[(items >= 0) & (items < len(self.slot))]
        return inside[self.slot[inside] >= 0]

    def _remove_items(self, items: Ids) -> Ids:
        """Take items out of their nodes; return the slots of the nodes that have none left.

        Such a slot keeps its last item until the end of the update, since edges are named by items.
        """
        slots = self.slot[items].astype(np.int64)
        self.slot[items] = -1
        dying = []
        for item_id, slot in zip(items.tolist(), slots.tolist(), strict=True):
            remaining = self.other_items.get(slot)
            if remaining is None:
                dying.append(slot)
                continue
            if self.item[slot] == item_id:
                self.item[slot] = remaining.pop(0)
            else:
                remaining.remove(item_id)
            if not remaining:
                del self.other_items[slot]
        dying_slots = np.array(dying, np.int64)
        place = np.searchsorted(self._keys, self.fingerprints[dying_slots])
        self._keys, self._key_slots = np.delete(self._keys, place), np.delete(self._key_slots, place)
        return dying_slots

    def _add_items(self, items: Ids, fingerprints: Fingerprints) -> Ids:
        """Put items into the nodes of their vectors; return the slots of new nodes."""
        if not len(items):
            return np.empty(0, np.int64)
        unique, first, group = np.unique(fingerprints, return_index=True, return_inverse=True)
        place = np.searchsorted(self._keys, unique)
        is_known = np.zeros(len(unique), bool)
        if len(self._keys):
            is_known = self._keys[np.minimum(place, len(self._keys) - 1)] == unique
        slots = np.empty(len(unique), np.int64)
        slots[is_known] = self._key_slots[place[is_known]]
        fresh = slots[~is_known] = self._allocate(int(np.count_nonzero(~is_known)))
        self.item[fresh], self.fingerprints[fresh] = items[first[~is_known]], unique[~is_known]
        self._keys = np.insert(self._keys, place[~is_known], unique[~is_known])
        self._key_slots = np.insert(self._key_slots, place[~is_known], fresh)
        if items.max() >= len(self.slot):
            self.slot = grow_array(self.slot, int(items.max()) * 9 // 8 + 16, -1)
        self.slot[items] = slots[group]
        for item_id, slot in zip(items.tolist(), slots[group].tolist(), strict=True):
            if self.item[slot] != item_id:
                self.other_items.setdefault(slot, []).append(item_id)
        return fresh

    def _allocate(self, count: int) -> Ids:
        """Return `count` unused slots."""
        if len(self._free) < count:
            used = len(self.item)
            length = max(used + count - len(self._free), used * 9 // 8 + 16)
            self.near = grow_array(self.near, length, -1)
            self.similarity = grow_array(self.similarity, length, -np.inf)
            self.item = grow_array(self.item, length, -1)
            self.fingerprints = grow_array(self.fingerprints, length, 0)
            self._is_logged = grow_array(self._is_logged, length, False)
            self._free = [*range(length - 1, used - 1, -1), *self._free]
        slots = self._free[len(self._free) - count :]
        del self._free[len(self._free) - count :]
        return np.array(slots[::-1], np.int64)

    # ---- lists

    def _log_lists(self, slots: Ids) -> None:
        """Note how lists are before they are changed for the first time in an update."""
        first = slots[~self._is_logged[slots]]
        self._is_logged[first] = True
        self._log.append((first, self.near[first]))

    def _remove_from_lists(self, dying: Ids) -> Ids:
        """Remove dying nodes from all lists; return the nodes whose lists became shorter."""
        if not len(dying):
            return dying
        is_dying = np.zeros(len(self.item), bool)
        is_dying[dying] = True
        names_dying = is_dying[self.near] & (self.near >= 0)
        rows = np.flatnonzero(names_dying.any(1))
        self._log_lists(np.union1d(rows, dying))
        self.near[rows], self.similarity[rows] = _close_gaps(self.near[rows], self.similarity[rows], ~names_dying[rows])
        self.near[dying], self.similarity[dying] = -1, -np.inf
        return rows[~is_dying[rows]]

    def _fill_lists(self, slots: Ids, find_neighbours: FindNeighbours, count: int) -> None:
        """Fill the lists of nodes by searches, and insert each of these nodes into the lists of those it finds."""
        slots = slots.astype(np.int64)
        short = slots
        offers: list[tuple[Ids, Ids, Vectors]] = []
        while len(short):
            owner, near, similarity = self._search_nodes(short, find_neighbours, count)
            self._merge_into_lists(short[owner], near, similarity)
            offers.append((near, short[owner], similarity))
            if count >= len(self.slot):
                break
            is_lacking = (self.near[short] >= 0).sum(1) < min(self.k, len(self) - 1)
            short, count = short[is_lacking], count * GROWTH
        if offers:
            self._merge_into_lists(*(np.concatenate(column) for column in zip(*offers, strict=True)))

    def _search_nodes(self, slots: Ids, find_neighbours: FindNeighbours, count: int) -> tuple[Ids, Ids, Vectors]:
        """Search for other nodes near these; return of each result its owner's place in `slots`, its slot and its
        similarity."""
        ids, similarity = find_neighbours(self.item[slots], count + 1)
        owner, place = np.nonzero((ids >= 0) & (ids < len(self.slot)))
        near = self.slot[ids[owner, place]].astype(np.int64)
        is_other = (near >= 0) & (near != slots[owner])
        return owner[is_other], near[is_other], similarity[owner, place][is_other]

    def _merge_into_lists(self, owner: Ids, offered: Ids, similarity: Vectors) -> None:
        """Let each list keep the nearest of what it holds and what is offered to its owner (one offer a row)."""
        is_better = similarity > self.similarity[owner, self.k - 1]
        owner, offered, similarity = owner[is_better], offered[is_better], similarity[is_better]
        if not len(owner):
            return
        rows, place = np.unique(owner, return_inverse=True)
        listed, column = np.nonzero(self.near[rows] >= 0)
        place = np.concatenate([listed, place])
        offered = np.concatenate([self.near[rows][listed, column].astype(np.int64), offered])
        similarity = np.concatenate([self.similarity[rows][listed, column], similarity])
        _, once = np.unique(place * len(self.item) + offered, return_index=True)
        place, offered, similarity = place[once], offered[once], similarity[once]
        order = np.lexsort((self.fingerprints[offered], -similarity, place))
        place, offered, similarity = place[order], offered[order], similarity[order]
        rank = np.arange(len(place)) - np.searchsorted(place, place)
        keep = rank < self.k
        self._log_lists(rows)
        self.near[rows], self.similarity[rows] = -1, -np.inf
        self.near[rows[place[keep]], rank[keep]] = offered[keep]
        self.similarity[rows[place[keep]], rank[keep]] = similarity[keep]

    # ---- edges

    def _compare_edges(self) -> EdgeChanges:
        """Return what the written lists say otherwise than before.

        There is an edge if at least one of its two nodes lists the other.
        """
        if not self._log:
            return EdgeChanges(np.empty((0, 2), np.int64), np.empty((0, 2), np.int64))
        slots = np.concatenate([part for part, _ in self._log])
        width = len(self.item)
        old = _encode_links(slots, np.concatenate([rows for _, rows in self._log]), width)
        new = _encode_links(slots, self.near[slots], width)
        lost, won = np.setdiff1d(old, new, assume_unique=True), np.setdiff1d(new, old, assume_unique=True)
        gone = lost[~self._is_listed(lost % width, lost // width)]
        reverse = won % width * width + won // width
        was_edge = np.isin(reverse, old) | (~self._is_logged[won % width] & self._is_listed(won % width, won // width))
        return EdgeChanges(self._name_edges(won[~was_edge], width), self._name_edges(gone, width))

    def _is_listed(self, owners: Ids, neighbours: Ids) -> NDArray[np.bool_]:
        """Return for each pair whether the owner lists the neighbour."""
        is_listed: NDArray[np.bool_] = (self.near[owners] == neighbours[:, None]).any(1)
        return is_listed

    def _name_edges(self, links: Ids, width: int) -> Ids:
        """Return encoded links as undirected edges between items, each once, int64 (m, 2)."""
        a, b = links // width, links % width
        once = np.unique(np.minimum(a, b) * width + np.maximum(a, b))
        return np.stack([self.item[once // width], self.item[once % width]], axis=1)

    def edges(self) -> Ids:
        """Return all undirected edges, int64 (m, 2), each by an item of either node."""
        width = max(len(self.item), 1)
        return self._name_edges(_encode_links(np.arange(len(self.item)), self.near, width), width)

    # ---- the state as arrays

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the graph as plain arrays."""
        items = self.items()
        return {
            "near": self.near,
            "similarity": self.similarity,
            "item": self.item,
            "prints": self.fingerprints,
            "items": items,
            "slots": self.slot[items],
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NeighbourGraph:
        """Return the graph that `to_arrays` described. It keeps the arrays."""
        graph = cls(arrays["near"].shape[1])
        graph.near, graph.similarity = arrays["near"], arrays["similarity"]
        graph.item, graph.fingerprints = arrays["item"], arrays["prints"]
        items, slots = arrays["items"], arrays["slots"].astype(np.int64)
        graph.slot = np.full(int(items.max(initial=-1)) + 1, -1, np.int32)
        graph.slot[items] = slots
        for place in np.flatnonzero(graph.item[slots] != items).tolist():
            graph.other_items.setdefault(int(slots[place]), []).append(int(items[place]))
        used = np.flatnonzero(graph.item >= 0)
        order = np.argsort(graph.fingerprints[used], kind="stable")
        graph._keys, graph._key_slots = graph.fingerprints[used][order], used[order]
        graph._free = np.flatnonzero(graph.item < 0).tolist()
        return graph


def _encode_links(slots: Ids, rows: NDArray[np.int32], width: int) -> Ids:
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
