"""The graph of nearest neighbours of a living collection, maintained as items come and go.

A node is a distinct vector (in the tree's fixed point), so that items of identical vectors share one node. Each node
keeps a list of its k nearest other nodes by cosine similarity, as whole numbers; equally near ones are ordered by
fingerprint. Up to `neighbour_search.EXACT` nodes the lists are exact after each update, so that the graph depends on
the vectors alone and not on what came when.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, contains, grow_array
from indexers.tree.fixed_point import UNIT, compute_fingerprints
from indexers.tree.neighbour_lists import Fingerprints, NeighbourLists
from indexers.tree.neighbour_search import (
    EXACT,
    FILL,
    NARROW_SEARCH,
    NEW_PER_AGAIN,
    SEARCHED_AGAIN,
    SEARCHES_AGAIN,
    WIDE_SEARCH,
    FindNeighbours,
    NeighbourSearch,
)
from indexers.tree.rounded_vectors import RoundedVectors
from indexers.tree.walks import LinkLists
from indexers.types import Ids, Vectors

NEIGHBOURS = 15
"""Neighbours that each node has edges to."""
SAMPLE = 200
"""Lists by which the graph is judged: .2 s among 100,000 nodes of 512 dimensions."""


class EdgeChanges(NamedTuple):
    """Undirected edges that appeared and vanished, int64 (m, 2), each by an item id of either node."""

    new: Ids
    gone: Ids


class NeighbourGraph:
    """The nodes and their lists, by slot (a number for each node).

    lists: see NeighbourLists. item: int64 (slots,), an item of each node, -1 in an unused slot. fingerprints: uint64
    (slots,), of each node's vector. other_items: the further items of a node, by slot. slot: int32, the slot of each
    item id, -1 where there is no such item.

    updates: how many there were. exact_since: the update since which no node was searched for in an index: lists that
    were made since are exact.
    """

    def __init__(self, k: int = NEIGHBOURS) -> None:
        self.lists = NeighbourLists(k)
        self.item = np.empty(0, np.int64)
        self.fingerprints = np.empty(0, np.uint64)
        self.slot = np.empty(0, np.int32)
        self.other_items: dict[int, list[int]] = {}
        self.updates = self.exact_since = 0
        self._keys = np.empty(0, np.uint64)  # the fingerprints of all nodes, sorted, and their slots
        self._key_slots = np.empty(0, np.int64)
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self._keys)

    def items(self) -> Ids:
        """Return the ids of all items, sorted."""
        return np.flatnonzero(self.slot >= 0)

    @property
    def k(self) -> int:
        """The neighbours that each node has edges to."""
        return self.lists.k

    @property
    def near(self) -> NDArray[np.int32]:
        """The neighbours of each node, int32 (slots, k), nearest first, -1 where there are fewer."""
        return self.lists.near[:, : self.k]

    @property
    def similarity(self) -> Vectors:
        """The cosine similarities of `near`, float32 (slots, k), -inf where there is no neighbour."""
        return self.lists.similarity[:, : self.k] / np.float32(UNIT)

    def find_slots(self, items: Ids) -> Ids:
        """Return the slot of each item's node, int64 (n,), -1 for items that are not in the graph."""
        is_within = (items >= 0) & (items < len(self.slot))
        slots = np.full(len(items), -1)
        slots[is_within] = self.slot[items[is_within]]
        return slots

    def list_items(self, slots: Ids) -> tuple[Ids, Ids]:
        """Return all items of nodes: of each the place of its node in `slots`, and its id."""
        owner, items = [np.arange(len(slots))], [self.item[slots]]
        for place in np.flatnonzero(np.isin(slots, list(self.other_items))).tolist() if self.other_items else ():
            others = self.other_items[int(slots[place])]
            owner.append(np.full(len(others), place))
            items.append(np.array(others, np.int64))
        return np.concatenate(owner), np.concatenate(items)

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

    def link_items(self, count: int) -> LinkLists:
        """Return the links from each node to its `count` nearest ones, by slot; leaves are named by an item of each."""
        return LinkLists(self.item, self.near[:, :count], self.lists.changed, self.lists.now)

    def update(
        self, removed: Ids, vectors: RoundedVectors, find_neighbours: FindNeighbours | None = None
    ) -> EdgeChanges:
        """Remove items, and add those of `vectors.added`; return how the edges have changed.

        An added item that is in the graph gets another vector. find_neighbours: searches the items as they are
        afterwards, in an index; with None, all nodes are compared however many they are.
        """
        self.lists.begin()
        self.updates += 1
        dying = self._remove_items(np.unique(self._select_known(np.concatenate([removed, vectors.added]))))
        shortened = self.lists.remove(dying)
        fresh = self._add_items(vectors.added, compute_fingerprints(vectors.rounded))
        present = _leave_out(np.flatnonzero(self.item >= 0), dying)
        search = NeighbourSearch(self.lists, self.item, self.slot, self.fingerprints, vectors)
        if find_neighbours is None or (len(self) <= EXACT and len(fresh) <= FILL):
            self._compare_nodes(search, fresh, shortened, present)
        elif len(self) <= EXACT:
            self._fill_lists(search, fresh, shortened, present, find_neighbours)
        else:
            self._search_nodes(search, fresh, shortened, present, find_neighbours)
        won, lost = self.lists.compare()
        changes = EdgeChanges(self._name_edges(won), self._name_edges(lost))
        self.item[dying] = -1
        self._free += dying.tolist()
        return changes

    # ---- items

    def _select_known(self, items: Ids) -> Ids:
        """Return those of the items that are in the graph."""
        return items[self.find_slots(items) >= 0]

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
            self.lists.grow(length)
            self.item = grow_array(self.item, length, -1)
            self.fingerprints = grow_array(self.fingerprints, length, 0)
            self._free = [*range(length - 1, used - 1, -1), *self._free]
        slots = self._free[len(self._free) - count :]
        del self._free[len(self._free) - count :]
        return np.array(slots[::-1], np.int64)

    # ---- lists

    def _compare_nodes(self, search: NeighbourSearch, fresh: Ids, shortened: Ids, present: Ids) -> None:
        """Make lists exact by comparing nodes with all others."""
        unsure = _leave_out(present[self.lists.looked[present] < self.exact_since], fresh)
        again = self._choose_lists(shortened, unsure, max(1, len(fresh) // NEW_PER_AGAIN))
        search.compare(fresh, _leave_out(present, fresh), again)
        self.lists.looked[fresh] = self.lists.looked[again] = self.updates

    def _fill_lists(
        self, search: NeighbourSearch, fresh: Ids, shortened: Ids, present: Ids, find_neighbours: FindNeighbours
    ) -> None:
        """Make the lists of many nodes by searches in an index, and those exact of which this is not to be trusted."""
        others = len(present) - 1
        search.search(fresh, find_neighbours, NARROW_SEARCH, others)
        search.compare(NO_INTS, present, self._choose_lists(shortened, NO_INTS, 0))
        exact = search.look_again_while_wrong(present, present)
        self.lists.looked[present], self.exact_since = self.updates, self.updates + 1
        self.lists.looked[exact] = self.exact_since

    def _search_nodes(
        self, search: NeighbourSearch, fresh: Ids, shortened: Ids, present: Ids, find_neighbours: FindNeighbours
    ) -> None:
        """Make lists by searches in an index, among too many to compare them all."""
        others, are_few = len(present) - 1, 2 * len(fresh) <= len(present)
        search.search(fresh, find_neighbours, WIDE_SEARCH if are_few else NARROW_SEARCH, others)
        if are_few:
            search.offer_to_reverse_neighbours(fresh, present, others)
        count = max(SEARCHED_AGAIN, SEARCHES_AGAIN * len(fresh))
        again = self._choose_lists(shortened, _leave_out(present, fresh), count)
        search.search(again, find_neighbours, WIDE_SEARCH, others)
        self.lists.looked[fresh] = self.lists.looked[again] = self.updates
        self.exact_since = self.updates + 1

    def _choose_lists(self, shortened: Ids, unsure: Ids, count: int) -> Ids:
        """Return the lists to make again: those that are too short, and of the unsure ones those made longest ago."""
        short = shortened[self.lists.lengths(shortened) < min(self.k, len(self) - 1)]
        if len(unsure) > count:
            unsure = unsure[_find_least(self.lists.looked[unsure], count)]
        return np.union1d(short, unsure)

    def measure_recall(self, vectors: RoundedVectors, count: int = SAMPLE) -> float:
        """Return the share of places that are right in a sample of lists, which are compared with all nodes.

        vectors: of all items, none of which is added.
        """
        present = np.flatnonzero(self.item >= 0)
        if len(present) < 2:
            return 1.0
        sample = present[np.unique(np.linspace(0, len(present) - 1, min(count, len(present))).astype(np.int64))]
        lists = NeighbourLists(self.k)
        lists.grow(len(self.item))
        NeighbourSearch(lists, self.item, self.slot, self.fingerprints, vectors).compare(NO_INTS, present, sample)
        right, places = lists.near[sample, : self.k], self.near[sample]
        is_right = (places[:, :, None] == right[:, None]).any(2) & (places >= 0)
        return float(np.count_nonzero(is_right) / np.count_nonzero(right >= 0))

    # ---- edges

    def _name_edges(self, links: Ids) -> Ids:
        """Return links (see NeighbourLists) as undirected edges between items, each once, int64 (m, 2)."""
        width = max(len(self.item), 1)
        a, b = links // width, links % width
        once = np.unique(np.minimum(a, b) * width + np.maximum(a, b))
        return np.stack([self.item[once // width], self.item[once % width]], axis=1)

    def edges(self) -> Ids:
        """Return all undirected edges, int64 (m, 2), each by an item of either node."""
        return self._name_edges(self.lists.links())

    # ---- the state as arrays

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the graph as plain arrays."""
        items = self.items()
        return {
            "about": np.array([self.k, self.updates, self.exact_since], np.int64),
            "near": self.lists.near,
            "similarity": self.lists.similarity,
            "looked": self.lists.looked,
            "item": self.item,
            "prints": self.fingerprints,
            "items": items,
            "slots": self.slot[items],
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NeighbourGraph:
        """Return the graph that `to_arrays` described. It keeps the arrays."""
        k, updates, exact_since = arrays["about"].tolist()
        graph = cls(k)
        graph.updates, graph.exact_since = updates, exact_since
        graph.lists.near, graph.lists.similarity = arrays["near"], arrays["similarity"]
        graph.lists.looked = arrays["looked"]
        graph.lists.changed = np.zeros(len(graph.lists.near), np.int64)
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


def _find_least(values: Ids, count: int) -> Ids:
    """Return the places of the least of more than `count` values. Where these are equal, as in a graph that was made at
    once, np.argpartition takes 14 ms of 100,000; this takes a tenth of it."""
    least = np.flatnonzero(values == values.min())[:count]
    return least if len(least) == count else np.argpartition(values, count)[:count]


def _leave_out(slots: Ids, excluded: Ids) -> Ids:
    """Return the sorted slots that are not among `excluded`."""
    return np.delete(slots, np.flatnonzero(contains(np.sort(excluded), slots))) if len(excluded) else slots
