"""Storage that grows: lists of node numbers, and rows of integer sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints, grow_array
from indexers.tree.fixed_point import FLOAT64_LIMIT, choose_float

CHUNK = 512
"""Pairs of rows that are multiplied at once: both sides fit the processor's cache."""
BLOCK = 4096
"""Rows that are copied at once: a collection should not be held twice."""


class SlotLists:
    """One list of int32 per slot, all in one pool.

    A list that outgrows its place moves to the end; the pool is packed when more than half of it is waste.
    """

    def __init__(self, capacity: int) -> None:
        self.start = np.zeros(capacity, np.int64)
        self.room = np.zeros(capacity, np.int32)
        self.length = np.zeros(capacity, np.int32)
        self.data = np.empty(1024, np.int32)
        self.end = 0
        self.waste = 0

    def grow(self, capacity: int) -> None:
        """Make room for `capacity` lists."""
        self.start, self.room, self.length = (
            grow_array(part, capacity) for part in (self.start, self.room, self.length)
        )

    def get(self, slots: Ints) -> tuple[Ints, Ints]:
        """Return the lists one after another: of each value its owner's place in `slots`, and the value."""
        length = self.length[slots]
        owner = np.repeat(np.arange(len(slots)), length)
        return owner, self.data[self._places(slots, length)].astype(np.int64)

    def write(self, slots: Ints, lengths: Ints, values: Ints) -> None:
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
        """Empty the lists of slots; they keep their room."""
        self.length[slots] = 0

    def pack(self) -> None:
        """Close the gaps."""
        slots = np.arange(len(self.start))
        values = self.data[self._places(slots, self.length)]
        self.room = self.length.copy()
        self.start = np.cumsum(self.room, dtype=np.int64) - self.room
        self.data, self.end, self.waste = values, len(values), 0

    def _places(self, slots: Ints, lengths: NDArray[np.integer]) -> Ints:
        """Return the places in the pool of the first values of each list, one list after another."""
        counts = lengths.astype(np.int64)
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        return np.repeat(self.start[slots] - (ends - counts), counts) + np.arange(total)

    @property
    def nbytes(self) -> int:
        """The bytes in memory."""
        return self.start.nbytes + self.room.nbytes + self.length.nbytes + self.data.nbytes


class EdgeTable:
    """Edges between slots, each in both directions: int64 (m,) source, sorted, and target."""

    def __init__(self, source: Ints, target: Ints) -> None:
        order = np.lexsort((target, source))
        self.source, self.target = source[order], target[order]

    def get(self, slots: Ints) -> tuple[Ints, Ints]:
        """Return the targets of slots one after another: of each its owner's place in `slots`, and its slot."""
        start = np.searchsorted(self.source, slots)
        length = np.searchsorted(self.source, slots, side="right") - start
        ends = np.cumsum(length)
        total = int(ends[-1]) if len(ends) else 0
        owner = np.repeat(np.arange(len(slots)), length)
        return owner, self.target[np.repeat(start - (ends - length), length) + np.arange(total)]


class Sums:
    """Rows of integers, (rows, dimension).

    They are int16 where they fit, which holds for most sums of fewer than 50 items, and int64 elsewhere. A row is named
    by a number: even ones lie in the narrow pool, odd ones in the wide pool.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.narrow = np.empty((0, dimension), np.int16)
        self.wide = np.empty((0, dimension), np.int64)
        self.used = [0, 0]
        self.free: list[list[int]] = [[], []]

    def add(self, rows: NDArray[np.integer], order: Ints | None = None) -> Ints:
        """Store the rows, or those at the places `order`; return their numbers, int64 (n,)."""
        order = np.arange(len(rows)) if order is None else order
        number = np.empty(len(order), np.int64)
        small = np.ones(len(order), bool)
        if rows.dtype != np.int16:
            for start in range(0, len(order), BLOCK):
                block = rows[order[start : start + BLOCK]]
                small[start : start + BLOCK] = (np.abs(block) <= np.iinfo(np.int16).max).all(1)
        for kind, selected in ((0, np.flatnonzero(small)), (1, np.flatnonzero(~small))):
            place = self._allocate(kind, len(selected)) if len(selected) else NO_INTS
            for start in range(0, len(selected), BLOCK):
                part = slice(start, start + BLOCK)
                (self.wide if kind else self.narrow)[place[part]] = rows[order[selected[part]]]
            number[selected] = 2 * place + kind
        return number

    def remove(self, number: Ints) -> None:
        """Give the places of rows back."""
        for kind in (0, 1):
            self.free[kind] += (number[(number & 1) == kind] >> 1).tolist()

    def get(self, number: Ints, dtype: str = "f8") -> NDArray[Any]:
        """Return rows, (n, dimension), of this dtype."""
        is_wide = (number & 1).astype(bool)
        if not is_wide.any():
            narrow_rows: NDArray[Any] = self.narrow[number >> 1].astype(dtype)
            return narrow_rows
        rows = np.empty((len(number), self.dimension), dtype)
        rows[~is_wide] = self.narrow[number[~is_wide] >> 1]
        rows[is_wide] = self.wide[number[is_wide] >> 1]
        return rows

    def _allocate(self, kind: int, count: int) -> Ints:
        """Return `count` unused places of a pool (0: narrow, 1: wide)."""
        free = self.free[kind]
        reused = free[len(free) - min(count, len(free)) :]
        del free[len(free) - len(reused) :]
        fresh = count - len(reused)
        pool = self.wide if kind else self.narrow
        if self.used[kind] + fresh > len(pool):
            capacity = max(self.used[kind] + fresh, len(pool) + len(pool) // 8, 16)
            if kind:
                self.wide = grow_array(self.wide, capacity)
            else:
                self.narrow = grow_array(self.narrow, capacity)
        place = np.concatenate([np.array(reused, np.int64), np.arange(self.used[kind], self.used[kind] + fresh)])
        self.used[kind] += fresh
        return place

    def multiply_pairs(self, a: Ints, b: Ints, weight: Ints) -> Ints:
        """Return the products of rows a[i] and b[i], int64 (n,), modulo 2^64.

        weight: n_A n_B of each pair, on which depends how wide the numbers get.
        """
        products = np.empty(len(a), np.int64)
        if not len(a):
            return products
        for dtype, pairs in self._choose_dtypes(weight):
            for start in range(0, len(pairs), CHUNK):
                part = pairs[start : start + CHUNK]
                left, right = self.get(a[part], dtype), self.get(b[part], dtype)
                products[part] = np.einsum("ij,ij->i", left, right)
        return products

    def _choose_dtypes(self, weight: Ints) -> list[tuple[str, Ints]]:
        """Return the cheapest exact dtypes, each with the places of the pairs that it suits."""
        if len(weight) <= CHUNK and weight.max() < FLOAT64_LIMIT:
            return [("f8", np.arange(len(weight)))]
        choices = (
            (choose_float(self.dimension), np.flatnonzero(weight == 1)),
            ("f8", np.flatnonzero((weight > 1) & (weight < FLOAT64_LIMIT))),
            ("i8", np.flatnonzero(weight >= FLOAT64_LIMIT)),
        )
        return [(dtype, pairs) for dtype, pairs in choices if len(pairs)]

    def multiply_all(self, a: Ints, b: Ints, size_a: Ints, size_b: Ints) -> Ints:
        """Return the products of all rows a with all rows b, int64 (len(a), len(b)), modulo 2^64.

        size_a, size_b: those of the nodes.
        """
        weight = size_a[:, None] * size_b
        products = round_products(self.get(a) @ self.get(b).T, weight)
        i, j = np.nonzero(weight >= FLOAT64_LIMIT)
        if len(i):
            products[i, j] = self.multiply_pairs(a[i], b[j], weight[i, j])
        return products

    @property
    def nbytes(self) -> int:
        """The bytes in memory."""
        return self.narrow.nbytes + self.wide.nbytes


def round_products(rough: NDArray[np.floating], weight: Ints) -> Ints:
    """Return exact products from those in floating point, int64; 0 where they may not be exact, or the weight is 0."""
    products: Ints = np.rint(np.where((weight > 0) & (weight < FLOAT64_LIMIT), rough, 0)).astype(np.int64)
    return products
