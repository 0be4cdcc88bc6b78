"""The nodes of a tree as arrays: one slot per node, however many rounds it lives through.

A node is a set of items: its content never changes, so that a slot stands for a content. Three kinds share the slots:
*leaves* (one per distinct rounded vector), *joints* (what a group leaves behind at the end of a round; with the leaves,
the nodes that rounds deal with), and *seams* (merges inside a group, alive at no round's beginning).

`old` is the committed tree, `new` the one in the making; the two are equal outside of updates. A leaf or joint is alive
at the rounds birth .. death, both included, and has its joint or itself `above` afterwards.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array, sort_unique
from indexers.tree.storage import SlotLists, Sums

NEVER = 20_000
"""The birth of what does not exist."""


class Lifetimes:
    """When each node is alive (int16 birth and death, rounds), and what it becomes part of (int32 above, -1: none)."""

    def __init__(self, capacity: int) -> None:
        self.birth = np.full(capacity, NEVER, np.int16)
        self.death = np.full(capacity, -1, np.int16)
        self.above = np.full(capacity, -1, np.int32)

    def grow(self, capacity: int) -> None:
        self.birth = grow_array(self.birth, capacity, NEVER)
        self.death = grow_array(self.death, capacity, -1)
        self.above = grow_array(self.above, capacity, -1)

    def are_alive(self, slots: Ints, at: int) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = (self.birth[slots] <= at) & (self.death[slots] >= at)
        return found

    def find_alive(self, at: int) -> Ints:
        return np.flatnonzero((self.birth <= at) & (self.death >= at))

    def climb(self, slots: Ints, at: int) -> Ints:
        """The nodes of round `at` that hold the given ones, which must be alive by then."""
        slots = slots.copy()
        low = np.flatnonzero(self.death[slots] < at)
        while len(low):
            slots[low] = self.above[slots[low]]
            low = low[self.death[slots[low]] < at]
        return slots

    def step_up(self, slots: Ints, at: int) -> Ints:
        """The same for nodes of the round before."""
        return np.where(self.death[slots] < at, self.above[slots], slots).astype(np.int64)


class Nodes:
    """
    size: int64, items. key: uint64, the smallest fingerprint among its leaves, which breaks ties. content: uint64, a
    hash of the items. least: int32, the leaf with that fingerprint. left, right, parent: int32, the binary tree.
    height: float64, the average similarity at which left and right merged (1 for a leaf). row: int64, where its sum is
    kept, or -1. near: the graph neighbours as of birth (a leaf's may be named more than once: once per edge between its
    items and theirs). groups: those that it was in, in the order of rounds.
    """

    def __init__(self, dimension: int, capacity: int = 16) -> None:
        self.capacity = capacity
        self.used = 0
        self.free: list[int] = []
        self.size = np.zeros(capacity, np.int64)
        self.key = np.zeros(capacity, np.uint64)
        self.content = np.zeros(capacity, np.uint64)
        self.least = np.full(capacity, -1, np.int32)
        self.left = np.full(capacity, -1, np.int32)
        self.right = np.full(capacity, -1, np.int32)
        self.parent = np.full(capacity, -1, np.int32)
        self.height = np.ones(capacity)
        self.row = np.full(capacity, -1, np.int64)
        self.seam = np.zeros(capacity, bool)
        self.dirty = np.zeros(capacity, bool)
        self.marked = np.zeros(capacity, bool)
        self.scratch = np.zeros(capacity, bool)
        self.place = np.full(capacity, -1, np.int32)
        self.old = Lifetimes(capacity)
        self.new = Lifetimes(capacity)
        self.near = SlotLists(capacity)
        self.groups = SlotLists(capacity)
        self.sums = Sums(dimension)

    FILL = (
        ("size", 0),
        ("key", 0),
        ("content", 0),
        ("least", -1),
        ("left", -1),
        ("right", -1),
        ("parent", -1),
        ("height", 1),
        ("row", -1),
        ("seam", False),
        ("dirty", False),
        ("marked", False),
        ("scratch", False),
        ("place", -1),
    )

    def allocate(self, count: int) -> Ints:
        again = self.free[len(self.free) - min(count, len(self.free)) :]
        del self.free[len(self.free) - len(again) :]
        fresh = count - len(again)
        if self.used + fresh > self.capacity:
            self.grow(max(self.used + fresh, self.capacity * 5 // 4))
        slots = np.concatenate([np.array(again, np.int64), np.arange(self.used, self.used + fresh)])
        self.used += fresh
        return slots

    def grow(self, capacity: int) -> None:
        for name, fill in self.FILL:
            setattr(self, name, grow_array(getattr(self, name), capacity, fill))
        for part in (self.old, self.new, self.near, self.groups):
            part.grow(capacity)
        self.capacity = capacity

    def release(self, slots: Ints) -> None:
        """Give slots back. Only between updates: until then the old tree is read."""
        self.near.clear(slots)
        self.groups.clear(slots)
        rows = self.row[slots]
        self.sums.remove(rows[rows >= 0])
        self.size[slots] = 0
        self.row[slots] = -1
        self.left[slots] = self.right[slots] = self.parent[slots] = self.least[slots] = -1
        self.old.above[slots] = self.new.above[slots] = -1
        self.seam[slots] = False
        self.height[slots] = 1
        self.free += slots.tolist()

    def products(self, a: Ints, b: Ints) -> tuple[Ints, Ints]:
        """Products of the sums of nodes a[i] and b[i], and of their sizes."""
        weight = self.size[a] * self.size[b]
        return self.sums.multiply_pairs(self.row[a], self.row[b], weight), weight

    def similarity(self, a: Ints, b: Ints) -> NDArray[np.float64]:
        """Average similarity of all pairs of items, times SCALE squared: exact numbers, divided once."""
        dots, weight = self.products(a, b)
        found: NDArray[np.float64] = dots / weight
        return found

    def find_seams(self, slots: Ints) -> Ints:
        """The merges inside the groups that the given joints came from."""
        found = [NO_INTS]
        below = slots
        while len(below):
            below = np.concatenate([self.left[below], self.right[below]]).astype(np.int64)
            below = below[below >= 0]
            below = below[self.seam[below]]
            found.append(below)
        return np.concatenate(found)

    def find_members(self, slots: Ints) -> tuple[Ints, Ints]:
        """What joints were made of: for each member its joint's place in `slots`, and the member."""
        owner, below = np.arange(len(slots)), slots
        owners, found = [NO_INTS], [NO_INTS]
        while len(below):
            owner = np.concatenate([owner, owner])
            below = np.concatenate([self.left[below], self.right[below]]).astype(np.int64)
            inside = self.seam[below]
            owners.append(owner[~inside])
            found.append(below[~inside])
            owner, below = owner[inside], below[inside]
        return np.concatenate(owners), np.concatenate(found)

    def find_neighbours(self, slots: Ints, at: int) -> tuple[Ints, Ints]:
        """The graph neighbours at a round of the new tree, each once and never the node itself: for each its owner's
        place in `slots`, and the neighbour."""
        owner, near = self.near.get(slots)
        return self._tidy(slots, owner, self.new.climb(near, at))

    def list_neighbours(self, slots: Ints, at: int) -> None:
        """Write the lists of joints born at a round from those of their members."""
        owner, member = self.find_members(slots)
        place, near = self.near.get(member)
        owner, near = self._tidy(slots, owner[place], self.new.climb(near, at))
        self.near.put(slots, np.bincount(owner, minlength=len(slots)), near)

    def _tidy(self, slots: Ints, owner: Ints, near: Ints) -> tuple[Ints, Ints]:
        pair = sort_unique(owner * self.capacity + near)
        owner, near = pair // self.capacity, pair % self.capacity
        other = near != slots[owner]
        return owner[other], near[other]

    def find_joints(self, least: Ints, size: Ints, content: Ints) -> Ints:
        """The old joints with the given content, whatever round they were born in; -1 where there is none."""
        slot = least.copy()
        slot[self.old.birth[slot] != 0] = -1
        low = np.flatnonzero(slot >= 0)
        low = low[self.size[slot[low]] < size[low]]
        while len(low):
            slot[low] = self.old.above[slot[low]]
            low = low[slot[low] >= 0]
            low = low[self.size[slot[low]] < size[low]]
        same = (slot >= 0) & (self.size[slot] == size) & (self.content[slot] == content)
        return np.where(same, slot, -1)
