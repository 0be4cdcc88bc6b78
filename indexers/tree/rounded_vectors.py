"""The rounded vectors of a space's items, read where they lie: most in the leaves of the tree, new ones beside it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from indexers.arrays import NO_INTS, Ints
from indexers.tree.fixed_point import choose_float, round_vectors
from indexers.tree.state import TreeState

BLOCK_BYTES = 2**21
"""Bytes of the rows of one block as floats: they stay in the processor's cache."""
PAIRS = 4096
"""Pairs of rows that are multiplied at once."""

Rounded = NDArray[np.int16]


class RoundedVectors:
    """The vectors in fixed point (see `fixed_point`) of the items of a tree and of those that are added next.

    added: int64 (n,), items that come, or get another vector; rounded: int16 (n, d), theirs. tree: it holds the others.
    """

    def __init__(self, tree: TreeState, added: Ints, vectors: NDArray[np.floating]) -> None:
        self.tree, self.added, self.rounded = tree, added, round_vectors(vectors)
        self.float = choose_float(tree.dimension)
        self.block = max(BLOCK_BYTES // (4 * max(tree.dimension, 1)), 64)
        self._order = np.argsort(added, kind="stable")
        self._sorted = added[self._order]

    def take(self, items: Ints) -> Rounded:
        """Return the vectors of items, int16 (n, d)."""
        rows = np.empty((len(items), self.rounded.shape[1]), np.int16)
        place, is_added = self._find_added(items)
        rows[is_added] = self.rounded[place[is_added]]
        rest = np.flatnonzero(~is_added)
        if len(rest):
            nodes = self.tree.nodes
            leaf = self.tree.items.leaf[items[rest]]
            number, size = nodes.row[leaf], nodes.size[leaf]
            is_plain = (number % 2 == 0) & (size == 1)  # the sum of one vector is the vector
            rows[rest[is_plain]] = nodes.sums.narrow[number[is_plain] >> 1]
            others = ~is_plain
            rows[rest[others]] = nodes.sums.get(number[others], "i8") // size[others][:, None]
        return rows

    def blocks(self, items: Ints) -> Iterator[tuple[Ints, Rounded]]:
        """Yield the vectors of items in blocks, in the order in which they lie: places in `items`, and their rows.

        Rows of the tree are views of it; they must not be changed.
        """
        place, is_added = self._find_added(items)
        yield from self._split(self.rounded, place[is_added], np.flatnonzero(is_added))
        rest = np.flatnonzero(~is_added)
        if not len(rest):
            return
        nodes = self.tree.nodes
        leaf = self.tree.items.leaf[items[rest]]
        number = nodes.row[leaf]
        is_plain = (number % 2 == 0) & (nodes.size[leaf] == 1)
        yield from self._split(nodes.sums.narrow, number[is_plain] >> 1, rest[is_plain])
        others = rest[~is_plain]
        for start in range(0, len(others), self.block):
            part = others[start : start + self.block]
            yield part, self.take(items[part])

    def multiply_pairs(self, left: Ints, right: Ints) -> NDArray[np.float32]:
        """Return the products of the vectors of items left[i] and right[i], (n,): whole numbers."""
        products = np.empty(len(left), np.float32)
        for start in range(0, len(left), PAIRS):
            part = slice(start, start + PAIRS)
            a, b = self.take(left[part]).astype(self.float), self.take(right[part]).astype(self.float)
            products[part] = np.einsum("ij,ij->i", a, b)
        return products

    def _find_added(self, items: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the place of each item in `added`, and whether it is there."""
        if not len(self.added):
            return np.zeros(len(items), np.int64), np.zeros(len(items), bool)
        near = np.minimum(np.searchsorted(self._sorted, items), len(self._sorted) - 1)
        return self._order[near], self._sorted[near] == items

    def _split(self, rows: Rounded, numbers: Ints, places: Ints) -> Iterator[tuple[Ints, Rounded]]:
        """Yield rows by number, in blocks; those that lie side by side are not copied."""
        order = np.argsort(numbers, kind="stable") if len(numbers) else NO_INTS
        numbers, places = numbers[order], places[order]
        for start in range(0, len(numbers), self.block):
            part = numbers[start : start + self.block]
            first, last = int(part[0]), int(part[-1])
            is_whole = last - first + 1 == len(part)
            yield places[start : start + self.block], rows[first : last + 1] if is_whole else rows[part]
