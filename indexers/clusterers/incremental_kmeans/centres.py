"""What mini-batch k-means keeps of a stream: centres with their ids, and a uniform sample of the rows that came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from indexers.arrays import NONE, Ints

Rows = NDArray[np.float32]
MEMORY = 400
"""Rows that a centre is the running mean of at most: it errs by a 400th of the spread, and can still move."""


class Centres:
    """rows: float32 (k, d). ids: int64 (k,), never given again. weight: float64 (k,), rows that each centre is the mean
    of, at most MEMORY."""

    def __init__(self, dimension: int) -> None:
        self.rows: Rows = np.empty((0, dimension), np.float32)
        self.ids = NONE
        self.weight = np.empty(0)
        self.next_id = 0

    def __len__(self) -> int:
        return len(self.weight)

    def add(self, rows: Rows) -> None:
        self.rows = np.concatenate([self.rows, rows])
        self.weight = np.concatenate([self.weight, np.ones(len(rows))])
        self.ids = np.concatenate([self.ids, self.create_ids(len(rows))])

    def create_ids(self, count: int) -> Ints:
        """New ids."""
        self.next_id += count
        return np.arange(self.next_id - count, self.next_id)

    def find_nearest(self, rows: Rows) -> tuple[Ints, Rows]:
        """The nearest centre of each row and the squared distance to it."""
        label, distance = self._find_nearest(rows)
        distance += np.einsum("ij,ij->i", rows, rows)
        return label, np.maximum(distance, 0)

    def assign(self, rows: Rows) -> Ints:
        return self._find_nearest(rows)[0]

    def _find_nearest(self, rows: Rows) -> tuple[Ints, Rows]:
        """The distance but for the square of the row's own length."""
        length = np.einsum("ij,ij->i", self.rows, self.rows)
        twice = -2 * self.rows.T
        label, distance = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
        step = max(1, 500_000 // len(self.rows))
        for start in range(0, len(rows), step):
            product = rows[start : start + step] @ twice
            product += length
            found = product.argmin(1)
            label[start : start + step] = found
            distance[start : start + step] = product[np.arange(len(found)), found]
        return label, distance

    def learn(self, rows: Rows, label: Ints) -> None:
        """Centres go to the mean of what they were the mean of and their rows."""
        count = np.bincount(label, minlength=len(self))
        met = np.flatnonzero(count)
        one = csr_matrix((np.ones(len(rows), np.float32), label, np.arange(len(rows) + 1)), (len(rows), len(count)))
        sums = (one.T @ rows)[met]
        weight = self.weight[met] + count[met]
        rate = (1 / weight).astype(np.float32)[:, None]
        centres = self.rows[met]
        self.rows[met] = centres + (sums - count[met, None].astype(np.float32) * centres) * rate
        self.weight[met] = np.minimum(weight, MEMORY)


class Reservoir:
    """Every row that ever came is in it with the same probability (Vitter's reservoir). rows: float32, the first of
    them in use. label: int64 (n,), the cluster of each as of when it was last looked at."""

    def __init__(self, dimension: int, size: int, random: np.random.Generator) -> None:
        self.rows: Rows = np.empty((size, dimension), np.float32)  # what is not in use takes no memory
        self.label: Ints = NONE
        self.size, self.random = size, random

    def __len__(self) -> int:
        return len(self.label)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "rows": self.rows[: len(self)]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        rows = self.rows
        self.rows = np.empty((self.size, rows.shape[1]), np.float32)
        self.rows[: len(rows)] = rows

    def counts(self, clusters: int) -> Ints:
        return np.bincount(self.label, minlength=clusters)

    def keep(self, rows: Rows, label: Ints, seen: int) -> None:
        """Rows come, after `seen` others."""
        held = len(self)
        room = min(self.size - held, len(rows))
        if room:
            self.rows[held : held + room] = rows[:room]
            self.label = np.concatenate([self.label, label[:room]])
        rest = np.arange(room, len(rows))
        place = self.random.integers(0, seen + rest + 1) if len(rest) else rest
        kept = place < self.size
        self.rows[place[kept]], self.label[place[kept]] = rows[rest[kept]], label[rest[kept]]

    def members(self, clusters: Ints, count: int) -> list[Ints]:
        """The rows of each of some of `count` clusters, in random order."""
        wanted = np.full(count, -1)
        wanted[clusters] = np.arange(len(clusters))
        rows = self.random.permutation(np.flatnonzero(wanted[self.label] >= 0))
        owner = wanted[self.label[rows]]
        order = np.argsort(owner, kind="stable")
        return np.split(rows[order], np.cumsum(np.bincount(owner, minlength=len(clusters)))[:-1])
