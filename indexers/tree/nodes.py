"""The nodes of a tree as arrays: one slot per node, however many rounds it lives through.

A node is a set of items: its content never changes, so that a slot stands for a content. Three kinds share the slots:
*leaves* (one per distinct rounded vector), *joints* (what a group leaves behind at the end of a round; with the leaves,
the nodes that rounds deal with), and *seams* (merges inside a group, alive at no round's beginning).

`old` is the committed tree, `new` the one in the making; the two are equal outside of updates. A leaf or joint is alive
at the rounds birth .. death, both included; afterwards it lies in the node `above`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array, sort_unique
from indexers.tree.fixed_point import INT64_LIMIT, restore_products
from indexers.tree.rounds import STAGE, STAGES
from indexers.tree.storage import EdgeTable, SlotLists, Sums

SUMMED = 512
"""Joints whose sums are written at once."""
NEVER = 20_000
"""The birth of what does not exist."""


class Lifetimes:
    """When each node is alive (int16 birth and death, rounds), and which joint takes it in (int32 above, -1: none)."""

    def __init__(self, capacity: int) -> None:
        self.birth = np.full(capacity, NEVER, np.int16)
        self.death = np.full(capacity, -1, np.int16)
        self.above = np.full(capacity, -1, np.int32)

    def grow(self, capacity: int) -> None:
        """Make room for `capacity` nodes."""
        self.birth = grow_array(self.birth, capacity, NEVER)
        self.death = grow_array(self.death, capacity, -1)
        self.above = grow_array(self.above, capacity, -1)

    def are_alive(self, slots: Ints, round_index: int) -> NDArray[np.bool_]:
        """Return which nodes are alive at the beginning of a round."""
        are_alive: NDArray[np.bool_] = (self.birth[slots] <= round_index) & (self.death[slots] >= round_index)
        return are_alive

    def find_alive(self, round_index: int) -> Ints:
        """Return all nodes that are alive at the beginning of a round."""
        return np.flatnonzero((self.birth <= round_index) & (self.death >= round_index))

    def climb(self, slots: Ints, round_index: int) -> Ints:
        """Return the nodes of a round that hold the given nodes of earlier rounds."""
        slots = slots.copy()
        low = np.flatnonzero(self.death[slots] < round_index)
        while len(low):
            slots[low] = self.above[slots[low]]
            low = low[self.death[slots[low]] < round_index]
        return slots

    def step_up(self, slots: Ints, round_index: int) -> Ints:
        """Return the nodes of a round that hold the given nodes of the round before."""
        return np.where(self.death[slots] < round_index, self.above[slots], slots).astype(np.int64)


class Nodes:
    """The arrays, by slot.

    size: int64, items. key: uint64, the smallest fingerprint among its leaves, which breaks ties. content: uint64, a
    hash of the items. least: int32, the leaf with that fingerprint. left, right, parent: int32, the binary tree.
    height: float64, the average similarity at which left and right merged (1 for a leaf), at most the threshold of the
    round before. row: int64, where its sum is
    stored in `sums`, or -1. seam: bool, whether it is one.

    near: the graph neighbours as of birth (a leaf's may be named more than once: once per edge between its items and
    theirs). links: for each stage but the first, the edges between the nodes alive at its beginning, the parts. groups:
    those that a node was in, in the order of rounds.

    During an update only: dirty, marked: bool, nodes that are new in the round, and clean ones whose edges changed.
    scratch, place: bool and int32, all False and -1 between uses.
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
        self.links = [EdgeTable(NO_INTS, NO_INTS)] * STAGES
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
    """The arrays, and the value that each has in an unused slot."""

    def allocate(self, count: int) -> Ints:
        """Return `count` unused slots."""
        reused = self.free[len(self.free) - min(count, len(self.free)) :]
        del self.free[len(self.free) - len(reused) :]
        fresh = count - len(reused)
        if self.used + fresh > self.capacity:
            self.grow(max(self.used + fresh, self.capacity * 5 // 4))
        slots = np.concatenate([np.array(reused, np.int64), np.arange(self.used, self.used + fresh)])
        self.used += fresh
        return slots

    def grow(self, capacity: int) -> None:
        """Make room for `capacity` nodes."""
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

    def similarity(self, a: Ints, b: Ints) -> NDArray[np.float64]:
        """Return the average similarity of all pairs of items, times SCALE squared: exact numbers, divided once."""
        weight = self.size[a] * self.size[b]
        products = self.sums.multiply_pairs(self.row[a], self.row[b], weight)
        similarity: NDArray[np.float64] = products / weight
        large = np.flatnonzero(weight >= INT64_LIMIT)
        if len(large):
            similarity[large] = self._restore(products[large], a[large], b[large]) / weight[large]
        return similarity

    def average(self, products: Ints, a: Ints, b: Ints) -> NDArray[np.float64]:
        """Return the same for all pairs of nodes a and b, whose products, (a, b), are known modulo 2^64."""
        weight = self.size[a][:, None] * self.size[b]
        similarity: NDArray[np.float64] = products / weight
        i, j = np.nonzero(weight >= INT64_LIMIT)
        if len(i):
            similarity[i, j] = self._restore(products[i, j], a[i], b[j]) / weight[i, j]
        return similarity

    def _restore(self, remainders: Ints, a: Ints, b: Ints) -> NDArray[np.float64]:
        """Return the products of the sums of nodes a[i] and b[i], which are known modulo 2^64."""
        slots, place = np.unique(np.concatenate([a, b]), return_inverse=True)
        sums = np.stack([self.add_up(slot) for slot in slots.tolist()])
        left, right = np.split(place, 2)
        return restore_products(remainders, np.einsum("ij,ij->i", sums[left], sums[right]))

    def add_up(self, slot: int) -> NDArray[np.float64]:
        """Return the sum of a node's vectors, (dimension,), of the stored sums within it."""
        total: NDArray[np.float64] = self.sums.get(self.row[self.find_summed_nodes(slot)]).sum(0)
        return total

    def add_up_each(self, slots: Ints) -> NDArray[np.float64]:
        """Return the sum of the vectors of each of several nodes, (n, dimension)."""
        owner, below = np.arange(len(slots)), slots
        owners, rows = [NO_INTS], [NO_INTS]
        while len(below):
            has_sum = self.row[below] >= 0
            owners.append(owner[has_sum])
            rows.append(self.row[below[has_sum]])
            owner, rest = np.tile(owner[~has_sum], 2), below[~has_sum]
            below = np.concatenate([self.left[rest], self.right[rest]]).astype(np.int64)
        owner = np.concatenate(owners)
        order = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[order], np.arange(len(slots)))
        vectors = self.sums.get(np.concatenate(rows)[order])
        return np.add.reduceat(vectors, starts, axis=0) if len(slots) else vectors

    def find_summed_nodes(self, slot: int) -> Ints:
        """Return the topmost nodes within a node whose sums are stored; together they hold all its items."""
        parts, front = [NO_INTS], np.array([slot], np.int64)
        while len(front):
            has_sum = self.row[front] >= 0
            parts.append(front[has_sum])
            rest = front[~has_sum]
            front = np.concatenate([self.left[rest], self.right[rest]]).astype(np.int64)
        return np.concatenate(parts)

    def write_sums(self, joints: Ints, members: Ints, owner: Ints) -> None:
        """Write the sums of the joints that have none: those of their members added up.

        owner: the place in `joints` of the joint of each member, sorted.
        """
        lengths = np.bincount(owner, minlength=len(joints))
        starts = np.cumsum(lengths) - lengths
        missing = np.flatnonzero(self.row[joints] < 0)
        for begin in range(0, len(missing), SUMMED):
            part = missing[begin : begin + SUMMED]
            length = lengths[part]
            ends = np.cumsum(length)
            index = np.repeat(starts[part] - (ends - length), length) + np.arange(int(ends[-1]))
            rows = self.sums.get(self.row[members[index]], "i8")
            self.row[joints[part]] = self.sums.add(np.add.reduceat(rows, ends - length, axis=0))

    def find_seams(self, slots: Ints) -> Ints:
        """Return the merges inside the groups that the given joints came from."""
        parts = [NO_INTS]
        below = slots
        while len(below):
            below = np.concatenate([self.left[below], self.right[below]]).astype(np.int64)
            below = below[below >= 0]
            below = below[self.seam[below]]
            parts.append(below)
        return np.concatenate(parts)

    def find_members(self, slots: Ints) -> tuple[Ints, Ints]:
        """Return what joints were made of: of each member its joint's place in `slots`, and its slot."""
        owner, below = np.arange(len(slots)), slots
        owners, members = [NO_INTS], [NO_INTS]
        while len(below):
            owner = np.concatenate([owner, owner])
            below = np.concatenate([self.left[below], self.right[below]]).astype(np.int64)
            is_seam = self.seam[below]
            owners.append(owner[~is_seam])
            members.append(below[~is_seam])
            owner, below = owner[is_seam], below[is_seam]
        return np.concatenate(owners), np.concatenate(members)

    def find_neighbours(self, slots: Ints, round_index: int) -> tuple[Ints, Ints]:
        """Return the graph neighbours at a round of the new tree, each once and never the node itself.

        Of each neighbour: its owner's place in `slots`, and its slot.
        """
        owner, near = self._get_near(slots, round_index)
        return self._drop_repeats(slots, owner, self.new.climb(near, round_index))

    def _get_near(self, slots: Ints, round_index: int) -> tuple[Ints, Ints]:
        """Return the neighbours that count in the stage of a round, as of birth or of the stage's beginning."""
        stage = round_index // STAGE
        if not stage:
            return self.near.get(slots)
        is_part = self.new.birth[slots] <= stage * STAGE
        parts, rest = np.flatnonzero(is_part), np.flatnonzero(~is_part)
        (owner, near), (more_owner, more_near) = self.links[stage].get(slots[parts]), self.near.get(slots[rest])
        return np.concatenate([parts[owner], rest[more_owner]]), np.concatenate([near, more_near])

    def list_neighbours(self, slots: Ints, round_index: int) -> None:
        """Write the neighbour lists of joints born at a round, from those of their members."""
        owner, member = self.find_members(slots)
        place, near = self._get_near(member, round_index)
        owner, near = self._drop_repeats(slots, owner[place], self.new.climb(near, round_index))
        self.near.write(slots, np.bincount(owner, minlength=len(slots)), near)

    def _drop_repeats(self, slots: Ints, owner: Ints, near: Ints) -> tuple[Ints, Ints]:
        """Return each neighbour of an owner once, sorted, without the owner itself."""
        pair = sort_unique(owner * self.capacity + near)
        owner, near = pair // self.capacity, pair % self.capacity
        is_other = near != slots[owner]
        return owner[is_other], near[is_other]

    def find_joints(self, least: Ints, size: Ints, content: Ints) -> Ints:
        """Return the old joints with the given content, whatever round they were born in; -1 where there is none.

        least: the leaf of the smallest fingerprint of each, from which the search climbs.
        """
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
