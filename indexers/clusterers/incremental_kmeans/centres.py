"""What mini-batch k-means keeps of a stream: centres with their ids, and a uniform sample of the rows that arrived."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from indexers.arrays import NO_INTS, Ints

Rows = NDArray[np.float32]
MEMORY = 400
"""A centre is the running mean of at most this many rows: it errs by a 400th of the spread, and can still move."""


class Centres:
    """The centres of the clusters.

    rows: float32 (k, d).
    ids: int64 (k,), never used twice.
    weight: float64 (k,), the number of rows that each centre is the mean of, at most MEMORY.
    """

    def __init__(self, dimension: int) -> None:
        self.rows: Rows = np.empty((0, dimension), np.float32)
        self.ids = NO_INTS
        self.weight = np.empty(0)
        self.next_id = 0

    def __len__(self) -> int:
        return len(self.weight)

    def add(self, rows: Rows) -> None:
        """Add centres with new ids and a weight of 1."""
        self.rows = np.concatenate([self.rows, rows])
        self.weight = np.concatenate([self.weight, np.ones(len(rows))])
        self.ids = np.concatenate([self.ids, self.create_ids(len(rows))])

    def replace(self, clusters: Ints, rows: Rows) -> None:
        """Put clusters, (m,), at the rows, (m, d), with new ids and a weight of 1."""
        self.rows[clusters], self.weight[clusters] = rows, 1
        self.ids[clusters] = self.create_ids(len(clusters))

    def create_ids(self, count: int) -> Ints:
        """Return `count` ids that were never used before."""
        self.next_id += count
        return np.arange(self.next_id - count, self.next_id)

    def find_nearest(self, rows: Rows) -> tuple[Ints, Rows]:
        """Return the nearest centre of each row and the squared distance to it."""
        labels, distance = self._find_nearest(rows)
        distance += np.einsum("ij,ij->i", rows, rows)
        return labels, np.maximum(distance, 0)

    def assign(self, rows: Rows) -> Ints:
        """Return the nearest centre of each row."""
        return self._find_nearest(rows)[0]

    def _find_nearest(self, rows: Rows) -> tuple[Ints, Rows]:
        """Return the nearest centres, and the squared distances less the squared length of each row."""
        squared_length = np.einsum("ij,ij->i", self.rows, self.rows)
        factor = -2 * self.rows.T
        labels, distance = np.empty(len(rows), np.int64), np.empty(len(rows), np.float32)
        step = max(1, 500_000 // len(self.rows))
        for start in range(0, len(rows), step):
            product = rows[start : start + step] @ factor
            product += squared_length
            nearest = product.argmin(1)
            labels[start : start + step] = nearest
            distance[start : start + step] = product[np.arange(len(nearest)), nearest]
        return labels, distance

    def learn(self, rows: Rows, labels: Ints) -> None:
        """Move each centre to the mean of its former rows, as many as its weight, and its new rows."""
        count = np.bincount(labels, minlength=len(self))
        changed = np.flatnonzero(count)
        indicator = csr_matrix(
            (np.ones(len(rows), np.float32), labels, np.arange(len(rows) + 1)), (len(rows), len(count))
        )
        sums = (indicator.T @ rows)[changed]
        weight = self.weight[changed] + count[changed]
        rate = (1 / weight).astype(np.float32)[:, None]
        centres = self.rows[changed]
        self.rows[changed] = centres + (sums - count[changed, None].astype(np.float32) * centres) * rate
        self.weight[changed] = np.minimum(weight, MEMORY)


class Reservoir:
    """A sample that holds every row that ever arrived with the same probability (Vitter's reservoir).

    rows: float32 (size, d), of which the first len(self) are in use.
    label: int64 (n,), the cluster of each row when it was last assigned.
    """

    def __init__(self, dimension: int, size: int, random: np.random.Generator) -> None:
        self.rows: Rows = np.empty((size, dimension), np.float32)  # rows not in use take no memory
        self.label: Ints = NO_INTS
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

    def count_members(self, n_clusters: int) -> Ints:
        """Count the rows of each cluster in the sample, (n_clusters,)."""
        return np.bincount(self.label, minlength=n_clusters)

    def add(self, rows: Rows, labels: Ints, n_seen: int) -> None:
        """Offer rows to the sample, after `n_seen` earlier ones."""
        held = len(self)
        room = min(self.size - held, len(rows))
        if room:
            self.rows[held : held + room] = rows[:room]
            self.label = np.concatenate([self.label, labels[:room]])
        rest = np.arange(room, len(rows))
        place = self.random.integers(0, n_seen + rest + 1) if len(rest) else rest
        enters = place < self.size
        self.rows[place[enters]], self.label[place[enters]] = rows[rest[enters]], labels[rest[enters]]

    def draw_members(self, clusters: Ints, n_clusters: int) -> list[Ints]:
        """Return the rows of each of these clusters, in random order. `n_clusters`: the number of all clusters."""
        position = np.full(n_clusters, -1)
        position[clusters] = np.arange(len(clusters))
        rows = self.random.permutation(np.flatnonzero(position[self.label] >= 0))
        owner = position[self.label[rows]]
        order = np.argsort(owner, kind="stable")
        return np.split(rows[order], np.cumsum(np.bincount(owner, minlength=len(clusters)))[:-1])
