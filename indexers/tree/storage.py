"""Storage that grows: lists of node numbers, and rows of integer sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array
from indexers.tree.fixed_point import FLOAT64_LIMIT

CHUNK = 512
"""Pairs of rows that are multiplied at once: both sides fit the processor's cache."""
BLOCK = 4096
"""Rows that are copied at once: a collection should not be held twice."""


class SlotLists:
    """One list of int32 per slot, all in one pool. A list that outgrows its place moves to the end; the pool is packed
    when more than half of it is waste."""

    def __init__(self, capacity: int) -> None:
        self.start = np.zeros(capacity, np.int64)
        self.room = np.zeros(capacity, np.int32)
        self.length = np.zeros(capacity, np.int32)
        self.data = np.empty(1024, np.int32)
        self.end = 0
        self.waste = 0

    def grow(self, capacity: int) -> None:
        self.start, self.room, self.length = (
            grow_array(part, capacity) for part in (self.start, self.room, self.length)
        )

    def get(self, slots: Ints) -> tuple[Ints, Ints]:
        """The lists one after another: for each value its owner's place in `slots`, and the value."""
        length = self.length[slots]
        owner = np.repeat(np.arange(len(slots)), length)
        return owner, self.data[self._places(slots, length)].astype(np.int64)

    def put(self, slots: Ints, lengths: Ints, values: Ints) -> None:
        """Replace the lists of distinct slots; `values` holds them one after another."""
        moves = lengths > self.room[slots]
        if moves.any():
            moving, need = slots[moves], lengths[moves]
            total = int(need.sum())
            self.waste += int(self.room[moving].sum())
            if self.end + total > len(self.data):
                self.data = grow_array(self.data[: self.end], self.end + max(total, self.end // 4, 1024))
            self.start[moving] = self.end + np.cumsum(need) - need
            self.room[moving] = need
            self.end += total
        self.length[slots] = lengths
        self.data[self._places(slots, lengths)] = values
        if self.waste > max(self.end // 2, 4096):
            self.pack()

    def clear(self, slots: Ints) -> None:
        self.length[slots] = 0

    def pack(self) -> None:
        """Close the gaps."""
        slots = np.arange(len(self.start))
        values = self.data[self._places(slots, self.length)]
        self.room = self.length.copy()
        self.start = np.cumsum(self.room, dtype=np.int64) - self.room
        self.data, self.end, self.waste = values, len(values), 0

    def _places(self, slots: Ints, lengths: NDArray[np.integer]) -> Ints:
        wide = lengths.astype(np.int64)
        ends = np.cumsum(wide)
        total = int(ends[-1]) if len(ends) else 0
        return np.repeat(self.start[slots] - (ends - wide), wide) + np.arange(total)

    @property
    def nbytes(self) -> int:
        return self.start.nbytes + self.room.nbytes + self.length.nbytes + self.data.nbytes


class Sums:
    """Rows of integers, (rows, dimension): int16 where they fit, which holds for most sums of fewer than 50 items, and
    int64 elsewhere. A row is named by a number: even ones lie in the narrow pool, odd ones in the wide."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.narrow = np.empty((0, dimension), np.int16)
        self.wide = np.empty((0, dimension), np.int64)
        self.used = [0, 0]
        self.free: list[list[int]] = [[], []]

    def add(self, rows: NDArray[np.integer], order: Ints | None = None) -> Ints:
        """Keep rows, or those that `order` names; their numbers, int64 (n,)."""
        order = np.arange(len(rows)) if order is None else order
        number = np.empty(len(order), np.int64)
        small = np.ones(len(order), bool)
        if rows.dtype != np.int16:
            for start in range(0, len(order), BLOCK):
                block = rows[order[start : start + BLOCK]]
                small[start : start + BLOCK] = (np.abs(block) <= np.iinfo(np.int16).max).all(1)
        for kind, choice in ((0, np.flatnonzero(small)), (1, np.flatnonzero(~small))):
            place = self._allocate(kind, len(choice)) if len(choice) else NO_INTS
            for start in range(0, len(choice), BLOCK):
                part = slice(start, start + BLOCK)
                (self.wide if kind else self.narrow)[place[part]] = rows[order[choice[part]]]
            number[choice] = 2 * place + kind
        return number

    def remove(self, number: Ints) -> None:
        for kind in (0, 1):
            self.free[kind] += (number[(number & 1) == kind] >> 1).tolist()

    def get(self, number: Ints, dtype: str = "f8") -> NDArray[Any]:
        """The rows, (n, dimension)."""
        odd = (number & 1).astype(bool)
        if not odd.any():
            plain: NDArray[Any] = self.narrow[number >> 1].astype(dtype)
            return plain
        rows = np.empty((len(number), self.dimension), dtype)
        rows[~odd] = self.narrow[number[~odd] >> 1]
        rows[odd] = self.wide[number[odd] >> 1]
        return rows

    def _allocate(self, kind: int, count: int) -> Ints:
        free = self.free[kind]
        again = free[len(free) - min(count, len(free)) :]
        del free[len(free) - len(again) :]
        fresh = count - len(again)
        pool = self.wide if kind else self.narrow
        if self.used[kind] + fresh > len(pool):
            capacity = max(self.used[kind] + fresh, len(pool) + len(pool) // 8, 16)
            if kind:
                self.wide = grow_array(self.wide, capacity)
            else:
                self.narrow = grow_array(self.narrow, capacity)
        place = np.concatenate([np.array(again, np.int64), np.arange(self.used[kind], self.used[kind] + fresh)])
        self.used[kind] += fresh
        return place

    def multiply_pairs(self, a: Ints, b: Ints, weight: Ints) -> Ints:
        """Products of rows a[i] and b[i], int64 (n,); `weight` is n_A n_B, which says how wide the numbers get."""
        found = np.empty(len(a), np.int64)
        if not len(a):
            return found
        for kind, choice in self._widths(weight):
            for start in range(0, len(choice), CHUNK):
                part = choice[start : start + CHUNK]
                left, right = self.get(a[part], kind), self.get(b[part], kind)
                found[part] = np.einsum("ij,ij->i", left, right)
        return found

    @staticmethod
    def _widths(weight: Ints) -> list[tuple[str, Ints]]:
        """The cheapest exact type for each pair."""
        if len(weight) <= CHUNK and weight.max() < FLOAT64_LIMIT:
            return [("f8", np.arange(len(weight)))]
        choices = (
            ("f4", np.flatnonzero(weight == 1)),
            ("f8", np.flatnonzero((weight > 1) & (weight < FLOAT64_LIMIT))),
            ("i8", np.flatnonzero(weight >= FLOAT64_LIMIT)),
        )
        return [(kind, choice) for kind, choice in choices if len(choice)]

    def multiply_all(self, a: Ints, b: Ints, size_a: Ints, size_b: Ints) -> Ints:
        """Products of all rows a with all rows b, int64 (len(a), len(b))."""
        found: Ints = np.rint(self.get(a) @ self.get(b).T).astype(np.int64)
        i, j = np.nonzero(size_a[:, None] * size_b >= FLOAT64_LIMIT)
        if len(i):
            found[i, j] = self.multiply_pairs(a[i], b[j], size_a[i] * size_b[j])
        return found

    @property
    def nbytes(self) -> int:
        return self.narrow.nbytes + self.wide.nbytes
